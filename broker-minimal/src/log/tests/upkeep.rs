//! Rolling, retention, truncation, flushing, deletion.

use super::*;

fn small_segments() -> LogConfig {
    LogConfig { segment_bytes: 2_000, file_delete_delay_ms: 500, ..LogConfig::default() }
}

/// A log of `count` records of 900 bytes, two in a segment, one a second.
fn filled(place: &Place, config: LogConfig, count: i64) -> Log {
    let mut log = place.create(config);
    for i in 0..count {
        let now = NOW + i * 1_000;
        log.append(&[batch_at(now, &["x".repeat(900).as_str()])], 0, now).expect("the append succeeds");
    }
    log
}

#[test]
fn a_segment_rolls_before_it_grows_past_its_size() {
    let place = Place::new();
    let log = filled(&place, small_segments(), 5);
    assert_eq!((log.segment_count(), values(&log).len()), (3, 5));
    let logs: Vec<_> = place.names().into_iter().filter(|name| name.ends_with(".log")).collect();
    assert_eq!(logs, ["00000000000000000000.log", "00000000000000000002.log", "00000000000000000004.log"]);
}

#[test]
fn a_segment_rolls_when_its_first_record_is_too_old() {
    let place = Place::new();
    let mut log =
        place.create(LogConfig { segment_ms: 1_000, segment_jitter_ms: 100, ..LogConfig::default() });
    for (at, segments) in [(0, 1), (900, 1), (901, 2), (1_801, 2), (1_802, 3)] {
        log.append(&[batch_at(NOW + at, &["a"])], 0, NOW).expect("the append succeeds");
        assert_eq!(log.segment_count(), segments, "at {at}");
    }
}

#[test]
fn retention_by_time_drops_segments_and_their_files_after_a_delay() {
    let place = Place::new();
    let mut log = filled(&place, LogConfig { retention_ms: 10_000, ..small_segments() }, 6);
    let slice = log.read(0, usize::MAX, i64::MAX, FirstBatch::Always).expect("in range");
    let late = NOW + 3_000 + 10_001;
    assert_eq!(log.retain(late, 6).expect("no disk error"), 2);
    log.tick(late).expect("no disk error");
    assert_eq!((log.start_offset(), log.segment_count(), values(&log).len()), (4, 1, 2));
    assert!(place.names().contains(&"00000000000000000000.log.deleted".to_owned()));
    assert_eq!(load(&slice).len(), slice.len, "a reader that has the file goes on");
    log.tick(late + 500).expect("no disk error");
    assert!(!place.names().iter().any(|name| name.ends_with(".deleted")));
    assert_eq!(load(&slice).len(), slice.len);
}

#[test]
fn retention_drops_the_active_segment_too_and_keeps_the_offsets() {
    let place = Place::new();
    let mut log = filled(&place, LogConfig { retention_ms: 1_000, ..small_segments() }, 3);
    log.retain(NOW + 60_000, 3).expect("no disk error");
    assert_eq!((log.start_offset(), log.end_offset(), log.size()), (3, 3, 0));
    assert_eq!(append(&mut log, batch(&["next"])).base_offset, 3);
    log.close().expect("a clean stop");
    let (log, _) = place.open(LogConfig::default(), CLEAN);
    assert_eq!((log.start_offset(), values(&log)), (3, vec!["next".to_owned()]));
}

#[test]
fn retention_by_size_keeps_at_least_that_much() {
    let place = Place::new();
    let mut log = filled(&place, LogConfig { retention_bytes: 3_000, ..small_segments() }, 10);
    log.retain(NOW, 10).expect("no disk error");
    assert!(log.size() >= 3_000 && log.size() < 3_000 + 2_000, "{}", log.size());
    assert_eq!(log.end_offset(), 10);
}

#[test]
fn truncation_drops_records_epochs_and_producers_behind_the_offset() {
    let place = Place::new();
    let mut log = place.create(small_segments());
    for i in 0..6 {
        let batch = batch_of(4, 0, i, &["x".repeat(900).as_str()]);
        log.append(&[batch], i, NOW).expect("the append succeeds");
    }
    log.flush().expect("the disk takes it");
    log.truncate_to(3).expect("no disk error");
    assert_eq!((log.end_offset(), log.recovery_point(), log.segment_count()), (3, 3, 2));
    assert_eq!((log.latest_epoch(), values(&log).len()), (2, 3));
    let appended = append_in_epoch(&mut log, 9, batch_of(4, 0, 3, &["other"]));
    assert_eq!((appended.base_offset, log.epoch_end_offset(2)), (3, (2, 3)));
    log.close().expect("a clean stop");
    let (log, _) = place.open(small_segments(), CLEAN);
    assert_eq!((log.end_offset(), records(&log, 3)), (4, vec![(3, "other".to_owned())]));
}

fn append_in_epoch(log: &mut Log, epoch: i32, batch: Batch) -> Appended {
    log.append(&[batch], epoch, NOW).expect("the append succeeds")
}

#[test]
fn truncation_inside_a_batch_drops_the_whole_batch() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a", "b"]));
    append(&mut log, batch(&["c", "d"]));
    log.truncate_to(3).expect("no disk error");
    assert_eq!((log.end_offset(), values(&log)), (2, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn deleted_records_are_not_read_any_more() {
    let place = Place::new();
    let mut log = filled(&place, small_segments(), 6);
    assert_eq!(log.delete_records_before(3, NOW).expect("no disk error"), 3);
    assert_eq!((log.segment_count(), values(&log).len()), (2, 3));
    let gone = log.read(2, usize::MAX, i64::MAX, FirstBatch::Always);
    assert!(matches!(gone, Err(ReadError::OutOfRange { start: 3, .. })));
    assert_eq!(log.delete_records_before(1, NOW).expect("no disk error"), 3, "it never goes back");
    log.close().expect("a clean stop");
    let (log, _) = place.open(small_segments(), Recovery { log_start: 3, ..CLEAN });
    assert_eq!(log.start_offset(), 3);
}

#[test]
fn a_background_flush_is_due_after_a_while_or_a_mebibyte() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    let due =
        |log: &mut Log, now| log.is_flush_due(now).then(|| log.start_flush().expect("the log is online"));
    assert!(due(&mut log, NOW).is_none(), "nothing to flush");
    append(&mut log, batch(&["a"]));
    assert!(due(&mut log, NOW + 59).is_none());
    let job = due(&mut log, NOW + 60).expect("due after a while");
    append(&mut log, batch_of_size(1024 * 1024 - 100));
    assert!(due(&mut log, NOW + 300).is_none(), "one at a time");
    log.on_flushed(&job, job.run()).expect("the disk takes it");
    assert_eq!(log.recovery_point(), 1, "what came later is not covered");
    let job = due(&mut log, NOW + 300).expect("due by size and time");
    log.on_flushed(&job, job.run()).expect("the disk takes it");
    assert_eq!(log.recovery_point(), 2);
}

#[test]
fn a_flush_that_began_before_a_truncation_covers_nothing_behind_it() {
    let place = Place::new();
    let mut log = filled(&place, LogConfig::default(), 4);
    let job = log.start_flush().expect("online");
    log.truncate_to(1).expect("no disk error");
    append(&mut log, batch(&["new", "records", "here"]));
    log.on_flushed(&job, job.run()).expect("the disk takes it");
    assert_eq!(log.recovery_point(), 0);
}

#[test]
fn a_failed_flush_takes_the_log_offline_for_good() {
    let place = Place::new();
    let mut log = filled(&place, LogConfig::default(), 1);
    let job = log.start_flush().expect("online");
    assert!(log.on_flushed(&job, Err(std::io::Error::other("lost"))).is_err());
    assert!(matches!(log.append(&[batch(&["a"])], 0, NOW), Err(AppendError::Offline)));
    assert!(matches!(log.read(0, 1, 1, FirstBatch::Always), Err(ReadError::Offline)));
    assert!(matches!(log.flush(), Err(LogError::Offline)));
    assert!(log.is_offline() && log.close().is_err());
}

#[test]
fn flush_messages_makes_an_append_wait_for_the_disk() {
    let place = Place::new();
    let mut log = place.create(LogConfig { flush_messages: 2, ..LogConfig::default() });
    append(&mut log, batch(&["a"]));
    assert_eq!(log.recovery_point(), 0);
    append(&mut log, batch(&["b"]));
    assert_eq!(log.recovery_point(), 2);
}

#[test]
fn unused_files_are_closed_and_opened_again_when_needed() {
    let place = Place::new();
    let mut log = filled(&place, small_segments(), 6);
    for minute in 1..4 {
        log.tick(NOW + minute * 60_000).expect("no disk error");
    }
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux").filter_map(|fd| {
        let target = std::fs::read_link(fd.ok()?.path()).ok()?;
        target.starts_with(place.dir()).then_some(target)
    });
    assert_eq!(open.collect::<Vec<_>>(), Vec::<PathBuf>::new());
    assert_eq!(values(&log).len(), 6);
    assert_eq!(append(&mut log, batch(&["a"])).base_offset, 6);
}

#[test]
fn a_deleted_partition_leaves_no_directory() {
    let place = Place::new();
    let log = filled(&place, small_segments(), 3);
    log.delete().expect("no disk error");
    assert_eq!(std::fs::read_dir(place.root.path()).expect("the data directory").count(), 0);
    place.create(small_segments());
}

#[test]
fn an_expired_producer_may_start_anywhere() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_of(4, 3, 0, &["a"]));
    let day = 24 * 3_600_000;
    log.tick(NOW).expect("no disk error");
    log.tick(NOW + day).expect("no disk error");
    let later = log.append(&[batch_of(4, 0, 17, &["b"])], 0, NOW + day);
    assert!(later.is_ok(), "{later:?}");
}

/// Its records may be of another year, as when what was kept elsewhere is written here: a retry is recognised all the same.
#[test]
fn who_writes_old_times_is_not_forgotten_in_between() {
    let place = Place::new();
    let config = LogConfig { producer_id_expiration_ms: 1, ..LogConfig::default() };
    let mut log = place.create(config);
    append(&mut log, batch_of(4, 3, 0, &["a"]));
    let minute = 60_000;
    log.tick(NOW).expect("no disk error");
    log.tick(NOW + 9 * minute).expect("no disk error");
    let again = log.append(&[batch_of(4, 3, 0, &["a"])], 0, NOW + 9 * minute);
    assert!(matches!(again, Err(AppendError::Duplicate(Appended { base_offset: 0, .. }))), "{again:?}");
}
