//! Fetch sessions over the wire (KIP-227), and what a replica's id in a fetch does.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use kinglet_protocol::messages::{FetchRequest, FetchResponse};
use kinglet_protocol::{ErrorCode, Uuid};

use wire::{Wire, batch, now_ms, start};

fn asks(offsets: &[(i32, i64)]) -> Vec<FetchTopic> {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    if offsets.is_empty() {
        return Vec::new();
    }
    let partitions = offsets.iter().map(partition).collect();
    vec![FetchTopic { topic: "t".to_owned(), partitions, ..Default::default() }]
}

fn request(session_id: i32, session_epoch: i32, offsets: &[(i32, i64)]) -> FetchRequest {
    FetchRequest {
        session_id,
        session_epoch,
        topics: asks(offsets),
        max_bytes: 1 << 20,
        ..Default::default()
    }
}

/// The partitions of a response, with whether they have records.
fn partitions(response: &FetchResponse) -> Vec<(i32, bool)> {
    let all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.map(|p| (p.partition_index, p.records.as_ref().is_some_and(|r| !r.is_empty()))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_sends_what_is_new_and_is_told_what_has_changed() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 3,
        replication_factor: 1,
        ..Default::default()
    };
    wire.create_as(topic);
    for version in [7, 12] {
        let opened = wire.call(&request(0, 0, &[(0, 0), (1, 0), (2, 0)]), version);
        let id = opened.session_id;
        assert!(id > 0 && opened.error_code == ErrorCode::NONE);
        assert_eq!(partitions(&opened).len(), 3);
        let idle = wire.call(&request(id, 1, &[(0, 0)]), version);
        let first = partitions(&idle).iter().all(|(index, _)| *index == 0);
        assert!(idle.session_id == id && first, "{idle:?}");
        let end = wire.offset("t", -1);
        wire.produce("t", batch(now_ms(), 10));
        let news = wire.call(&request(id, 2, &[(0, end)]), version);
        assert_eq!(partitions(&news), [(0, true)]);
        let read = wire.call(&request(id, 3, &[(0, end + 1)]), version);
        assert_eq!(partitions(&read), []);
        // What is forgotten is told no more; what is asked for anew is.
        let forgotten =
            ForgottenTopic { topic: "t".to_owned(), partitions: vec![0, 1], ..Default::default() };
        let forgets = FetchRequest { forgotten_topics_data: vec![forgotten], ..request(id, 4, &[]) };
        assert_eq!(partitions(&wire.call(&forgets, version)), []);
        let again = wire.call(&request(id, 5, &[(1, 0)]), version);
        assert_eq!(partitions(&again), [(1, false)]);
        let stale = wire.call(&request(id, 5, &[]), version);
        assert_eq!(stale.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        // The last request of a session.
        let closed = wire.call(&request(id, -1, &[(0, 0)]), version);
        assert_eq!((closed.session_id, partitions(&closed).len()), (0, 1));
        let gone = wire.call(&request(id, 6, &[]), version);
        assert_eq!(gone.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_session_goes_on_with_whole_requests() {
    let broker = start("max.incremental.fetch.session.cache.slots=0").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.produce("t", batch(now_ms(), 10));
    let opened = wire.call(&request(0, 0, &[(0, 0)]), 12);
    assert_eq!((opened.session_id, partitions(&opened)), (0, vec![(0, true)]));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_of_a_replica_that_the_partition_does_not_have_is_refused() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    for (epoch, code) in [(-1, ErrorCode::NOT_LEADER_OR_FOLLOWER), (0, ErrorCode::UNKNOWN_LEADER_EPOCH)] {
        let mut follower = FetchRequest { replica_id: 9, ..request(0, -1, &[(0, 0)]) };
        follower.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(wire.call(&follower, 12).responses[0].partitions[0].error_code, code);
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_topics_by_their_ids_and_has_sessions_too() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    let topic_id = wire.create("t", &[]).topic_id;
    let state = |replica_id| ReplicaState { replica_id, replica_epoch: 5 };
    let asks = |session_epoch, topic_id, replica_id| {
        let mut request = request(0, session_epoch, &[(0, 0)]);
        request.topics[0].topic_id = topic_id;
        FetchRequest { replica_state: state(replica_id), ..request }
    };
    let opened = wire.call(&asks(0, topic_id, -1), 15);
    assert_eq!((opened.responses[0].topic_id, partitions(&opened)), (topic_id, vec![(0, false)]));
    let next = request(opened.session_id, 1, &[]);
    assert_eq!(partitions(&wire.call(&next, 15)), []);
    assert_eq!(
        wire.call(&request(opened.session_id, 2, &[]), 12).error_code,
        ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    );
    let unknown = wire.call(&asks(-1, Uuid([1; 16]), -1), 15);
    assert_eq!(unknown.responses[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let stranger = wire.call(&asks(-1, topic_id, 9), 15);
    assert_eq!(stranger.responses[0].partitions[0].error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    broker.shutdown().await.unwrap();
}
