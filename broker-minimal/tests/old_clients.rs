//! What clients of Kafka 0.8 to 0.10 send, and how they are answered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use bytes::{Bytes, BytesMut};
use kinglet_broker::Handle;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::describe_configs::DescribeConfigsResource;
use kinglet_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use kinglet_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use kinglet_protocol::messages::offset_fetch::OffsetFetchRequestTopic;
use kinglet_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use kinglet_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, FetchRequest, FindCoordinatorRequest,
    ListOffsetsRequest, MetadataRequest, OffsetFetchRequest, ProduceRequest,
};
use kinglet_protocol::records::legacy::{Message, MessageFormat, MessageSet, Tail, from_batches};
use kinglet_protocol::records::{Batch, BatchBuilder, Compression, Seal, TimestampType};
use kinglet_protocol::{ErrorCode, RecordBytes};

use wire::{Wire, batch, now_ms, start};

const LIMIT: usize = 64 << 20;
const OLD_CODECS: [Compression; 4] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];

async fn broker_with(configs: &[(&str, &str)]) -> (Handle, Wire) {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.create("t", configs).error_code, ErrorCode::NONE);
    (broker, wire)
}

/// A batch of these values, one millisecond apart, each with its own value as key.
fn values(base: i64, values: &[&str], compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(256);
    for (value, at) in values.iter().zip(base..) {
        builder.push(at, Some(value.as_bytes()), Some(value.as_bytes()), &[("header", None)]);
    }
    builder.seal(Seal { compression, ..Seal::default() }).unwrap()
}

/// The same as a client of the time would send it.
fn old_set(format: MessageFormat, base: i64, texts: &[&str], compression: Compression) -> Bytes {
    from_batches(values(base, texts, compression), format, 0, LIMIT).unwrap()
}

fn produce(wire: &mut Wire, records: Bytes, version: i16) -> PartitionProduceResponse {
    let data = PartitionProduceData { index: 0, records: Some(records.into()) };
    let topic = TopicProduceData { name: "t".to_owned(), partition_data: vec![data], ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() };
    wire.call(&request, version).responses.remove(0).partition_responses.remove(0)
}

fn fetch(wire: &mut Wire, offset: i64, max_bytes: i32, version: i16) -> PartitionData {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: max_bytes, ..Default::default() };
    let topic = FetchTopic { topic: "t".to_owned(), partitions: vec![partition], ..Default::default() };
    let request = FetchRequest { replica_id: -1, min_bytes: 1, topics: vec![topic], ..Default::default() };
    wire.call(&request, version).responses.remove(0).partitions.remove(0)
}

fn messages(data: PartitionData) -> Vec<Message> {
    assert_eq!(data.error_code, ErrorCode::NONE);
    let set = MessageSet::new(data.records.map(RecordBytes::into_bytes).unwrap_or_default(), Tail::Whole);
    set.messages(LIMIT).map(Result::unwrap).collect()
}

fn texts(messages: &[Message]) -> Vec<(i64, String)> {
    let text = |m: &Message| String::from_utf8(m.value.clone().unwrap().to_vec()).unwrap();
    messages.iter().map(|m| (m.offset, text(m))).collect()
}

/// The only batch of a fetch by a client of today.
fn stored(wire: &mut Wire, offset: i64) -> Batch {
    let mut bytes = fetch(wire, offset, 1, 12).records.map(RecordBytes::into_bytes).unwrap();
    let batch = Batch::split(&mut bytes).unwrap().unwrap();
    batch.verify_crc().unwrap();
    batch
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_sets_of_every_codec_are_stored_as_one_batch() {
    let (broker, mut wire) = broker_with(&[]).await;
    let base = now_ms();
    let mut next = 0;
    for (version, format) in [(0, MessageFormat::V0), (1, MessageFormat::V0), (2, MessageFormat::V1)] {
        for codec in OLD_CODECS {
            let response = produce(&mut wire, old_set(format, base, &["a", "b", "c"], codec), version);
            assert_eq!((response.error_code, response.base_offset), (ErrorCode::NONE, next), "{codec}");
            let batch = stored(&mut wire, next);
            let header = batch.header();
            assert_eq!((header.base_offset, header.record_count), (next, 3));
            assert_eq!(header.attributes.compression(), Ok(codec));
            assert_eq!((header.producer_id, header.base_sequence), (-1, -1));
            let wanted_time = if format == MessageFormat::V1 { base + 2 } else { -1 };
            assert_eq!(header.max_timestamp, wanted_time);
            let records = batch.records(LIMIT).unwrap();
            let values: Vec<_> =
                records.iter().map(|record| record.unwrap().value.unwrap().to_vec()).collect();
            assert_eq!(values, [b"a", b"b", b"c"]);
            next += 3;
        }
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_client_of_today_reach_old_consumers() {
    let (broker, mut wire) = broker_with(&[]).await;
    let base = now_ms();
    for (codec, first) in OLD_CODECS.into_iter().zip(["a", "b", "c", "d"]) {
        produce(&mut wire, values(base, &[first, "x"], codec), 9);
    }
    let all = ["a", "x", "b", "x", "c", "x", "d", "x"];
    let all: Vec<_> = (0..).zip(all.map(str::to_owned)).collect();
    for version in 0..=3 {
        let got = messages(fetch(&mut wire, 0, 1 << 20, version));
        assert_eq!(texts(&got), all, "version {version}");
        let (format, times) = match version {
            0 | 1 => (MessageFormat::V0, [-1, -1]),
            _ => (MessageFormat::V1, [base, base + 1]),
        };
        assert!(got.iter().all(|m| m.format == format));
        assert_eq!([got[0].timestamp, got[1].timestamp], times);
        assert_eq!(fetch(&mut wire, 0, 1 << 20, version).high_watermark, 8);
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_consumer_gets_on_from_every_offset_however_little_it_asks_for() {
    let (broker, mut wire) = broker_with(&[]).await;
    for codec in OLD_CODECS {
        produce(&mut wire, values(now_ms(), &["a", "b", "c"], codec), 9);
    }
    produce(&mut wire, batch(now_ms(), 100_000), 9);
    for version in [0, 2, 3] {
        for offset in 0..13 {
            let got = messages(fetch(&mut wire, offset, 10, version));
            // Uncompressed messages below the offset are left out, a wrapper is sent whole.
            assert!(got.iter().any(|m| m.offset == offset), "version {version} at {offset}");
            let batch_start = if offset < 12 { offset / 3 * 3 } else { 12 };
            let first = if offset < 3 { offset } else { batch_start };
            assert_eq!(got[0].offset, first, "version {version}");
        }
        assert!(messages(fetch(&mut wire, 13, 10, version)).is_empty());
        assert_eq!(fetch(&mut wire, 14, 10, version).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_brokers_clock_reaches_old_consumers_and_counts_for_old_producers() {
    let (broker, mut wire) = broker_with(&[("message.timestamp.type", "LogAppendTime")]).await;
    let before = now_ms();
    for codec in [Compression::None, Compression::Gzip] {
        let response = produce(&mut wire, old_set(MessageFormat::V1, 5, &["a", "b"], codec), 2);
        assert!(response.log_append_time_ms >= before, "{response:?}");
    }
    let got = messages(fetch(&mut wire, 0, 1 << 20, 3));
    assert_eq!(got.len(), 4);
    assert!(got.iter().all(|m| m.timestamp >= before));
    assert!(got.iter().all(|m| m.timestamp_type == Some(TimestampType::LogAppendTime)));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn message_sets_that_must_not_be_stored_are_refused_with_kafkas_codes() {
    let (broker, mut wire) = broker_with(&[]).await;
    let good = old_set(MessageFormat::V1, now_ms(), &["a", "b"], Compression::Gzip);
    let mut flipped = BytesMut::from(&good[..]);
    *flipped.last_mut().unwrap() ^= 1;
    let two = Bytes::from([&good[..], &good].concat());
    let future = old_set(MessageFormat::V1, now_ms() + 86_400_000, &["a"], Compression::None);
    let bomb = {
        let mut builder = BatchBuilder::new(1 << 10);
        builder.push(0, None, Some(&vec![0; LIMIT]), &[]);
        let batch = builder.seal(Seal { compression: Compression::Gzip, ..Seal::default() }).unwrap();
        from_batches(batch, MessageFormat::V1, 0, 2 * LIMIT).unwrap()
    };
    for (what, set, version, code) in [
        ("checksum", flipped.freeze(), 2, ErrorCode::CORRUPT_MESSAGE),
        ("cut", good.slice(..good.len() - 1), 2, ErrorCode::CORRUPT_MESSAGE),
        ("two wrappers", two, 2, ErrorCode::INVALID_RECORD),
        ("tomorrow", future, 2, ErrorCode::INVALID_TIMESTAMP),
        ("bomb", bomb, 2, ErrorCode::MESSAGE_TOO_LARGE),
        ("nothing", Bytes::new(), 2, ErrorCode::INVALID_RECORD),
        ("too new a request", good.clone(), 3, ErrorCode::INVALID_RECORD),
        ("too new a request", good, 9, ErrorCode::INVALID_RECORD),
    ] {
        let response = produce(&mut wire, set, version);
        assert_eq!((response.error_code, response.base_offset), (code, -1), "{what}");
    }
    assert_eq!(wire.offset("t", -1), 0, "nothing was stored");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_takes_old_messages_only_with_a_key() {
    let (broker, mut wire) = broker_with(&[("cleanup.policy", "compact")]).await;
    let keyless = wire::sealed(now_ms(), None, 10, Seal::default());
    let keyless = from_batches(keyless, MessageFormat::V1, 0, LIMIT).unwrap();
    assert_eq!(produce(&mut wire, keyless, 2).error_code, ErrorCode::INVALID_RECORD);
    let keyed = old_set(MessageFormat::V1, now_ms(), &["a"], Compression::Gzip);
    assert_eq!(produce(&mut wire, keyed, 2).error_code, ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zstd_is_told_to_old_consumers_once_they_reach_it() {
    let (broker, mut wire) = broker_with(&[]).await;
    produce(&mut wire, values(now_ms(), &["a"], Compression::None), 9);
    produce(&mut wire, values(now_ms(), &["b"], Compression::Zstd), 9);
    for version in 0..=3 {
        assert_eq!(messages(fetch(&mut wire, 0, 1 << 20, version)).len(), 1);
        let at_zstd = fetch(&mut wire, 1, 1 << 20, version);
        assert_eq!(at_zstd.error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
        assert!(at_zstd.records.unwrap().is_empty());
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_answer_of_many_partitions_is_bounded_and_all_are_read_in_the_end() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 12,
        replication_factor: 1,
        ..Default::default()
    };
    assert_eq!(wire.create_as(topic).error_code, ErrorCode::NONE);
    let data = |index| PartitionProduceData { index, records: Some(batch(now_ms(), 900_000).into()) };
    let topic_data = vec![TopicProduceData {
        name: "t".to_owned(),
        partition_data: (0..12).map(data).collect(),
        ..Default::default()
    }];
    wire.call(&ProduceRequest { acks: -1, timeout_ms: 5000, topic_data, ..Default::default() }, 9);

    let mut open: Vec<i32> = (0..12).collect();
    let mut rounds = 0;
    while !open.is_empty() {
        let partition = |&partition: &i32| FetchPartition {
            partition,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let topics = vec![FetchTopic {
            topic: "t".to_owned(),
            partitions: open.iter().map(partition).collect(),
            ..Default::default()
        }];
        let request = FetchRequest { replica_id: -1, min_bytes: 1, topics, ..Default::default() };
        let answers = wire.call(&request, 1).responses.remove(0).partitions;
        let sizes: Vec<_> =
            answers.iter().map(|data| (data.partition_index, data.records.as_ref().unwrap().len())).collect();
        let total = sizes.iter().map(|(_, size)| size).sum::<usize>();
        assert!((900_000..=4 << 20).contains(&total), "{total}");
        open.retain(|index| sizes.iter().any(|(of, size)| of == index && *size == 0));
        rounds += 1;
    }
    assert_eq!(rounds, 3, "four of 900 kB at a time");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_list_offsets_names_the_end_and_the_starts_of_segments() {
    let (broker, mut wire) = broker_with(&[("segment.bytes", "2000000")]).await;
    let mut list = |timestamp: i64, max_num_offsets: i32| {
        let partition = ListOffsetsPartition { timestamp, max_num_offsets, ..Default::default() };
        let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        wire.call(&request, 0).topics.remove(0).partitions.remove(0).old_style_offsets
    };
    assert_eq!(list(-1, 1), [0]);
    assert_eq!(list(-2, 1), [0]);
    let mut writer = Wire::to(&broker);
    for _ in 0..5 {
        assert_eq!(writer.produce("t", batch(now_ms(), 900_000)).error_code, ErrorCode::NONE);
    }
    assert_eq!(list(-1, 1), [5]);
    assert_eq!(list(-2, 10), [0]);
    assert_eq!(list(-1, 10), [5, 4, 2, 0]);
    assert_eq!(list(-1, 0), [0; 0]);
    assert_eq!(list(-1, -3), [0; 0]);
    assert_eq!(list(1000, 10), [0; 0], "nothing was written before");
    assert_eq!(list(now_ms() + 60_000, 10), [5, 4, 2, 0]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_made_described_and_deleted_by_the_first_versions() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    for version in [0, 1] {
        let config = kinglet_protocol::messages::create_topics::CreatableTopicConfig {
            name: "retention.ms".to_owned(),
            value: Some("1234567".to_owned()),
        };
        let topic = CreatableTopic {
            name: "t".to_owned(),
            num_partitions: 2,
            replication_factor: 1,
            configs: vec![config],
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic.clone()], ..Default::default() };
        assert_eq!(wire.call(&request, version).topics[0].error_code, ErrorCode::NONE);
        assert_eq!(wire.call(&request, version).topics[0].error_code, ErrorCode::TOPIC_ALREADY_EXISTS);
        // Version 0 asks for all topics by an empty list.
        let metadata = wire.call(&MetadataRequest { topics: Some(vec![]), ..Default::default() }, 0);
        assert_eq!((metadata.topics.len(), metadata.topics[0].partitions.len()), (1, 2));

        let resource = DescribeConfigsResource {
            resource_type: 2,
            resource_name: "t".to_owned(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let configs = wire.call(&request, 0).results.remove(0).configs;
        let of = |name: &str| configs.iter().find(|config| config.name == name).unwrap();
        assert_eq!(
            (of("retention.ms").value.as_deref(), of("retention.ms").is_default),
            (Some("1234567"), false)
        );
        assert!(of("segment.bytes").is_default);

        let request = DeleteTopicsRequest { topic_names: vec!["t".to_owned()], ..Default::default() };
        assert_eq!(wire.call(&request, 0).responses[0].error_code, ErrorCode::NONE);
        assert_eq!(wire.call(&request, 0).responses[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_consumers_find_their_coordinator() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    let mut find = |version: i16, key_type: i8| {
        let request = FindCoordinatorRequest { key: "g".to_owned(), key_type, ..Default::default() };
        wire.call(&request, version)
    };
    for version in [0, 1] {
        let found = find(version, 0);
        assert_eq!(found.error_code, ErrorCode::NONE);
        assert_eq!(format!("{}:{}", found.host, found.port), broker.bootstrap());
        assert_eq!(found.node_id, broker.node_id());
    }
    assert_eq!(find(1, 1).error_code, ErrorCode::UNSUPPORTED_VERSION, "transactions have none");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_committed_offsets_is_told_that_there_are_none() {
    let (broker, mut wire) = broker_with(&[]).await;
    let request = FindCoordinatorRequest { key: "g".to_owned(), ..Default::default() };
    assert_eq!(wire.call(&request, 0).error_code, ErrorCode::NONE);
    for version in 0..=3 {
        let topic = OffsetFetchRequestTopic { name: "t".to_owned(), partition_indexes: vec![0, 7] };
        let request =
            OffsetFetchRequest { group_id: "g".to_owned(), topics: Some(vec![topic]), ..Default::default() };
        let response = wire.call(&request, version);
        let partitions = response.topics[0].partitions.iter();
        let told = partitions
            .map(|p| (p.partition_index, p.committed_offset, p.metadata.as_deref(), p.error_code.0));
        assert_eq!(told.collect::<Vec<_>>(), [(0, -1, Some(""), 0), (7, -1, Some(""), 0)]);
    }
    let all = OffsetFetchRequest { group_id: "g".to_owned(), topics: None, ..Default::default() };
    assert!(wire.call(&all, 3).topics.is_empty());
    broker.shutdown().await.unwrap();
}
