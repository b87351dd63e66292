use super::*;
use crate::ErrorKind;
use crate::protocol::messages::MetadataResponse;
use crate::protocol::messages::metadata::{MetadataResponsePartition, MetadataResponseTopic};

fn cluster() -> Cluster {
    led_by(1)
}

fn led_by(leader_id: i32) -> Cluster {
    let partition =
        |partition_index| MetadataResponsePartition { partition_index, leader_id, ..Default::default() };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![partition(0), partition(1)],
        ..Default::default()
    };
    Cluster::default().updated(&MetadataResponse { topics: vec![topic], ..Default::default() })
}

fn cursors() -> Cursors {
    let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
    let mut cursors = Cursors::new(backoff, Duration::from_secs(60));
    cursors.add(TopicPartition::new("t", 0), Ok(5), 1000).unwrap();
    cursors.add(TopicPartition::new("t", 1), Err(Position::End), 1000).unwrap();
    cursors
}

#[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn a_partition_is_asked_for_once_its_position_and_leader_are_known() {
    let (mut cursors, now) = (cursors(), start());
    let asks = cursors.asks(now, &Cluster::default(), |_| false);
    assert!(asks.refresh && asks.by_broker.is_empty() && asks.lookups.len() == 1);
    let asks = cursors.asks(now, &cluster(), |_| false);
    assert_eq!((asks.by_broker[&1].len(), asks.by_broker[&1][0].offset), (1, 5));
    cursors.move_to(1, 9);
    assert_eq!(cursors.asks(now, &cluster(), |_| false).by_broker[&1].len(), 2);
    assert!(cursors.asks(now, &cluster(), |_| true).by_broker.is_empty());
}

#[test]
fn an_answer_from_before_a_seek_finds_no_cursor() {
    let mut cursors = cursors();
    assert!(cursors.current(0, 0).is_some());
    cursors.move_to(0, 7);
    assert!(cursors.current(0, 0).is_none());
    assert_eq!(cursors.current(0, 1).unwrap().position, Some(7));
}

#[test]
fn a_position_that_is_outside_again_is_not_looked_up_at_once() {
    let (mut cursors, now) = (cursors(), start());
    cursors.move_to(1, 9);
    let later = now + Duration::from_millis(100);
    let looks_up = |cursors: &mut Cursors, at| !cursors.asks(at, &cluster(), |_| false).lookups.is_empty();
    cursors.on_out_of_range(0, Position::Beginning, now, 0.5);
    assert!(looks_up(&mut cursors, now), "the first time");
    cursors.move_to(0, 3);
    cursors.on_out_of_range(0, Position::Beginning, now, 0.5);
    assert_eq!((looks_up(&mut cursors, now), looks_up(&mut cursors, later)), (false, true));
    cursors.move_to(0, 3);
    let generation = cursors.get(0).unwrap().generation;
    cursors.current(0, generation).unwrap().on_answer(100, None);
    cursors.on_out_of_range(0, Position::Beginning, now, 0.5);
    assert!(looks_up(&mut cursors, now), "what was found could be read");
}

#[test]
fn pausing_gives_back_what_was_fetched_ahead() {
    let (mut cursors, now) = (cursors(), start());
    cursors.current(0, 0).unwrap().on_answer(100, Some((50, 3)));
    cursors.set_paused(0, true);
    assert!(cursors.asks(now, &cluster(), |_| false).by_broker.is_empty());
    cursors.set_paused(0, false);
    assert_eq!(cursors.asks(now, &cluster(), |_| false).by_broker[&1][0].offset, 5);
}

#[test]
fn passing_trouble_is_kept_from_the_user_and_lasting_trouble_is_not() {
    let (mut cursors, now) = (cursors(), start());
    let down = || Error::new(ErrorKind::Unreachable, "down");
    assert!(cursors.on_failure(0, 0, down(), now, 0.5).is_none());
    assert!(cursors.asks(now, &cluster(), |_| false).deadline.is_some());
    assert!(cursors.on_failure(0, 0, down(), now + Duration::from_secs(61), 0.5).is_some());
    let gone = Error::new(ErrorKind::OffsetOutOfRange, "gone");
    assert!(cursors.on_failure(0, 0, gone, now, 0.5).is_some());
}

#[test]
fn after_a_failure_the_leader_is_looked_for_before_it_is_asked_again() {
    let (mut cursors, now) = (cursors(), start());
    assert_eq!(cursors.asks(now, &cluster(), |_| false).by_broker[&1].len(), 1);
    let moved = Error::broker(ErrorCode::NOT_LEADER_OR_FOLLOWER, "t-0");
    assert!(cursors.on_failure(0, 0, moved, now, 0.5).is_none());
    let later = now + Duration::from_secs(1);
    let asks = cursors.asks(later, &cluster(), |_| false);
    assert!(asks.refresh && asks.by_broker.is_empty(), "the snapshot is the one that was wrong");
    cursors.on_cluster(&led_by(2));
    let asks = cursors.asks(later, &led_by(2), |_| false);
    assert_eq!((asks.refresh, asks.by_broker[&2].len()), (false, 1));
}

#[test]
fn each_partition_has_its_turn_at_the_front_of_a_request() {
    let (mut cursors, now) = (cursors(), start());
    cursors.move_to(1, 9);
    let order = |cursors: &mut Cursors| {
        let asks = cursors.asks(now, &cluster(), |_| false);
        asks.by_broker[&1].iter().map(|ask| ask.index).collect::<Vec<_>>()
    };
    assert_eq!(order(&mut cursors), [0, 1]);
    cursors.on_served(0);
    assert_eq!(order(&mut cursors), [1, 0]);
    cursors.on_served(1);
    assert_eq!(order(&mut cursors), [0, 1]);
}

#[test]
fn the_epoch_of_what_was_read_last_goes_with_the_offset() {
    let (mut cursors, now) = (cursors(), start());
    let epoch = |cursors: &mut Cursors| cursors.asks(now, &cluster(), |_| false).by_broker[&1][0].last_epoch;
    assert_eq!(epoch(&mut cursors), -1);
    cursors.on_epoch(&TopicPartition::new("t", 0), 2);
    assert_eq!(epoch(&mut cursors), 2, "as it was committed");
    cursors.current(0, 0).unwrap().on_answer(100, Some((50, 3)));
    assert_eq!(epoch(&mut cursors), 3);
    cursors.set_paused(0, true);
    cursors.set_paused(0, false);
    assert_eq!(epoch(&mut cursors), 2, "of what the user has");
    cursors.move_to(0, 7);
    assert_eq!(epoch(&mut cursors), -1, "nobody knows who wrote the record before it");
}

#[test]
fn a_replica_that_is_near_is_asked_until_its_time_is_over_or_it_fails() {
    let (mut cursors, now) = (cursors(), start());
    let mut cluster = cluster();
    let later = now + Duration::from_secs(10);
    let asked = |cursors: &mut Cursors, cluster: &Cluster, at| {
        let asks = cursors.asks(at, cluster, |_| false);
        asks.by_broker.keys().copied().collect::<Vec<_>>()
    };
    let near = |cursors: &mut Cursors| cursors.current(0, 0).unwrap().go_nearby(3, later);
    near(&mut cursors);
    assert_eq!(asked(&mut cursors, &cluster, now), [1], "there is no such broker");
    cluster.brokers = (1..=3).filter_map(|id| crate::metadata::Broker::at(id, "h", 1)).collect();
    near(&mut cursors);
    assert_eq!(asked(&mut cursors, &cluster, now), [3]);
    assert_eq!(asked(&mut cursors, &cluster, later), [1]);
    near(&mut cursors);
    assert!(cursors.current(0, 0).unwrap().leave_nearby());
    assert_eq!(asked(&mut cursors, &cluster, now), [1]);
}

fn with_id(byte: u8) -> Cluster {
    let topic_id = Uuid::from_random([byte; 16]).unwrap();
    let partition = MetadataResponsePartition { leader_id: 1, ..Default::default() };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        topic_id,
        partitions: vec![partition],
        ..Default::default()
    };
    Cluster::default().updated(&MetadataResponse { topics: vec![topic], ..Default::default() })
}

#[test]
fn a_position_in_a_topic_that_was_made_anew_means_nothing() {
    let (mut cursors, now) = (cursors(), start());
    cursors.move_to(1, 9);
    assert_eq!(cursors.asks(now, &with_id(1), |_| false).by_broker[&1].len(), 1);
    assert!(cursors.take_recreated().is_empty());
    let gone = Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "t-0");
    assert!(cursors.on_failure(0, 0, gone, now, 0.5).is_none());
    let later = now + Duration::from_secs(1);
    cursors.on_cluster(&with_id(2));
    assert!(cursors.asks(later, &with_id(2), |_| false).by_broker.is_empty());
    assert_eq!(cursors.take_recreated().len(), 2);
    let asks = cursors.asks(later, &with_id(2), |_| false);
    assert_eq!(asks.lookups.iter().map(|lookup| lookup.3).collect::<Vec<_>>(), [Position::Beginning; 2]);
}
