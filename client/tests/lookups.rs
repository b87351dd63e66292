//! Positions that are looked up while a leader says nothing: it holds up what it leads, and only as long as it does.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake::{Fake, Script, broker_at, free_address};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
};
use kinglet::protocol::records::{BatchBuilder, Seal};
use kinglet::{Assignment, Client, Config, Consumer, Position, TopicPartition};

/// Less than a request may take, where the test does not say how long.
const LIMIT: Duration = Duration::from_secs(20);

/// Two brokers: the first was asked for a position, which it does not answer.
struct Pair {
    asked: Arc<AtomicBool>,
    first: Fake,
    second: Fake,
}

impl Pair {
    /// `leaders` of the partitions of `t`, before the first broker was asked for a position and after.
    async fn start(leaders: [&'static [i32]; 2]) -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let (first_at, second_at) = (free_address().await, free_address().await);
        let brokers = [broker_at(1, &first_at), broker_at(2, &second_at)];
        let was_asked = Arc::clone(&asked);
        let first = script(&brokers, leaders, &asked).on::<ListOffsetsRequest>(7, move |_| {
            was_asked.store(true, Ordering::SeqCst);
            None
        });
        let second = script(&brokers, leaders, &asked)
            .on::<ListOffsetsRequest>(7, |request| Some(beginning(&request)));
        let first = Fake::start_at(&first_at, |_| first).await;
        let second = Fake::start_at(&second_at, |_| second).await;
        Self { asked, first, second }
    }

    /// Of partitions whose position is outside of their log.
    async fn consumer(&self, partitions: i32, keys: &[(&str, &str)]) -> Consumer {
        let config = Config::new(&*self.first.address).set("auto.offset.reset", "earliest").unwrap();
        let config = keys.iter().fold(config, |config, (key, value)| config.set(key, *value).unwrap());
        let from = (0..partitions).map(|at| (TopicPartition::new("t", at), Position::Offset(5)));
        Client::connect(config).await.unwrap().consumer(Assignment::partitions(from)).await.unwrap()
    }
}

/// A broker that has one record of each partition, at offset 0. It is not asked for partition 1 until the first broker has been
/// asked for a position.
fn script(
    brokers: &[MetadataResponseBroker],
    leaders: [&'static [i32]; 2],
    asked: &Arc<AtomicBool>,
) -> Script {
    let brokers = brokers.to_vec();
    let (of_metadata, of_fetch) = (Arc::clone(asked), Arc::clone(asked));
    Script::default()
        .on::<MetadataRequest>(12, move |_| {
            let now = usize::from(of_metadata.load(Ordering::SeqCst));
            let partition = |(partition_index, leader_id): (i32, &i32)| MetadataResponsePartition {
                partition_index,
                leader_id: *leader_id,
                leader_epoch: i32::try_from(now).unwrap(),
                ..Default::default()
            };
            let partitions = (0..).zip(leaders[now]).map(partition).collect();
            let topic = MetadataResponseTopic { name: Some("t".into()), partitions, ..Default::default() };
            Some(MetadataResponse { brokers: brokers.clone(), topics: vec![topic], ..Default::default() })
        })
        .on_after::<FetchRequest>(12, move |request| {
            let is_due = of_fetch.load(Ordering::SeqCst);
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            let partitions =
                partitions.map(|of| data(of.partition, of.fetch_offset, is_due || of.partition == 0));
            let topic = FetchableTopicResponse {
                topic: "t".into(),
                partitions: partitions.collect(),
                ..Default::default()
            };
            (Duration::from_millis(1), Some(FetchResponse { responses: vec![topic], ..Default::default() }))
        })
}

fn data(partition_index: i32, offset: i64, is_due: bool) -> PartitionData {
    let nothing = PartitionData { partition_index, high_watermark: 1, ..Default::default() };
    match offset {
        0 => {
            let mut builder = BatchBuilder::new(64);
            builder.push(0, None, Some(b"value"), &[]);
            let batch = builder.seal(Seal::default()).unwrap();
            PartitionData { records: Some(batch.into()), ..nothing }
        }
        5 if is_due => PartitionData { error_code: ErrorCode::OFFSET_OUT_OF_RANGE, ..nothing },
        _ => nothing,
    }
}

fn beginning(request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let partition = |of: &kinglet::protocol::messages::list_offsets::ListOffsetsPartition| {
        ListOffsetsPartitionResponse { partition_index: of.partition_index, offset: 0, ..Default::default() }
    };
    let topic =
        ListOffsetsTopicResponse { name: "t".into(), partitions: partitions.map(partition).collect() };
    ListOffsetsResponse { topics: vec![topic], ..Default::default() }
}

async fn next(consumer: &Consumer) -> TopicPartition {
    let batch = tokio::time::timeout(LIMIT, consumer.recv()).await.expect("it is found in time");
    batch.unwrap().unwrap().topic_partition().clone()
}

#[tokio::test]
async fn a_leader_that_says_nothing_does_not_hold_up_the_partitions_of_another() {
    let pair = Pair::start([&[1, 2], &[1, 2]]).await;
    let consumer = pair.consumer(2, &[]).await;
    assert_eq!(next(&consumer).await, TopicPartition::new("t", 1));
    assert!(pair.asked.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_position_that_a_leader_did_not_say_is_asked_of_the_next_one() {
    let pair = Pair::start([&[1], &[2]]).await;
    let consumer = pair.consumer(1, &[("request.timeout.ms", "200")]).await;
    assert_eq!(next(&consumer).await, TopicPartition::new("t", 0));
    assert_eq!((pair.first.asked::<ListOffsetsRequest>(), pair.second.asked::<ListOffsetsRequest>()), (1, 1));
}
