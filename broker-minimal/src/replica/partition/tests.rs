//! One rule at a time.

use std::time::Duration;

use super::*;
use crate::clock;
use crate::replica::Acks;

const LAG: Duration = Duration::from_secs(10);
/// The replica under test.
const ME: i32 = 1;

/// A clock that starts when the test does.
struct Time(Instant);

impl Time {
    fn at(&self, ms: u64) -> Instant {
        self.0 + Duration::from_millis(ms)
    }
}

fn time() -> Time {
    Time(clock::now())
}

fn image(leader: i32, leader_epoch: i32, partition_epoch: i32, isr: &[i32]) -> PartitionImage {
    PartitionImage {
        leader,
        leader_epoch,
        partition_epoch,
        replicas: vec![1, 2, 3],
        isr: isr.to_vec(),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        adding: Vec::new(),
        removing: Vec::new(),
        is_recovering: false,
        dirs: Vec::new(),
    }
}

const ELIGIBLE: &[(i32, i64)] = &[(1, 100), (2, 200), (3, 300)];

/// The leader of epoch 5 with this ISR; its log ends at 10, and 10 is committed if the others say so.
fn leader(time: &Time, min_insync_replicas: usize, isr: &[i32]) -> Partition {
    let mut partition = Partition::new(ME, Settings { min_insync_replicas, lag_time_max: LAG }, 4);
    let mut out = Vec::new();
    partition.on_image(&image(ME, 5, 7, isr), ELIGIBLE, time.at(0), 10, &mut out);
    partition
}

fn fetch(partition: &mut Partition, broker: i32, offset: i64, now: Instant) -> Vec<Effect> {
    let mut out = Vec::new();
    let fetch = FollowerFetch { broker, broker_epoch: -1, offset, log_start: 0 };
    partition.on_follower_fetch(fetch, now, &mut out).expect("a follower of this leader");
    out
}

fn want_ack(partition: &mut Partition, id: ReplyId, until: i64, deadline: Instant) -> Vec<Effect> {
    let mut out = Vec::new();
    partition.on_ack_wanted(id, until, deadline, &mut out);
    out
}

fn append(partition: &mut Partition, end: i64, now: Instant) -> Vec<Effect> {
    let mut out = Vec::new();
    partition.on_append(now, end, &mut out);
    out
}

fn follow(partition: &mut Partition, image: &PartitionImage, now: Instant, end: i64) -> Vec<Effect> {
    let mut out = Vec::new();
    partition.on_image(image, ELIGIBLE, now, end, &mut out);
    out
}

fn change(isr: &[(i32, i64)]) -> Effect {
    Effect::ProposeIsr(IsrChange { leader_epoch: 5, partition_epoch: 7, isr: isr.to_vec() })
}

#[test]
fn a_replica_alone_commits_by_writing() {
    let time = time();
    let mut partition = Partition::new(ME, Settings { min_insync_replicas: 2, lag_time_max: LAG }, 0);
    let alone = PartitionImage { replicas: vec![ME], ..image(ME, 0, 0, &[ME]) };
    let mut out = Vec::new();
    partition.on_image(&alone, &[], time.at(0), 10, &mut out);
    assert_eq!((out.as_slice(), partition.high_watermark()), (&[Effect::Progress][..], 10));
    assert_eq!(partition.check_append(Acks::All), Ok(()), "more replicas than there are is not asked for");
    assert_eq!(append(&mut partition, 12, time.at(1)), [Effect::Progress]);
    assert_eq!(want_ack(&mut partition, 1, 12, time.at(9)), [Effect::Ack(1)]);
    assert_eq!(append(&mut partition, 12, time.at(2)), []);
    assert_eq!(partition.deadline(), None, "one replica alone acks at once");
}

#[test]
fn the_high_watermark_is_what_every_member_of_the_isr_has() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2, 3]);
    assert_eq!((partition.high_watermark(), partition.is_settling()), (4, true), "as it was saved");
    assert_eq!(fetch(&mut partition, 2, 10, time.at(1)), []);
    assert_eq!(fetch(&mut partition, 3, 8, time.at(2)), [Effect::Progress]);
    assert_eq!((partition.high_watermark(), partition.is_settling()), (8, true));
    assert_eq!(fetch(&mut partition, 3, 10, time.at(3)), [Effect::Progress]);
    assert!(!partition.is_settling());
}

#[test]
fn the_high_watermark_never_goes_back_in_an_epoch() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    fetch(&mut partition, 2, 10, time.at(1));
    assert_eq!(fetch(&mut partition, 2, 6, time.at(2)), []);
    assert_eq!(partition.high_watermark(), 10);
}

#[test]
fn an_append_is_acked_when_the_isr_has_it() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    assert_eq!(want_ack(&mut partition, 1, 12, time.at(500)), []);
    assert_eq!(want_ack(&mut partition, 2, 15, time.at(500)), []);
    assert_eq!(fetch(&mut partition, 2, 12, time.at(2)), [Effect::Progress, Effect::Ack(1)]);
    assert_eq!(fetch(&mut partition, 2, 15, time.at(3)), [Effect::Progress, Effect::Ack(2)]);
    assert_eq!(want_ack(&mut partition, 3, 15, time.at(500)), [Effect::Ack(3)], "a duplicate of it too");
}

#[test]
fn an_append_that_is_not_acked_in_time_says_so() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    want_ack(&mut partition, 1, 15, time.at(500));
    assert_eq!(partition.deadline(), Some(time.at(500)));
    let mut out = Vec::new();
    partition.on_deadline(time.at(499), &mut out);
    assert_eq!(out, []);
    partition.on_deadline(time.at(500), &mut out);
    assert_eq!(out, [Effect::Fail(1, ErrorCode::REQUEST_TIMED_OUT)]);
}

#[test]
fn a_leader_that_is_replaced_fails_everything_that_waits_at_once() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    want_ack(&mut partition, 1, 12, time.at(500));
    want_ack(&mut partition, 2, 15, time.at(500));
    let code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    let effects = follow(&mut partition, &image(2, 6, 8, &[1, 2]), time.at(2), 15);
    assert_eq!(effects, [Effect::Fail(1, code), Effect::Fail(2, code), Effect::Moved]);
    assert_eq!(partition.check_append(Acks::Leader), Err(code));
    assert_eq!(want_ack(&mut partition, 3, 15, time.at(500)), [Effect::Fail(3, code)]);
}

#[test]
fn a_leader_that_is_confirmed_in_the_next_epoch_acks_what_waits() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    want_ack(&mut partition, 1, 15, time.at(500));
    assert_eq!(follow(&mut partition, &image(ME, 6, 8, &[1, 2]), time.at(2), 15), [Effect::Moved]);
    assert_eq!(fetch(&mut partition, 2, 15, time.at(3)), [Effect::Progress, Effect::Ack(1)]);
    want_ack(&mut partition, 2, 20, time.at(500));
    let effects = follow(&mut partition, &image(ME, 8, 9, &[1, 2]), time.at(4), 20);
    assert_eq!(effects[0], Effect::Fail(2, ErrorCode::NOT_LEADER_OR_FOLLOWER), "others led meanwhile");
}

#[test]
fn below_min_insync_replicas_nothing_is_taken_and_nothing_committed() {
    let time = time();
    let mut partition = leader(&time, 2, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    want_ack(&mut partition, 1, 15, time.at(500));
    follow(&mut partition, &image(ME, 5, 8, &[1]), time.at(2), 15);
    assert_eq!(partition.high_watermark(), 4, "the leader alone has it: that is not enough");
    assert_eq!(partition.check_append(Acks::All), Err(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert_eq!(partition.check_append(Acks::Leader), Ok(()));
}

#[test]
fn what_was_written_before_the_isr_became_too_small_says_so() {
    let time = time();
    let mut partition = leader(&time, 2, &[1, 2]);
    append(&mut partition, 15, time.at(1));
    fetch(&mut partition, 2, 15, time.at(2));
    follow(&mut partition, &image(ME, 5, 8, &[1]), time.at(3), 15);
    let code = ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND;
    assert_eq!(want_ack(&mut partition, 1, 15, time.at(500)), [Effect::Fail(1, code)]);
}

#[test]
fn a_follower_joins_when_it_has_what_is_committed_and_what_the_leader_began_with() {
    let time = time();
    let mut partition = leader(&time, 1, &[1]);
    assert_eq!(partition.high_watermark(), 10);
    assert_eq!(fetch(&mut partition, 2, 9, time.at(1)), []);
    assert_eq!(fetch(&mut partition, 2, 10, time.at(2)), [change(&[(1, 100), (2, -1)])]);
    assert_eq!(fetch(&mut partition, 3, 10, time.at(3)), [], "one proposal at a time");
    follow(&mut partition, &image(ME, 5, 8, &[1, 2]), time.at(4), 10);
    assert!(matches!(fetch(&mut partition, 3, 10, time.at(5))[..], [Effect::ProposeIsr(_)]));
}

#[test]
fn a_proposed_member_counts_before_the_image_says_so() {
    let time = time();
    let mut partition = leader(&time, 1, &[1]);
    fetch(&mut partition, 2, 10, time.at(1));
    append(&mut partition, 15, time.at(2));
    assert_eq!(partition.high_watermark(), 10, "the controller may have made it a member");
    let mut out = Vec::new();
    partition.on_isr_answer(7, Err(ErrorCode::NOT_CONTROLLER), time.at(3), &mut out);
    partition.on_isr_answer(6, Err(ErrorCode::INELIGIBLE_REPLICA), time.at(3), &mut out);
    assert_eq!((out.as_slice(), partition.high_watermark()), (&[][..], 10), "nobody knows");
    partition.on_deadline(partition.deadline().expect("it is tried again"), &mut out);
    assert_eq!(out, [change(&[(1, 100), (2, -1)])]);
    out.clear();
    // Until it lags it is waited for all the same.
    partition.on_isr_answer(7, Err(ErrorCode::INELIGIBLE_REPLICA), time.at(60_000), &mut out);
    assert_eq!((out.as_slice(), partition.high_watermark()), (&[Effect::Progress][..], 15));
}

#[test]
fn a_member_that_leaves_counts_until_the_image_says_so() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2, 3]);
    append(&mut partition, 15, time.at(1));
    fetch(&mut partition, 2, 15, time.at(2));
    let mut out = Vec::new();
    let lags_at = partition.deadline().expect("replica 3 may lag");
    assert_eq!(lags_at, time.at(10_001));
    partition.on_deadline(lags_at - Duration::from_millis(1), &mut out);
    assert_eq!(out, []);
    partition.on_deadline(lags_at, &mut out);
    assert_eq!(out, [change(&[(1, 100), (2, -1)])]);
    assert_eq!(partition.high_watermark(), 4);
    let effects = follow(&mut partition, &image(ME, 5, 8, &[1, 2]), lags_at, 15);
    assert_eq!((effects.as_slice(), partition.high_watermark()), (&[Effect::Progress][..], 15));
}

#[test]
fn a_fetch_of_an_earlier_life_is_refused_and_what_it_had_is_forgotten() {
    let time = time();
    let mut partition = leader(&time, 1, &[1]);
    let fetch = |partition: &mut Partition, broker_epoch| {
        let fetch = FollowerFetch { broker: 2, broker_epoch, offset: 10, log_start: 0 };
        partition.on_follower_fetch(fetch, time.at(1), &mut Vec::new())
    };
    assert_eq!(fetch(&mut partition, 199), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert_eq!(fetch(&mut partition, 200), Ok(()));
    let eligible = [(1, 100), (2, 201)];
    partition.on_image(&image(ME, 5, 8, &[1, 2]), &eligible, time.at(2), 10, &mut Vec::new());
    append(&mut partition, 15, time.at(3));
    assert_eq!(partition.high_watermark(), 10, "what replica 2 has now is not known");
}

#[test]
fn a_broker_that_is_fenced_does_not_join() {
    let time = time();
    let mut partition = leader(&time, 1, &[1]);
    partition.on_image(&image(ME, 5, 7, &[1]), &[(1, 100)], time.at(0), 10, &mut Vec::new());
    assert_eq!(fetch(&mut partition, 2, 10, time.at(1)), []);
}

#[test]
fn only_replicas_of_the_partition_count() {
    let time = time();
    let mut partition = leader(&time, 1, &[1]);
    let stranger = FollowerFetch { broker: 9, broker_epoch: -1, offset: 10, log_start: 0 };
    let refused = partition.on_follower_fetch(stranger, time.at(1), &mut Vec::new());
    assert_eq!(refused, Err(ErrorCode::UNKNOWN_LEADER_EPOCH));
}

#[test]
fn a_follower_has_committed_what_its_leader_says_and_it_has() {
    let time = time();
    let mut partition = Partition::new(ME, Settings { min_insync_replicas: 1, lag_time_max: LAG }, 4);
    follow(&mut partition, &image(2, 5, 7, &[1, 2]), time.at(0), 10);
    partition.on_copied(12, 20);
    assert_eq!(partition.high_watermark(), 12);
    partition.on_copied(15, 11);
    assert_eq!(partition.high_watermark(), 12, "a new leader may know less for a while");
    partition.on_cut(9);
    assert_eq!(partition.high_watermark(), 9);
    assert_eq!(partition.check_follower(5), Ok(()));
    assert_eq!(partition.check_follower(4), Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(leader(&time, 1, &[1]).check_follower(5), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}

#[test]
fn a_log_that_was_found_to_agree_is_not_cut_in_that_epoch() {
    let time = time();
    let mut partition = Partition::new(ME, Settings { min_insync_replicas: 1, lag_time_max: LAG }, 4);
    follow(&mut partition, &image(2, 5, 7, &[1, 2]), time.at(0), 10);
    assert_eq!(partition.check_cut(5), Ok(()));
    partition.on_copied(10, 10);
    assert_eq!(partition.check_cut(5), Err(ErrorCode::FENCED_LEADER_EPOCH), "an answer that was late");
    follow(&mut partition, &image(3, 6, 8, &[1, 3]), time.at(1), 10);
    assert_eq!(partition.check_cut(6), Ok(()));
}

#[test]
fn an_older_image_changes_nothing() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2]);
    assert_eq!(follow(&mut partition, &image(2, 4, 9, &[2]), time.at(1), 10), []);
    assert_eq!((partition.leads(), partition.leader_epoch()), (true, 5));
}

#[test]
fn only_what_is_committed_can_be_deleted() {
    let time = time();
    let partition = leader(&time, 1, &[1]);
    assert_eq!(partition.delete_before(-1), Ok(10));
    assert_eq!(partition.delete_before(0), Ok(0));
    assert_eq!(partition.delete_before(10), Ok(10));
    assert_eq!(partition.delete_before(11), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(partition.delete_before(-2), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
}

#[test]
fn a_deletion_is_done_when_every_live_replica_has_made_it() {
    let time = time();
    let mut partition = leader(&time, 1, &[1, 2, 3]);
    let starts = |partition: &mut Partition, broker, log_start| {
        let mut out = Vec::new();
        let fetch = FollowerFetch { broker, broker_epoch: -1, offset: 10, log_start };
        partition.on_follower_fetch(fetch, time.at(1), &mut out).expect("a follower of this leader");
        out.retain(|effect| *effect != Effect::Progress);
        out
    };
    assert_eq!(starts(&mut partition, 2, 0), []);
    let mut out = Vec::new();
    partition.on_delete_wanted(1, 6, time.at(500), &mut out);
    partition.on_delete_wanted(2, 8, time.at(600), &mut out);
    assert_eq!(out, []);
    assert_eq!(starts(&mut partition, 2, 8), [], "replica 3 has not said anything");
    assert_eq!(starts(&mut partition, 3, 7), [Effect::Ack(1)]);
    assert_eq!(partition.low_watermark(), 7);
    // Whoever is fenced is not waited for.
    partition.on_image(&image(ME, 5, 8, &[1, 2]), &[(1, 100), (2, 200)], time.at(2), 10, &mut out);
    assert_eq!(out, [Effect::Ack(2)]);

    out.clear();
    partition.on_delete_wanted(3, 9, time.at(700), &mut out);
    assert_eq!(partition.deadline(), Some(time.at(700)));
    partition.on_deadline(time.at(700), &mut out);
    assert_eq!(out, [Effect::Fail(3, ErrorCode::REQUEST_TIMED_OUT)]);
    partition.on_delete_wanted(4, 9, time.at(900), &mut out);
    out.clear();
    partition.on_image(&image(2, 6, 9, &[1, 2]), ELIGIBLE, time.at(3), 10, &mut out);
    assert_eq!(out, [Effect::Fail(4, ErrorCode::NOT_LEADER_OR_FOLLOWER), Effect::Moved]);
}

#[test]
fn an_older_epoch_is_fenced_and_a_newer_one_unknown() {
    let time = time();
    let partition = leader(&time, 1, &[1]);
    assert_eq!(partition.check_epoch(-1), Ok(()));
    assert_eq!(partition.check_epoch(5), Ok(()));
    assert_eq!(partition.check_epoch(4), Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(partition.check_epoch(6), Err(ErrorCode::UNKNOWN_LEADER_EPOCH));
}
