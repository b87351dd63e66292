//! What goes over the wire while a consumer reads: sessions, leaders that move, replicas that are near, logs that are cut.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Fake, Script};
use kinglet::protocol::messages::fetch::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::{FetchRequest, FetchResponse, MetadataRequest, MetadataResponse};
use kinglet::protocol::records::{BatchBuilder, Seal};
use kinglet::protocol::{ErrorCode, Uuid};
use kinglet::{Assignment, Client, Config, Consumer, ErrorKind, Position, TopicPartition};

const LIMIT: Duration = Duration::from_secs(20);

/// What a broker was asked, in order; and what it will answer, then silence.
#[derive(Clone, Default)]
struct Talk {
    asked: Arc<Mutex<Vec<FetchRequest>>>,
    answers: Arc<Mutex<VecDeque<FetchResponse>>>,
}

impl Talk {
    fn of(answers: impl IntoIterator<Item = FetchResponse>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn hear(&self, request: FetchRequest) -> Option<FetchResponse> {
        self.asked.lock().unwrap().push(request);
        self.answers.lock().unwrap().pop_front()
    }

    /// Session, epoch, and the offsets that were named.
    fn asked(&self) -> Vec<(i32, i32, Vec<i64>)> {
        let named = |request: &FetchRequest| {
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|partition| partition.fetch_offset).collect()
        };
        let all = self.asked.lock().unwrap();
        all.iter().map(|request| (request.session_id, request.session_epoch, named(request))).collect()
    }
}

fn topic_id() -> Uuid {
    Uuid::from_random([7; 16]).unwrap()
}

/// One record at `offset`, of a leader of epoch 3.
fn record(offset: i64) -> PartitionData {
    let mut builder = BatchBuilder::new(64);
    builder.push(0, None, Some(b"value"), &[]);
    let mut batch = builder.seal(Seal::default()).unwrap().to_vec();
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch[12..16].copy_from_slice(&3i32.to_be_bytes());
    PartitionData { records: Some(bytes::Bytes::from(batch).into()), ..quiet() }
}

fn quiet() -> PartitionData {
    PartitionData { high_watermark: 100, ..Default::default() }
}

fn answer(session_id: i32, data: impl Into<Option<PartitionData>>) -> FetchResponse {
    let topic =
        |data| FetchableTopicResponse { topic: "t".into(), topic_id: topic_id(), partitions: vec![data] };
    FetchResponse {
        session_id,
        responses: data.into().map(topic).into_iter().collect(),
        ..Default::default()
    }
}

fn refused(error_code: ErrorCode) -> PartitionData {
    PartitionData { error_code, ..Default::default() }
}

/// A broker that fetches of `newest` version are asked of. It leads t-0 in epoch 3; `others` are brokers too.
async fn broker(newest: i16, talk: &Talk, others: &[(i32, &str)]) -> Fake {
    let (talk, others) = (talk.clone(), others.to_vec());
    let named = |(node_id, address): &(i32, &str)| {
        let (host, port) = address.rsplit_once(':').unwrap();
        MetadataResponseBroker {
            node_id: *node_id,
            host: host.into(),
            port: port.parse().unwrap(),
            rack: None,
        }
    };
    let others: Vec<_> = others.iter().map(named).collect();
    Fake::start(move |at| {
        let brokers: Vec<_> = [named(&(1, at))].into_iter().chain(others).collect();
        let partition = MetadataResponsePartition { leader_id: 1, leader_epoch: 3, ..Default::default() };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            topic_id: if newest >= 13 { topic_id() } else { Uuid::default() },
            partitions: vec![partition],
            ..Default::default()
        };
        Script::default()
            .on::<MetadataRequest>(12, move |_| {
                Some(MetadataResponse {
                    brokers: brokers.clone(),
                    topics: vec![topic.clone()],
                    ..Default::default()
                })
            })
            .on::<FetchRequest>(newest, move |request| talk.hear(request))
    })
    .await
}

async fn consumer(fake: &Fake, keys: &[(&str, &str)]) -> Consumer {
    let config = keys
        .iter()
        .fold(Config::new(&*fake.address), |config, (key, value)| config.set(key, *value).unwrap());
    let from = [(TopicPartition::new("t", 0), Position::Offset(5))];
    Client::connect(config).await.unwrap().consumer(Assignment::partitions(from)).await.unwrap()
}

/// The offsets of the next records.
async fn next(consumer: &Consumer, count: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        let batch = tokio::time::timeout(LIMIT, consumer.recv()).await.unwrap().unwrap().unwrap();
        offsets.extend(batch.iter().map(|record| record.offset));
    }
    offsets
}

/// Waits until a broker was asked so many times.
async fn asked(talk: &Talk, count: usize) -> Vec<(i32, i32, Vec<i64>)> {
    let heard = async {
        while talk.asked().len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, heard).await.unwrap();
    talk.asked()
}

#[tokio::test]
async fn a_fetch_session_names_only_what_has_changed() {
    for newest in [7, 11, 12, 18] {
        let talk = Talk::of([answer(9, record(5)), answer(9, None), answer(9, record(6))]);
        let fake = broker(newest, &talk, &[]).await;
        let consumer = consumer(&fake, &[]).await;
        assert_eq!(next(&consumer, 2).await, [5, 6]);
        let expected = [(0, 0, vec![5]), (9, 1, vec![6]), (9, 2, vec![]), (9, 3, vec![7])];
        assert_eq!(asked(&talk, 4).await, expected, "version {newest}");
        let first = talk.asked.lock().unwrap()[0].clone();
        let by_id = (first.topics[0].topic.is_empty(), first.topics[0].topic_id == topic_id());
        assert_eq!(by_id, (newest >= 13, newest >= 13));
        consumer.close().await;
        assert_eq!(asked(&talk, 5).await[4], (9, -1, vec![]), "the broker may forget it");
    }
}

#[tokio::test]
async fn a_session_that_the_broker_has_lost_costs_no_record() {
    let lost = FetchResponse { error_code: ErrorCode::FETCH_SESSION_ID_NOT_FOUND, ..Default::default() };
    let talk = Talk::of([answer(9, record(5)), lost, answer(10, record(6))]);
    let fake = broker(12, &talk, &[]).await;
    let consumer = consumer(&fake, &[]).await;
    assert_eq!(next(&consumer, 2).await, [5, 6]);
    let expected = [(0, 0, vec![5]), (9, 1, vec![6]), (0, 0, vec![6]), (10, 1, vec![7])];
    assert_eq!(asked(&talk, 4).await, expected);
}

#[tokio::test]
async fn a_broker_that_throttles_and_answers_nothing_is_asked_again() {
    let throttled = FetchResponse { throttle_time_ms: 20, ..Default::default() };
    let talk = Talk::of([throttled, answer(0, record(5))]);
    let fake = broker(12, &talk, &[]).await;
    let consumer = consumer(&fake, &[]).await;
    assert_eq!(next(&consumer, 1).await, [5]);
}

#[tokio::test]
async fn a_broker_that_does_not_know_what_is_wrong_is_asked_again() {
    let of_all = FetchResponse { error_code: ErrorCode::UNKNOWN_SERVER_ERROR, ..Default::default() };
    let of_one = answer(0, refused(ErrorCode::UNKNOWN_SERVER_ERROR));
    let talk = Talk::of([of_one, of_all, answer(0, record(5))]);
    let fake = broker(12, &talk, &[]).await;
    let consumer = consumer(&fake, &[]).await;
    assert_eq!(next(&consumer, 1).await, [5]);
}

#[tokio::test]
async fn a_new_leader_that_the_old_one_names_is_asked_at_once() {
    let second = Talk::of([answer(0, record(5))]);
    let other = broker(18, &second, &[]).await;
    let (host, port) = other.address.rsplit_once(':').unwrap();
    let moved = PartitionData {
        current_leader: LeaderIdAndEpoch { leader_id: 2, leader_epoch: 4 },
        ..refused(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    };
    let endpoint =
        NodeEndpoint { node_id: 2, host: host.into(), port: port.parse().unwrap(), ..Default::default() };
    let first = Talk::of([FetchResponse { node_endpoints: vec![endpoint], ..answer(0, moved) }]);
    let fake = broker(18, &first, &[]).await;
    let consumer = consumer(&fake, &[]).await;
    let before = fake.versions::<MetadataRequest>().len();
    assert_eq!(next(&consumer, 1).await, [5]);
    assert_eq!(second.asked.lock().unwrap()[0].topics[0].partitions[0].current_leader_epoch, 4);
    assert_eq!(fake.versions::<MetadataRequest>().len(), before, "nobody had to be asked who leads");
}

#[tokio::test]
async fn a_consumer_in_a_rack_reads_from_the_replica_that_the_leader_names_and_comes_back() {
    let near = Talk::of([answer(0, record(5)), answer(0, refused(ErrorCode::OFFSET_OUT_OF_RANGE))]);
    let follower = broker(12, &near, &[]).await;
    let preferred = PartitionData { preferred_read_replica: 2, ..quiet() };
    let far = Talk::of([answer(0, preferred), answer(0, record(6))]);
    let leader = broker(12, &far, &[(2, &follower.address)]).await;
    let consumer = consumer(&leader, &[("client.rack", "r2"), ("auto.offset.reset", "none")]).await;
    assert_eq!(next(&consumer, 2).await, [5, 6]);
    assert_eq!(far.asked.lock().unwrap()[0].rack_id, "r2");
    assert_eq!(near.asked().iter().map(|asked| asked.2.clone()).collect::<Vec<_>>(), [[5], [6]]);
}

#[tokio::test]
async fn a_truncated_log_is_noticed_by_the_epoch_of_what_was_read() {
    let cut = PartitionData { diverging_epoch: EpochEndOffset { epoch: 2, end_offset: 5 }, ..quiet() };
    for (reset, goes_on) in [("latest", true), ("none", false)] {
        let talk = Talk::of([answer(0, record(5)), answer(0, cut.clone()), answer(0, record(5))]);
        let fake = broker(12, &talk, &[]).await;
        let consumer = consumer(&fake, &[("auto.offset.reset", reset)]).await;
        assert_eq!(next(&consumer, 1).await, [5]);
        assert_eq!(asked(&talk, 2).await[1].2, [6]);
        assert_eq!(talk.asked.lock().unwrap()[1].topics[0].partitions[0].last_fetched_epoch, 3);
        if goes_on {
            assert_eq!(next(&consumer, 1).await, [5], "what took its place");
        } else {
            let error = tokio::time::timeout(LIMIT, consumer.recv()).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
            assert!(error.hint().unwrap().contains("seek to 5"), "{error:?}");
        }
    }
}
