//! Records and topics with brokers that know only old requests and old record formats.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fake::{Age, Fake, Script};
use kinglet::admin::NewTopic;
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::create_topics::CreatableTopicResult;
use kinglet::protocol::messages::describe_configs::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kinglet::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use kinglet::protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse, FetchRequest,
    FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse,
};
use kinglet::protocol::records::legacy::{Message, MessageFormat, MessageSet, Tail, from_batches};
use kinglet::protocol::records::{BatchBuilder, Compression, Seal};
use kinglet::protocol::wire::RecordBytes;
use kinglet::{Assignment, Client, Config, Error, ErrorKind, Position, Record, TopicPartition};

/// Metadata in the layout of version 0: one topic `t` with one partition, led by broker 1 at this address.
fn metadata(address: &str) -> MetadataResponse {
    let (host, port) = address.rsplit_once(':').unwrap();
    let broker =
        MetadataResponseBroker { node_id: 1, host: host.to_owned(), port: port.parse().unwrap(), rack: None };
    let partition = MetadataResponsePartition { leader_id: 1, ..Default::default() };
    let topic =
        MetadataResponseTopic { name: Some("t".into()), partitions: vec![partition], ..Default::default() };
    MetadataResponse { brokers: vec![broker], topics: vec![topic], ..Default::default() }
}

type Sent = Arc<Mutex<Vec<Bytes>>>;

fn store(sent: &Sent, request: &ProduceRequest) -> ProduceResponse {
    let mut responses = Vec::new();
    for topic in &request.topic_data {
        let Some(RecordBytes::Here(bytes)) = &topic.partition_data[0].records else { panic!("no records") };
        sent.lock().unwrap().push(bytes.clone());
        let partition = PartitionProduceResponse { base_offset: 40, ..Default::default() };
        responses.push(TopicProduceResponse {
            name: "t".into(),
            partition_responses: vec![partition],
            ..Default::default()
        });
    }
    ProduceResponse { responses, ..Default::default() }
}

/// A broker of 0.9 that keeps what it is sent.
async fn of_0_9(sent: &Sent, more: impl FnOnce(Script) -> Script) -> Fake {
    let sent = sent.clone();
    Fake::start(|at| {
        let metadata = metadata(at);
        let script = Script::default()
            .aged(Age::Closing)
            .always::<MetadataRequest>(0, move |_| Some(metadata.clone()))
            .always::<ProduceRequest>(1, move |request| Some(store(&sent, &request)));
        more(script)
    })
    .await
}

fn messages(sent: &Sent) -> Vec<Message> {
    let set = MessageSet::new(sent.lock().unwrap().concat().into(), Tail::Whole);
    set.messages(1 << 20).map(Result::unwrap).collect()
}

async fn send(address: &str, config: &[(&str, &str)], record: Record<'_>) -> Result<kinglet::Ack, Error> {
    let mut all = Config::new(address);
    for (key, value) in config {
        all = all.set(key, value).unwrap();
    }
    Client::connect(all).await.unwrap().producer().unwrap().send(record).await
}

#[tokio::test]
async fn records_go_to_a_broker_of_0_9_as_messages_it_can_read() {
    let sent = Sent::default();
    let fake = of_0_9(&sent, |script| script).await;
    for codec in ["none", "gzip", "snappy", "lz4"] {
        let record = Record::to("t").key("k").value("v");
        let ack = send(&fake.address, &[("compression.type", codec)], record).await.unwrap();
        assert_eq!(ack.offset, Some(40), "{codec}");
    }
    let messages = messages(&sent);
    assert_eq!(messages.len(), 4);
    for message in messages {
        assert_eq!(message.format, MessageFormat::V0);
        assert_eq!((message.key.as_deref(), message.value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
    }
    assert!(fake.versions::<ProduceRequest>().iter().all(|version| *version == 1));
}

#[tokio::test]
async fn what_an_old_broker_cannot_store_is_refused_and_named() {
    let sent = Sent::default();
    let fake = of_0_9(&sent, |script| script).await;
    let headers = [("h", Some(&b"1"[..]))];
    let error = send(&fake.address, &[], Record::to("t").value("v").headers(&headers)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    assert!(error.to_string().ends_with("has no record headers: needs Kafka >= 0.11.0 (KIP-82)"), "{error}");

    let zstd = [("compression.type", "zstd")];
    let error = send(&fake.address, &zstd, Record::to("t").value("v")).await.unwrap_err();
    assert!(error.to_string().ends_with("has no zstd: needs Kafka >= 2.1 (KIP-110)"), "{error}");

    let idempotent = [("enable.idempotence", "true")];
    let error = send(&fake.address, &idempotent, Record::to("t").value("v")).await.unwrap_err();
    assert!(error.to_string().ends_with("has no InitProducerId: needs Kafka >= 0.11.0 (KIP-98)"), "{error}");
    assert!(sent.lock().unwrap().is_empty(), "nothing of it was sent");
}

#[tokio::test]
async fn asking_for_a_topic_by_name_creates_nothing_on_old_brokers() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let fake = Fake::start(move |at| {
        let metadata = metadata(at);
        Script::default().on::<MetadataRequest>(3, move |request| {
            seen.lock().unwrap().push(request.topics);
            Some(metadata.clone())
        })
    })
    .await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    let mut described = client.admin().describe_topics(["nope", "t"]).await.unwrap();
    assert_eq!(described.pop().unwrap().1.unwrap().partitions.len(), 1);
    let error = described.pop().unwrap().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownTopic);
    assert_eq!(*asked.lock().unwrap(), [None], "all topics were asked for, none by its name");
}

/// Messages of format 0 at these offsets, whose values say so.
fn log(offsets: std::ops::Range<i64>, compression: Compression) -> Vec<Bytes> {
    let message = |offset: i64| {
        let mut builder = BatchBuilder::new(64);
        builder.push(0, None, Some(offset.to_string().as_bytes()), &[]);
        let mut batch = builder.seal(Seal { compression, ..Seal::default() }).unwrap().to_vec();
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        from_batches(batch.into(), MessageFormat::V0, 0, 1 << 20).unwrap()
    };
    offsets.map(message).collect()
}

/// Serves a log of messages as 0.9 does: cut off where the size ends that was asked for.
fn serve(log: Vec<Bytes>, script: Script) -> Script {
    let end = i64::try_from(log.len()).unwrap();
    script
        .always::<ListOffsetsRequest>(0, move |request| {
            let wanted = request.topics[0].partitions[0].timestamp;
            let old_style_offsets = if wanted == -2 { vec![0] } else { vec![end, 0] };
            let partition = ListOffsetsPartitionResponse { old_style_offsets, ..Default::default() };
            let topic = ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] };
            Some(ListOffsetsResponse { topics: vec![topic], ..Default::default() })
        })
        .always::<FetchRequest>(1, move |request| {
            let partition = &request.topics[0].partitions[0];
            let from = usize::try_from(partition.fetch_offset).unwrap();
            let mut records = log.get(from..).unwrap_or_default().concat();
            records.truncate(usize::try_from(partition.partition_max_bytes).unwrap());
            let data = PartitionData {
                high_watermark: end,
                records: Some(Bytes::from(records).into()),
                ..Default::default()
            };
            let topic =
                FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
            Some(FetchResponse { responses: vec![topic], ..Default::default() })
        })
}

#[tokio::test]
async fn messages_of_a_broker_of_0_9_are_read_also_those_larger_than_was_asked_for() {
    for compression in [Compression::None, Compression::Gzip] {
        let log = log(0..300, compression);
        let fake = of_0_9(&Sent::default(), |script| serve(log, script)).await;
        // Less than the smallest message takes.
        let config = Config::new(&*fake.address).set("max.partition.fetch.bytes", 20).unwrap();
        let config = config.set("isolation.level", "read_committed").unwrap();
        let client = Client::connect(config).await.unwrap();
        let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
        let mut next = 0;
        while next < 300 {
            for record in consumer.recv().await.unwrap().unwrap().iter() {
                assert_eq!((record.offset, record.value), (next, Some(next.to_string().as_bytes())));
                next += 1;
            }
        }
    }
}

#[tokio::test]
async fn a_message_larger_than_may_be_fetched_is_an_error_that_says_so() {
    let fake = of_0_9(&Sent::default(), |script| serve(log(0..1, Compression::None), script)).await;
    let config = Config::new(&*fake.address).set("max.partition.fetch.bytes", 20).unwrap();
    let client = Client::connect(config.set("fetch.max.bytes", 25).unwrap()).await.unwrap();
    let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    let error = consumer.recv().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.hint().unwrap().contains("fetch.max.bytes"), "{error}");
}

#[tokio::test]
async fn offsets_by_time_need_a_broker_that_knows_them() {
    let fake = of_0_9(&Sent::default(), |script| serve(log(0..3, Compression::None), script)).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    let at = TopicPartition::new("t", 0);
    let positions = [Position::Timestamp(5), Position::End, Position::Beginning];
    let found = client.admin().list_offsets(positions.map(|position| (at.clone(), position))).await.unwrap();
    let mut found = found.into_iter().map(|(_, result)| result);
    let error = found.next().unwrap().unwrap_err();
    assert!(error.to_string().ends_with("offsets by timestamp: needs Kafka >= 0.10.1 (KIP-79)"), "{error}");
    let ends: Vec<i64> = found.map(|info| info.unwrap().offset).collect();
    assert_eq!(ends, [3, 0]);
}

#[tokio::test]
async fn new_topics_get_the_numbers_of_the_brokers_configuration_where_the_request_must_name_them() {
    let created = Arc::new(Mutex::new(Vec::new()));
    let (seen, rounds) = (created.clone(), Mutex::new(0));
    let fake = Fake::start(move |at| {
        let metadata = metadata(at);
        let entry = |name: &str, value: &str| DescribeConfigsResourceResult {
            name: name.into(),
            value: Some(value.into()),
            ..Default::default()
        };
        let configs = vec![entry("num.partitions", "7"), entry("default.replication.factor", "2")];
        Script::default()
            .on::<MetadataRequest>(4, move |_| Some(metadata.clone()))
            .on::<DescribeConfigsRequest>(0, move |request| {
                let asked = request.resources[0].clone();
                let result = DescribeConfigsResult {
                    resource_type: asked.resource_type,
                    resource_name: asked.resource_name,
                    configs: configs.clone(),
                    ..Default::default()
                };
                Some(DescribeConfigsResponse { results: vec![result], ..Default::default() })
            })
            .on::<CreateTopicsRequest>(2, move |request| {
                let topic = &request.topics[0];
                seen.lock().unwrap().push((topic.num_partitions, topic.replication_factor));
                // The controller has just moved: the metadata does not know it yet.
                let mut round = rounds.lock().unwrap();
                *round += 1;
                let error_code = if *round < 4 { ErrorCode::NOT_CONTROLLER } else { ErrorCode::NONE };
                let topic =
                    CreatableTopicResult { name: topic.name.clone(), error_code, ..Default::default() };
                Some(CreateTopicsResponse { topics: vec![topic], ..Default::default() })
            })
    })
    .await;
    let config = Config::new(&*fake.address).set("retry.backoff.ms", 1).unwrap();
    let client = Client::connect(config).await.unwrap();
    let results = client.admin().create_topics([NewTopic::new("new", -1, 3)]).await.unwrap();
    assert!(results[0].1.is_ok(), "{results:?}");
    assert_eq!(*created.lock().unwrap(), [(7, 3); 4]);
}
