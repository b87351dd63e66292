//! What the shards of two brokers do with a partition between them.

mod brokers;

use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::messages::metadata_records::{PartitionChangeRecord, RegisterBrokerRecord};
use kinglet_protocol::records::Seal;
use kinglet_protocol::{ErrorCode, Uuid};

use super::command::{AppendFailure, Fetcher, ReadRecords, ReadReply, Waiter};
use crate::clock;
use crate::log::AppendError;
use crate::meta::image::{Image, UNCHANGED};
use crate::meta::record::Record;
use crate::replica::Acks;
use brokers::*;
pub(crate) use brokers::{ID, two};

/// What a broker of the next life starts with: the metadata has not reached its registration.
#[test]
fn a_process_does_not_lead_before_the_metadata_has_reached_its_registration() {
    let mut leader = Broker::new(1, "");
    leader.storage = leader.storage.clone().registering_as(Uuid([5; 16]));
    let mut image = cluster();
    leader.follow(&image);
    let refused = leader.append("a").blocking_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    register(&mut image, Uuid([5; 16]));
    leader.follow(&image);
    let written = leader.append_as(batch("a", Seal::default()), Acks::Leader);
    assert_eq!(written.blocking_recv().unwrap().unwrap().base_offset, 0);
}

/// Broker 1 is registered with this incarnation.
fn register(image: &mut Image, incarnation_id: Uuid) {
    let record = RegisterBrokerRecord {
        broker_id: 1,
        broker_epoch: 9,
        incarnation_id,
        fenced: false,
        ..Default::default()
    };
    image.replay(&Record::RegisterBroker(record)).unwrap();
}

#[test]
fn a_directory_that_nobody_owns_is_told_once_and_no_other_is() {
    let (leader, _, image) = two("");
    let dir = leader.stop();
    let stray = dir.path().join("gone-0");
    std::fs::create_dir(&stray).unwrap();
    let metadata = std::fs::read_to_string(dir.path().join("t-0/partition.metadata")).unwrap();
    let metadata = metadata.replace(&TOPIC.to_string(), &Uuid([7; 16]).to_string());
    std::fs::write(stray.join("partition.metadata"), metadata).unwrap();

    let incarnation = Uuid([5; 16]);
    let mut started = None;
    // The metadata is empty, as when a start begins that has to ask others for it.
    let first = warned(|| {
        started = Some(Broker::open_as(1, "", Arc::clone(&dir), &Image::default(), Some(incarnation)));
    });
    assert_eq!(first, "");
    let mut broker = started.expect("it starts");
    let mut registered = image.clone();
    register(&mut registered, incarnation);
    let mut later = registered.clone();
    change(&mut later, 2, None);
    let then = warned(|| [&image, &registered, &later].map(|image| broker.follow(image)));
    assert!(then.lines().count() == 1 && then.contains("gone-0"), "{then}");
    assert!(stray.exists() && dir.path().join("t-0").exists());
}

/// What is warned of meanwhile, a line each.
fn warned<T>(work: impl FnOnce() -> T) -> String {
    let lines = tempfile::NamedTempFile::new().unwrap();
    let writer = std::sync::Mutex::new(lines.reopen().unwrap());
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(writer);
    tracing::subscriber::with_default(log.finish(), work);
    std::fs::read_to_string(lines.path()).unwrap()
}

#[test]
fn an_append_is_acked_and_seen_when_the_follower_has_it() {
    let (leader, follower, _) = two("");
    let mut acked = leader.append("a");
    let written = leader.append_as(batch("b", Seal::default()), Acks::Leader);
    assert_eq!(written.blocking_recv().unwrap().unwrap().base_offset, 1, "one replica is enough for it");
    assert!(acked.try_recv().is_err());
    assert_eq!((len(&leader.consume(0)), leader.end()), (0, Ok(0)));
    assert_eq!(follower.fetch_from(&leader).log_end, 2);
    assert!(acked.try_recv().is_err(), "the leader does not know yet that the follower has written it");
    let state = follower.fetch_from(&leader);
    assert_eq!(acked.blocking_recv().unwrap().unwrap().base_offset, 0);
    assert_eq!((state.high_watermark, leader.end()), (2, Ok(2)));
    assert!(len(&leader.consume(0)) > 0);
    assert_eq!(leader.bytes(), follower.bytes());
}

#[test]
fn a_duplicate_is_acked_when_its_original_is() {
    let (leader, follower, _) = two("");
    let seal = || Seal { producer_id: 7, producer_epoch: 0, base_sequence: 0, ..Seal::default() };
    let mut first = leader.append_as(batch("a", seal()), Acks::All);
    let mut retry = leader.append_as(batch("a", seal()), Acks::All);
    follower.fetch_from(&leader);
    assert!(first.try_recv().is_err() && retry.try_recv().is_err());
    follower.fetch_from(&leader);
    assert_eq!(first.blocking_recv().unwrap().unwrap().base_offset, 0);
    let again = retry.blocking_recv().unwrap();
    assert!(
        matches!(again, Err(AppendFailure::Log(AppendError::Duplicate(original))) if original.base_offset == 0)
    );
}

#[test]
fn a_follower_answers_nobody_but_says_why() {
    let (_leader, follower, _) = two("");
    let code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert_eq!(follower.consume(0).records.unwrap_err(), code);
    assert_eq!(follower.end(), Err(code));
    assert_eq!(follower.append("a").blocking_recv().unwrap().unwrap_err().code(), code);
}

#[test]
fn followers_wait_for_records_and_for_news_of_what_is_committed_and_consumers_for_that_alone() {
    let (leader, follower, _) = two("");
    let (consumer, other) = (Arc::new(Waiter::default()), Arc::new(Waiter::default()));
    let replica = Fetcher { id: 2, broker_epoch: -1, is_new: true };
    let woken = |waiter: &Waiter| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let replies = runtime.block_on(async { tokio::time::timeout(Duration::ZERO, waiter.moved()).await });
        // Nobody has to ask again.
        let has_records = |reply: &ReadReply| matches!(reply.records, Ok(ReadRecords::Slice(Some(_))));
        replies.is_ok_and(|replies| replies.iter().any(has_records))
    };
    leader.read(0, None, (-1, -1), Some(Arc::clone(&consumer)));
    assert!(leader.read(0, Some(replica), (0, -1), Some(Arc::clone(&other))).is_news, "it knew nothing");
    let acked = leader.append("a");
    assert_eq!(leader.end(), Ok(0));
    assert!(woken(&other) && !woken(&consumer));
    follower.fetch_from(&leader);
    assert!(!leader.read(0, Some(replica), (0, -1), Some(Arc::clone(&other))).is_news);
    let state = follower.fetch_from(&leader);
    assert!(acked.blocking_recv().unwrap().is_ok());
    assert!(woken(&consumer) && woken(&other));
    assert_eq!(state.high_watermark, 1);
}

#[test]
fn below_min_insync_replicas_acks_all_is_refused() {
    let (mut leader, _follower, mut image) = two("min.insync.replicas=2");
    let waiting = leader.append("a");
    change(&mut image, UNCHANGED, Some(&[1]));
    leader.follow(&image);
    let refused = leader.append("b").blocking_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), ErrorCode::NOT_ENOUGH_REPLICAS);
    assert!(leader.append_as(batch("c", Seal::default()), Acks::Leader).blocking_recv().unwrap().is_ok());
    assert_eq!(leader.end(), Ok(0), "nothing is committed");
    drop(waiting);
}

#[test]
fn a_follower_that_lags_leaves_the_isr_and_comes_back() {
    let (mut leader, follower, mut image) = two("replica.lag.time.max.ms=50");
    let acked = leader.append("a");
    let start = clock::now();
    let shrink = loop {
        leader.storage.shards.deadlines();
        match leader.proposals.try_recv() {
            Ok(proposal) => break proposal,
            Err(_) => assert!(clock::now().duration_since(start) < LIMIT, "no proposal"),
        }
        std::thread::yield_now();
    };
    assert_eq!((shrink.id, shrink.change.isr), (ID, vec![(1, 1)]));
    change(&mut image, UNCHANGED, Some(&[1]));
    leader.follow(&image);
    assert_eq!(acked.blocking_recv().unwrap().unwrap().base_offset, 0);
    follower.fetch_from(&leader);
    follower.fetch_from(&leader);
    let grow = leader.proposals.blocking_recv().unwrap();
    assert_eq!((grow.change.partition_epoch, grow.change.isr), (1, vec![(1, 1), (2, -1)]));
}

#[test]
fn what_a_deposed_leader_alone_has_is_cut() {
    let (mut one, mut two, mut image) = two("");
    one.append_as(batch("a", Seal::default()), Acks::Leader).blocking_recv().unwrap().unwrap();
    two.fetch_from(&one);
    two.fetch_from(&one);
    let lost = one.append("lost");
    let lost_too = one.append("lost too");
    change(&mut image, 2, None);
    one.follow(&image);
    two.follow(&image);
    for answer in [lost, lost_too] {
        assert_eq!(answer.blocking_recv().unwrap().unwrap_err().code(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let kept = two.append("kept");
    let cut = one.fetch_from(&two);
    assert_eq!((cut.log_end, cut.high_watermark), (1, 1));
    one.fetch_from(&two);
    one.fetch_from(&two);
    assert_eq!(kept.blocking_recv().unwrap().unwrap().base_offset, 1);
    assert_eq!(one.bytes(), two.bytes());
}

#[test]
fn an_epoch_in_which_nothing_was_written_goes_without_the_checkpoint_files() {
    let (mut one, mut two, mut image) = two("");
    one.append_as(batch("a", Seal::default()), Acks::Leader).blocking_recv().unwrap().unwrap();
    two.fetch_from(&one);
    for leader in [2, 1] {
        change(&mut image, leader, None);
        one.follow(&image);
        two.follow(&image);
    }
    let checkpoint = two.dir.path().join("recovery-point-offset-checkpoint");
    std::fs::remove_file(&checkpoint).unwrap();
    assert_eq!((two.state().last_epoch, two.state().log_end), (1, 1));
    let cut = two.fetch_from(&one);
    assert_eq!((cut.last_epoch, cut.log_end), (0, 1), "what it has written down of its own epoch is gone");
    assert!(!checkpoint.exists(), "the files of all partitions are not written for that");
}

#[test]
fn a_new_leader_does_not_tell_an_end_before_it_knows_what_is_committed() {
    let (one, mut two, mut image) = two("");
    let _acked = one.append("a");
    two.fetch_from(&one);
    change(&mut image, 2, None);
    two.follow(&image);
    assert_eq!(two.end(), Err(ErrorCode::OFFSET_NOT_AVAILABLE));
    change(&mut image, UNCHANGED, Some(&[2]));
    two.follow(&image);
    assert_eq!(two.end(), Ok(1));
}

#[test]
fn an_answer_of_another_time_is_not_written() {
    let (leader, mut follower, mut image) = two("");
    let before = follower.state();
    leader.append_as(batch("a", Seal::default()), Acks::Leader).blocking_recv().unwrap().unwrap();
    follower.fetch_from(&leader);
    let late = follower.copy(&before, vec![], 1).unwrap_err();
    assert_eq!(late.code(), ErrorCode::OFFSET_OUT_OF_RANGE, "the log has gone on");
    let before = follower.state();
    change(&mut image, 1, None);
    follower.follow(&image);
    assert_eq!(follower.copy(&before, vec![], 1).unwrap_err().code(), ErrorCode::FENCED_LEADER_EPOCH);
}

#[test]
fn a_replica_that_moves_away_takes_its_files_along_and_fails_what_waits() {
    let (mut leader, _follower, mut image) = two("");
    let waiting = leader.append("a");
    let record = PartitionChangeRecord {
        partition_id: 0,
        topic_id: TOPIC,
        leader: 2,
        isr: Some(vec![2]),
        replicas: Some(vec![2]),
        ..Default::default()
    };
    image.replay(&Record::PartitionChange(record)).unwrap();
    leader.follow(&image);
    assert_eq!(waiting.blocking_recv().unwrap().unwrap_err().code(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert!(!leader.dir.path().join("t-0").exists());
    assert_eq!(leader.storage.count(&image), 0);
}

#[test]
fn a_restart_knows_what_was_committed_also_if_the_metadata_comes_late() {
    let (leader, follower, image) = two("");
    let _acked = leader.append("a");
    follower.fetch_from(&leader);
    follower.fetch_from(&leader);
    let follower = follower.restart(&image);
    assert_eq!((follower.state().high_watermark, follower.state().log_end), (1, 1));
    let mut follower = follower.restart(&Image::default());
    follower.follow(&image);
    assert_eq!((follower.state().high_watermark, follower.state().log_end), (1, 1));
    assert_eq!(leader.bytes(), follower.bytes());
}

#[test]
fn what_lies_in_a_failed_directory_is_neither_written_nor_fetched_for() {
    let (leader, follower, _) = two("");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for broker in [&leader, &follower] {
        runtime.block_on(broker.storage.shards.fail_dir(broker.dir.path()));
    }
    let refused = leader.append("a").blocking_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KAFKA_STORAGE_ERROR);
    let states = runtime.block_on(follower.storage.shards.follower_states(&[ID])).unwrap();
    assert_eq!(states, [(ID, Err(ErrorCode::KAFKA_STORAGE_ERROR))]);
}
