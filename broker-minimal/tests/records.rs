//! Records over the wire: each fact here is one that a client somewhere relies on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use bytes::{Bytes, BytesMut};
use kinglet_broker::Handle;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::describe_producers::TopicRequest;
use kinglet_protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use kinglet_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic,
};
use kinglet_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use kinglet_protocol::messages::{
    DeleteTopicsRequest, DescribeProducersRequest, FetchRequest, ListOffsetsRequest, MetadataRequest,
    ProduceRequest,
};
use kinglet_protocol::records::{Batch, BatchBuilder, Compression, Seal};
use kinglet_protocol::{ErrorCode, RecordBytes};

use wire::{Wire, batch, now_ms, sealed, start};

async fn broker_with(configs: &[(&str, &str)]) -> (Handle, Wire) {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.create("t", configs).error_code, ErrorCode::NONE);
    (broker, wire)
}

/// A batch of these values, one millisecond apart.
fn values(base: i64, values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::new(256);
    for (value, at) in values.iter().zip(base..) {
        builder.push(at, Some(b"k"), Some(value.as_bytes()), &[]);
    }
    builder.seal(Seal::default()).unwrap()
}

fn fetch_request(offset: i64, max_bytes: i32) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: max_bytes, ..Default::default() };
    let topic = FetchTopic { topic: "t".to_owned(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_bytes, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

fn fetch(wire: &mut Wire, request: &FetchRequest) -> PartitionData {
    wire.call(request, 12).responses.remove(0).partitions.remove(0)
}

/// First offsets and sizes of the batches in a fetch.
fn batches(data: PartitionData) -> Vec<(i64, usize)> {
    let mut bytes = data.records.map(RecordBytes::into_bytes).unwrap_or_default();
    let mut all = Vec::new();
    while let Some(batch) = Batch::split(&mut bytes).unwrap() {
        batch.verify_crc().unwrap();
        all.push((batch.header().base_offset, batch.header().size()));
    }
    all
}

fn produce_with(records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData { index: 0, records: Some(records.into()) };
    let topic = TopicProduceData { name: "t".to_owned(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() }
}

fn produce(wire: &mut Wire, records: Bytes, version: i16) -> PartitionProduceResponse {
    wire.call(&produce_with(records, -1), version).responses.remove(0).partition_responses.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_inside_a_batch_gives_the_whole_batch() {
    let (broker, mut wire) = broker_with(&[]).await;
    produce(&mut wire, values(now_ms(), &["a", "b", "c"]), 9);
    produce(&mut wire, values(now_ms(), &["d"]), 9);
    let data = fetch(&mut wire, &fetch_request(1, 1 << 20));
    assert_eq!((data.high_watermark, data.last_stable_offset, data.log_start_offset), (4, 4, 0));
    assert_eq!(batches(data).iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 3]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_batch_above_the_limit_is_sent_all_the_same_and_only_it() {
    let (broker, mut wire) = broker_with(&[]).await;
    for _ in 0..2 {
        produce(&mut wire, batch(now_ms(), 10_000), 9);
    }
    let sent = batches(fetch(&mut wire, &fetch_request(0, 100)));
    assert_eq!(sent.len(), 1);
    assert!(sent[0].1 > 10_000);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_records_and_is_woken_by_them() {
    let (broker, mut wire) = broker_with(&[]).await;
    let mut other = Wire::to(&broker);
    // Longer than the test's limit: an answer comes by the produce or not at all.
    let waiting = FetchRequest { max_wait_ms: 60_000, ..fetch_request(0, 1 << 20) };
    let reader = std::thread::spawn(move || batches(fetch(&mut other, &waiting)));
    produce(&mut wire, values(now_ms(), &["a"]), 9);
    assert_eq!(reader.join().unwrap().len(), 1);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_waits_learns_that_the_topic_was_deleted() {
    let (broker, mut wire) = broker_with(&[]).await;
    let mut other = Wire::to(&broker);
    let waiting = FetchRequest { max_wait_ms: 60_000, ..fetch_request(0, 1 << 20) };
    let reader = std::thread::spawn(move || fetch(&mut other, &waiting).error_code);
    let topics = vec![DeleteTopicState { name: Some("t".to_owned()), ..Default::default() }];
    wire.call(&DeleteTopicsRequest { topics, ..Default::default() }, 6);
    assert_eq!(reader.join().unwrap(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_stops_answers_the_fetches_that_wait() {
    let (broker, _wire) = broker_with(&[]).await;
    let mut other = Wire::to(&broker);
    let waiting = FetchRequest { max_wait_ms: 60_000, ..fetch_request(0, 1 << 20) };
    // The answer or a closed connection, but never a client that waits for its own timeout.
    let reader = std::thread::spawn(move || drop(other.try_call(&waiting, 12)));
    broker.shutdown().await.unwrap();
    reader.join().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetches_outside_of_the_log_and_in_other_epochs_are_told_so() {
    let (broker, mut wire) = broker_with(&[]).await;
    produce(&mut wire, values(now_ms(), &["a"]), 9);
    assert_eq!(fetch(&mut wire, &fetch_request(2, 100)).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    let mut newer = fetch_request(0, 100);
    newer.topics[0].partitions[0].current_leader_epoch = 9;
    assert_eq!(fetch(&mut wire, &newer).error_code, ErrorCode::UNKNOWN_LEADER_EPOCH);
    let mut unknown = fetch_request(0, 100);
    unknown.topics[0].partitions[0].partition = 7;
    assert_eq!(fetch(&mut wire, &unknown).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let session = FetchRequest { session_id: 5, session_epoch: 1, ..fetch_request(0, 100) };
    assert_eq!(wire.call(&session, 12).error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_must_not_be_stored_are_refused_with_kafkas_codes() {
    let (broker, mut wire) = broker_with(&[]).await;
    let now = now_ms();
    let mut flipped = BytesMut::from(&*values(now, &["a"]));
    *flipped.last_mut().unwrap() ^= 1;
    let mut old = BytesMut::from(&*values(now, &["a"]));
    old[16] = 1;
    let two = Bytes::from([values(now, &["a"]), values(now, &["b"])].concat());
    let cut = values(now, &["a"]).slice(..50);
    let transactional =
        Seal { transactional: true, producer_id: 1, producer_epoch: 0, base_sequence: 0, ..Seal::default() };
    let zstd = sealed(now, Some(b"k"), 10, Seal { compression: Compression::Zstd, ..Seal::default() });
    for (what, records, version, code) in [
        ("checksum", flipped.freeze(), 9, ErrorCode::CORRUPT_MESSAGE),
        ("old format", old.freeze(), 9, ErrorCode::INVALID_RECORD),
        ("two batches", two, 9, ErrorCode::INVALID_RECORD),
        ("no batch", Bytes::new(), 9, ErrorCode::INVALID_RECORD),
        ("cut", cut, 9, ErrorCode::CORRUPT_MESSAGE),
        ("transaction", sealed(now, Some(b"k"), 10, transactional), 9, ErrorCode::INVALID_TXN_STATE),
        ("zstd too early", zstd, 6, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        ("tomorrow", batch(now + 86_400_000, 10), 9, ErrorCode::INVALID_TIMESTAMP),
    ] {
        let response = produce(&mut wire, records, version);
        assert_eq!((response.error_code, response.base_offset), (code, -1), "{what}");
    }
    let acks = wire.call(&produce_with(values(now, &["a"]), 2), 9);
    assert_eq!(acks.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(wire.offset("t", -1), 0, "nothing was stored");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_takes_only_records_with_a_key() {
    let (broker, mut wire) = broker_with(&[("cleanup.policy", "compact")]).await;
    let keyless = sealed(now_ms(), None, 10, Seal::default());
    assert_eq!(produce(&mut wire, keyless, 9).error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(produce(&mut wire, batch(now_ms(), 10), 9).error_code, ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_batch_answers_with_its_first_offset_and_a_gap_is_refused() {
    let (broker, mut wire) = broker_with(&[]).await;
    let of = |sequence| {
        let seal = Seal { producer_id: 4, producer_epoch: 0, base_sequence: sequence, ..Seal::default() };
        sealed(now_ms(), Some(b"k"), 10, seal)
    };
    let first = of(0);
    assert_eq!(produce(&mut wire, first.clone(), 9).base_offset, 0);
    for sequence in 1..5 {
        assert_eq!(produce(&mut wire, of(sequence), 9).base_offset, i64::from(sequence));
    }
    // The window is five batches deep.
    let again = produce(&mut wire, first.clone(), 9);
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 0));
    assert_eq!(produce(&mut wire, of(6), 9).error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(produce(&mut wire, of(5), 9).base_offset, 5);
    assert_eq!(wire.offset("t", -1), 6, "the repeated batch was not stored again");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idempotent_producers_are_told_with_what_they_wrote_last() {
    let (broker, mut wire) = broker_with(&[]).await;
    let base = now_ms() - 1000;
    produce(&mut wire, values(base, &["of nobody"]), 9);
    for (producer_id, producer_epoch, base_sequence) in [(8, 0, 0), (4, 0, 0), (4, 0, 1), (8, 3, 0)] {
        let seal = Seal { producer_id, producer_epoch, base_sequence, ..Seal::default() };
        let batch = sealed(base + producer_id, Some(b"k"), 10, seal);
        assert_eq!(produce(&mut wire, batch, 9).error_code, ErrorCode::NONE);
    }
    let topic = |name: &str, indexes: &[i32]| TopicRequest {
        name: name.to_owned(),
        partition_indexes: indexes.into(),
    };
    let request = DescribeProducersRequest { topics: vec![topic("t", &[0, 7]), topic("none", &[0])] };
    let told = wire.call(&request, 0).topics;
    let codes = |index: usize| {
        told[index].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect::<Vec<_>>()
    };
    assert_eq!(codes(0), [(0, ErrorCode::NONE), (7, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    assert_eq!(codes(1), [(0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    let producers = &told[0].partitions[0].active_producers;
    let last: Vec<_> = producers
        .iter()
        .map(|p| (p.producer_id, p.producer_epoch, p.last_sequence, p.last_timestamp))
        .collect();
    assert_eq!(last, [(4, 0, 1, base + 4), (8, 3, 0, base + 8)]);
    assert!(producers.iter().all(|p| (p.coordinator_epoch, p.current_txn_start_offset) == (-1, -1)));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_time() {
    let (broker, mut wire) = broker_with(&[]).await;
    let base = now_ms() - 1000;
    produce(&mut wire, values(base, &["a", "b", "c"]), 9);
    produce(&mut wire, values(base + 100, &["d", "e"]), 9);
    let find = |wire: &mut Wire, timestamp: i64, version: i16| -> ListOffsetsPartitionResponse {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        wire.call(&request, version).topics.remove(0).partitions.remove(0)
    };
    for (timestamp, offset, at) in
        [(base, 0, base), (base + 1, 1, base + 1), (base + 50, 3, base + 100), (base + 101, 4, base + 101)]
    {
        let found = find(&mut wire, timestamp, 7);
        assert_eq!((found.error_code, found.offset, found.timestamp), (ErrorCode::NONE, offset, at));
    }
    assert_eq!(find(&mut wire, base + 5000, 7).offset, -1);
    assert_eq!((find(&mut wire, -3, 7).offset, find(&mut wire, -3, 7).timestamp), (4, base + 101));
    assert_eq!((find(&mut wire, -2, 1).offset, find(&mut wire, -1, 1).offset), (0, 5));
    // Nothing is in tiered storage: all that is there starts on this disk, and the last record there is none.
    for (timestamp, since, offset, epoch) in [(-4, 8, 0, 0), (-5, 9, -1, -1), (-6, 11, -1, -1)] {
        for version in 7..=11 {
            let found = find(&mut wire, timestamp, version);
            let told = (found.error_code, found.offset, found.timestamp, found.leader_epoch);
            let expected = (ErrorCode::NONE, offset, -1, epoch);
            let too_old = (ErrorCode::UNSUPPORTED_VERSION, -1, -1, -1);
            assert_eq!(
                told,
                if version < since { too_old } else { expected },
                "{timestamp} in version {version}"
            );
        }
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_with_acks_0_closes_the_connection_and_success_says_nothing() {
    let (broker, mut wire) = broker_with(&[]).await;
    let send = |wire: &mut Wire, records: Bytes| {
        let request = produce_with(records, 0);
        wire.send(&kinglet_protocol::encode_request(&request, 9, 7, None).unwrap().to_bytes());
    };
    send(&mut wire, values(now_ms(), &["a"]));
    // The next answer on the connection belongs to the next request.
    assert_eq!(wire.offset("t", -2), 0);
    assert_eq!(wire.offset("t", -1), 1);
    send(&mut wire, Bytes::from_static(b"nonsense"));
    assert!(wire.is_closed());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_not_served_close_the_connection_and_no_other() {
    let (broker, mut good) = broker_with(&[]).await;
    let frame = |key: i16, version: i16| {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&10i32.to_be_bytes());
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&7i32.to_be_bytes());
        frame.extend_from_slice(&(-1i16).to_be_bytes());
        frame
    };
    let oversize = BytesMut::from(&(200 * 1024 * 1024i32).to_be_bytes()[..]);
    let negative = BytesMut::from(&(-5i32).to_be_bytes()[..]);
    for bad in [frame(999, 0), frame(0, 2), frame(1, 99), oversize, negative] {
        let mut wire = Wire::to(&broker);
        wire.send(&bad);
        assert!(wire.is_closed(), "{bad:?}");
    }
    assert_eq!(good.call(&MetadataRequest::default(), 12).topics.len(), 1);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closed_its_side_still_gets_its_last_answer() {
    let (broker, _) = broker_with(&[]).await;
    let mut wire = Wire::to(&broker);
    let frame =
        kinglet_protocol::encode_request(&MetadataRequest::default(), 12, 7, None).unwrap().to_bytes();
    wire.send(&frame);
    wire.close_write();
    assert!(!wire.is_closed(), "an answer, not the end");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_with_a_long_name_and_many_partitions_takes_no_more_than_itself() {
    let (broker, mut wire) = broker_with(&[]).await;
    // Each partition once held a copy of the name: 10,000 of them would be gigabytes.
    let partition = |index| PartitionProduceData { index, records: None };
    let topic = TopicProduceData {
        name: "n".repeat(32_000),
        partition_data: (0..10_000).map(partition).collect(),
        ..Default::default()
    };
    let request = ProduceRequest { acks: -1, timeout_ms: 1, topic_data: vec![topic], ..Default::default() };
    let response = wire.call(&request, 9);
    let codes = response.responses[0].partition_responses.iter().map(|partition| partition.error_code);
    assert!(codes.into_iter().all(|code| code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_request_that_is_no_produce_is_refused_before_it_is_read() {
    let (broker, _) = broker_with(&[]).await;
    let mut wire = Wire::to(&broker);
    let mut frame = BytesMut::from(&(50 * 1024 * 1024i32).to_be_bytes()[..]);
    frame.extend_from_slice(&3i16.to_be_bytes());
    frame.resize(100_000, 0);
    wire.send(&frame);
    assert!(wire.is_closed());
    broker.shutdown().await.unwrap();
}
