//! What a follower's log takes from its leader's.

use super::*;

/// All batches of a log, as its followers are sent them.
fn sent(log: &Log) -> Vec<Batch> {
    let mut all = Vec::new();
    let mut offset = log.start_offset();
    while offset < log.end_offset() {
        let slice = log.read(offset, usize::MAX, i64::MAX, FirstBatch::Always).expect("in the log");
        let mut bytes = load(&slice);
        while let Some(batch) = Batch::split(&mut bytes).expect("whole batches") {
            offset = batch.header().next_offset();
            all.push(batch);
        }
    }
    all
}

fn bytes(log: &Log) -> Vec<u8> {
    sent(log).iter().flat_map(|batch| batch.bytes().to_vec()).collect()
}

#[test]
fn a_copy_is_the_same_bytes_with_the_same_epochs_and_producers() {
    let (there, here) = (Place::new(), Place::new());
    let mut leader = there.create(LogConfig::default());
    leader.append(&[batch_of(7, 0, 0, &["a", "b"])], 0, NOW).expect("taken");
    leader.append(&[batch(&["c"])], 0, NOW).expect("taken");
    leader.append(&[batch(&["d"])], 3, NOW).expect("taken");
    let mut follower = here.create(LogConfig::default());
    follower.append_as_follower(&sent(&leader), NOW).expect("taken");
    assert_eq!(bytes(&follower), bytes(&leader));
    assert_eq!((follower.end_offset(), follower.latest_epoch()), (4, 3));
    assert_eq!(follower.epoch_end_offset(0), (0, 3));
    let retry = follower.append(&[batch_of(7, 0, 0, &["a", "b"])], 4, NOW);
    assert!(matches!(retry, Err(AppendError::Duplicate(original)) if original.base_offset == 0));
    drop(follower);
    let (reopened, _) = here.open(LogConfig::default(), CRASHED);
    assert_eq!((reopened.end_offset(), reopened.epoch_end_offset(0)), (4, (0, 3)));
}

#[test]
fn a_copy_rolls_by_its_own_settings() {
    let (there, here) = (Place::new(), Place::new());
    let mut leader = there.create(LogConfig::default());
    for _ in 0..100 {
        append(&mut leader, batch_of_size(100));
    }
    let mut follower = here.create(LogConfig { segment_bytes: 1000, ..LogConfig::default() });
    follower.append_as_follower(&sent(&leader), NOW).expect("taken");
    assert!(follower.segment_count() > 10);
    assert_eq!(bytes(&follower), bytes(&leader));
}

#[test]
fn what_overlaps_is_refused_and_what_compaction_left_out_is_not_missed() {
    let (there, here) = (Place::new(), Place::new());
    let mut leader = there.create(LogConfig::default());
    for value in ["a", "b", "c"] {
        append(&mut leader, batch(&[value]));
    }
    let all = sent(&leader);
    let mut follower = here.create(LogConfig::default());
    follower.append_as_follower(&all[..1], NOW).expect("taken");
    let again = follower.append_as_follower(&all, NOW);
    assert!(matches!(again, Err(AppendError::Overlap { end: 1, received: 0 })), "{again:?}");
    assert_eq!(follower.end_offset(), 1, "nothing of it was written");
    follower.append_as_follower(&all[2..], NOW).expect("taken");
    assert_eq!(records(&follower, 0), [(0, "a".to_owned()), (2, "c".to_owned())]);
}

#[test]
fn batches_of_an_epoch_before_the_newest_are_refused() {
    let (there, here) = (Place::new(), Place::new());
    let mut leader = there.create(LogConfig::default());
    leader.append(&[batch(&["a"])], 2, NOW).expect("taken");
    let mut follower = here.create(LogConfig::default());
    follower.begin_epoch(5).expect("written");
    let older = follower.append_as_follower(&sent(&leader), NOW);
    assert!(matches!(older, Err(AppendError::Fenced { latest: 5, received: 2 })), "{older:?}");
}

#[test]
fn an_epoch_that_wrote_nothing_ends_the_one_before_and_goes_with_a_cut() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    log.append(&[batch(&["a", "b"])], 1, NOW).expect("taken");
    log.begin_epoch(4).expect("written");
    assert_eq!((log.epoch_end_offset(3), log.latest_epoch()), ((1, 2), 4));
    log.begin_epoch(4).expect("nothing to write");
    log.truncate_to(2).expect("nothing to cut");
    assert_eq!(log.latest_epoch(), 1, "a leader that wrote nothing leaves nothing behind");
    log.restart_at(50).expect("restarted");
    assert_eq!((log.start_offset(), log.end_offset(), log.latest_epoch()), (50, 50, -1));
}
