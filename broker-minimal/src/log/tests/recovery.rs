//! What a crash may leave behind, and what opening the log makes of it.

use super::*;

/// The only segment's files.
fn file(place: &Place, extension: &str) -> PathBuf {
    place.dir().join(format!("00000000000000000000.{extension}"))
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the file is there")
}

/// Drops a log as a crash does: nothing is flushed, closed or written any more.
fn crash(log: Log) {
    drop(log);
}

#[test]
fn after_a_clean_stop_everything_is_there_and_nothing_is_scanned() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for i in 0..50 {
        append(&mut log, batch_of(4, 0, i, &["x".repeat(300).as_str()]));
    }
    assert_eq!(log.close().expect("a clean stop"), 50);
    let (mut log, report) = place.open(LogConfig::default(), CLEAN);
    assert_eq!(report, RecoveryReport::default());
    assert_eq!((log.end_offset(), log.recovery_point(), log.topic_id()), (50, 50, ID));
    assert_eq!(log.epoch_end_offset(0), (0, 50));
    assert_eq!(values(&log).len(), 50);
    for i in 45..50 {
        let retried = log.append(&[batch_of(4, 0, i, &["x".repeat(300).as_str()])], 0, NOW);
        let Err(AppendError::Duplicate(original)) = retried else { panic!("{i}: {retried:?}") };
        assert_eq!(original.base_offset, i64::from(i));
    }
    append(&mut log, batch_of(4, 0, 50, &["next"]));
    assert_eq!(log.end_offset(), 51);
}

#[test]
fn whatever_byte_the_crash_cut_at_all_whole_batches_survive() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    let mut ends = vec![0];
    for i in 0..3_i32 {
        append(&mut log, batch_of(4, 0, i, &["some value"]));
        ends.push(log.size());
    }
    crash(log);
    let whole = bytes(&file(&place, "log"));
    for cut in 0..=whole.len() {
        write_file(&file(&place, "log"), &whole[..cut]);
        let (mut log, report) = place.open(LogConfig::default(), CRASHED);
        let kept = ends.iter().filter(|end| **end <= cut as u64).count() - 1;
        assert_eq!(values(&log).len(), kept, "cut at {cut}");
        assert_eq!(report.truncated_bytes, cut as u64 - ends[kept], "cut at {cut}");
        let next = i32::try_from(kept).expect("few");
        let appended = append(&mut log, batch_of(4, 0, next, &["goes on"]));
        assert_eq!(appended.base_offset, i64::from(next), "cut at {cut}");
        crash(log);
    }
}

#[test]
fn a_batch_of_whose_offset_a_power_cut_left_garbage_is_cut_off() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    let kept = usize::try_from(log.size()).expect("small");
    append(&mut log, batch(&["b"]));
    crash(log);
    // The checksum does not cover it.
    let mut torn = bytes(&file(&place, "log"));
    torn[kept..kept + 8].copy_from_slice(&0x46f8_1122_3344_5566_i64.to_be_bytes());
    write_file(&file(&place, "log"), &torn);
    let (log, _) = place.open(LogConfig::default(), CRASHED);
    assert_eq!((log.end_offset(), values(&log)), (1, vec!["a".to_owned()]));
}

#[test]
fn garbage_or_zeros_behind_the_last_batch_are_cut_off() {
    for tail in [vec![0; 5000], vec![0xff; 70], b"not a batch at all".repeat(50)] {
        let place = Place::new();
        let mut log = place.create(LogConfig::default());
        append(&mut log, batch(&["a"]));
        append(&mut log, batch(&["b"]));
        crash(log);
        let whole = bytes(&file(&place, "log"));
        write_file(&file(&place, "log"), &[whole.as_slice(), &tail].concat());
        let (log, report) = place.open(LogConfig::default(), CRASHED);
        assert_eq!(values(&log), ["a", "b"]);
        assert_eq!(report.truncated_bytes, tail.len() as u64);
        assert_eq!(bytes(&file(&place, "log")), whole);
    }
}

#[test]
fn a_zero_tail_in_spite_of_a_clean_mark_is_cut_off() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    log.close().expect("a clean stop");
    let whole = bytes(&file(&place, "log"));
    write_file(&file(&place, "log"), &[whole.as_slice(), &[0; 100]].concat());
    let (log, report) = place.open(LogConfig::default(), CLEAN);
    assert_eq!((values(&log), report.truncated_bytes), (vec!["a".to_owned()], 100));
}

#[test]
fn an_unflushed_batch_with_a_flipped_bit_ends_the_log() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for value in ["a", "b", "c"] {
        append(&mut log, batch(&[value]));
    }
    crash(log);
    let mut flipped = bytes(&file(&place, "log"));
    let in_the_second = flipped.len() / 2;
    flipped[in_the_second] ^= 0x10;
    write_file(&file(&place, "log"), &flipped);
    let (log, report) = place.open(LogConfig::default(), CRASHED);
    assert_eq!(values(&log), ["a"]);
    assert_eq!(report.truncated_bytes, flipped.len() as u64 * 2 / 3);
}

#[test]
fn a_flushed_batch_with_a_flipped_bit_is_reported_and_costs_nothing_behind_it() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for value in ["a", "b", "c"] {
        append(&mut log, batch(&[value]));
    }
    log.flush().expect("the disk takes it");
    crash(log);
    let mut flipped = bytes(&file(&place, "log"));
    let last_of_the_second = flipped.len() * 2 / 3 - 1;
    flipped[last_of_the_second] ^= 0x10;
    write_file(&file(&place, "log"), &flipped);
    let (log, report) = place.open(LogConfig::default(), Recovery { recovery_point: 3, ..CRASHED });
    assert_eq!((log.end_offset(), report.corrupt_batches, report.truncated_bytes), (3, 1, 0));
}

#[test]
fn a_tear_in_an_older_segment_drops_what_follows_it() {
    let config = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
    let place = Place::new();
    let mut log = place.create(config.clone());
    for _ in 0..5 {
        append(&mut log, batch_of_size(900));
    }
    assert_eq!(log.segment_count(), 3);
    crash(log);
    let first = bytes(&file(&place, "log"));
    write_file(&file(&place, "log"), &first[..first.len() - 1]);
    let (log, report) = place.open(config, CRASHED);
    assert_eq!((log.end_offset(), log.segment_count(), report.segments_dropped), (1, 1, 2));
    assert_eq!(values(&log).len(), 1);
}

#[test]
fn segments_before_the_recovery_point_are_not_scanned() {
    let config = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
    let place = Place::new();
    let mut log = place.create(config.clone());
    for i in 0..6 {
        append(&mut log, batch_of(4, 0, i, &["x".repeat(900).as_str()]));
    }
    let size = log.size();
    crash(log);
    let (mut log, report) = place.open(config, Recovery { recovery_point: 5, ..CRASHED });
    assert_eq!(report.scanned_bytes, size / 3, "one segment of three");
    assert_eq!((log.end_offset(), log.recovery_point()), (6, 6), "what was found is flushed");
    let duplicate = log.append(&[batch_of(4, 0, 5, &["x".repeat(900).as_str()])], 0, NOW);
    assert!(matches!(duplicate, Err(AppendError::Duplicate(_))));
}

#[test]
fn missing_and_corrupt_indexes_are_made_anew() {
    let config = LogConfig { segment_bytes: 60_000, index_interval_bytes: 1_000, ..LogConfig::default() };
    for damage in ["missing", "torn", "zeros", "garbage"] {
        for extension in ["index", "timeindex"] {
            let place = Place::new();
            let mut log = place.create(config.clone());
            for i in 0..100 {
                append(&mut log, batch_at(NOW + i, &["x".repeat(900).as_str()]));
            }
            assert_eq!(log.segment_count(), 2);
            log.close().expect("a clean stop");
            for name in place.names().iter().filter(|name| name.ends_with(&format!(".{extension}"))) {
                let path = place.dir().join(name);
                let good = bytes(&path);
                match damage {
                    "missing" => std::fs::remove_file(&path).expect("the file was there"),
                    "torn" => write_file(&path, &good[..good.len() - 3]),
                    "zeros" => write_file(&path, &vec![0; good.len()]),
                    _ => write_file(&path, &good.iter().map(|byte| byte ^ 0x55).collect::<Vec<_>>()),
                }
            }
            let (log, _) = place.open(config.clone(), CLEAN);
            assert_eq!(values(&log).len(), 100, "{damage} {extension}");
            for offset in [0, 1, 50, 99] {
                assert_eq!(records(&log, offset).len() as i64, 100 - offset, "{damage} {extension}");
                let found = log.offset_for_timestamp(NOW + offset).expect("no disk error").expect("a record");
                assert_eq!(found.offset, offset, "{damage} {extension}");
            }
        }
    }
}

#[test]
fn lost_epochs_are_read_from_the_batches() {
    for damage in [None, Some("0\n3\n0 0\n"), Some("")] {
        let place = Place::new();
        let mut log = place.create(LogConfig { segment_bytes: 2_000, ..LogConfig::default() });
        for epoch in [0, 0, 2, 2, 5] {
            log.append(&[batch_of_size(900)], epoch, NOW).expect("the append succeeds");
        }
        log.close().expect("a clean stop");
        let path = place.dir().join("leader-epoch-checkpoint");
        match damage {
            None => std::fs::remove_file(&path).expect("it was there"),
            Some(text) => write_file(&path, text.as_bytes()),
        }
        let (log, _) = place.open(LogConfig::default(), CLEAN);
        assert_eq!(log.epoch_end_offset(0), (0, 2));
        assert_eq!(log.epoch_end_offset(3), (2, 4));
        assert_eq!(log.epoch_end_offset(5), (5, 5));
        assert_eq!(bytes(&path), b"0\n3\n0 0\n2 2\n5 4\n", "the checkpoint is written again");
    }
}

#[test]
fn without_a_snapshot_producers_are_read_from_the_batches() {
    let place = Place::new();
    let mut log = place.create(LogConfig { segment_bytes: 2_000, ..LogConfig::default() });
    for i in 0..6 {
        append(&mut log, batch_of(4, 1, i, &["x".repeat(900).as_str()]));
    }
    log.close().expect("a clean stop");
    for name in place.names().iter().filter(|name| name.ends_with(".snapshot")) {
        write_file(&place.dir().join(name), b"damaged");
    }
    let (mut log, _) = place.open(LogConfig::default(), CLEAN);
    for sequence in [1, 5] {
        let retried = log.append(&[batch_of(4, 1, sequence, &["x".repeat(900).as_str()])], 0, NOW);
        assert!(matches!(retried, Err(AppendError::Duplicate(_))), "{sequence}");
    }
    let old = log.append(&[batch_of(4, 0, 0, &["zombie"])], 0, NOW);
    assert!(matches!(old, Err(AppendError::Producer(ProducerError::StaleEpoch { current: 1, .. }))));
}

#[test]
fn a_crash_and_a_clean_stop_leave_the_same_indexes() {
    let config = LogConfig { segment_bytes: 60_000, index_interval_bytes: 1_000, ..LogConfig::default() };
    let [crashed, stopped] = [Place::new(), Place::new()];
    for place in [&crashed, &stopped] {
        let mut log = place.create(config.clone());
        for i in 0..150 {
            append(&mut log, batch_at(NOW + i % 7 + i, &["x".repeat(700).as_str()]));
        }
        if place.dir() == stopped.dir() {
            log.close().expect("a clean stop");
        } else {
            crash(log);
        }
    }
    let (log, _) = crashed.open(config, CRASHED);
    log.close().expect("a clean stop");
    for name in stopped.names().iter().filter(|name| name.ends_with("index")) {
        assert_eq!(bytes(&crashed.dir().join(name)), bytes(&stopped.dir().join(name)), "{name}");
    }
}

#[test]
fn what_an_interrupted_deletion_left_is_removed() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    log.close().expect("a clean stop");
    let name = |base: i64, extension| format!("{base:020}.{extension}");
    for leftover in [name(0, "log.deleted"), name(0, "log.swap"), name(9, "index"), name(9, "timeindex")] {
        write_file(&place.dir().join(leftover), b"old");
    }
    let (log, _) = place.open(LogConfig::default(), CLEAN);
    assert_eq!(values(&log), ["a"]);
    assert_eq!(
        place.names(),
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "00000000000000000001.snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata",
        ]
    );
}

#[test]
fn a_crash_right_after_a_roll_loses_nothing() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_of(4, 0, 0, &["a"]));
    log.roll().expect("the disk takes it");
    crash(log);
    let (mut log, _) = place.open(LogConfig::default(), CRASHED);
    assert_eq!((log.segment_count(), values(&log)), (2, vec!["a".to_owned()]));
    append(&mut log, batch_of(4, 0, 1, &["b"]));
    assert_eq!(values(&log), ["a", "b"]);
}

#[test]
fn a_corrupt_header_in_an_old_segment_does_not_keep_the_rest_from_being_read() {
    let config = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
    let place = Place::new();
    let mut log = place.create(config.clone());
    for _ in 0..6 {
        append(&mut log, batch_of_size(900));
    }
    log.close().expect("a clean stop");
    let mut damaged = bytes(&file(&place, "log"));
    damaged[8] = 0xff;
    write_file(&file(&place, "log"), &damaged);
    for name in place.names().iter().filter(|name| name.ends_with(".snapshot")) {
        std::fs::remove_file(place.dir().join(name)).expect("it was there");
    }
    let (mut log, _) = place.open(config, CLEAN);
    assert!(matches!(log.read(0, 100, 6, FirstBatch::Always), Err(ReadError::Corrupt(_))));
    assert_eq!(records(&log, 2).len(), 4);
    assert_eq!(append(&mut log, batch(&["next"])).base_offset, 6);
}

#[test]
fn retries_of_batches_in_front_of_a_roll_are_recognised_after_a_crash() {
    let config = LogConfig { segment_bytes: 2_000, ..LogConfig::default() };
    let place = Place::new();
    let mut log = place.create(config.clone());
    for i in 0..9 {
        append(&mut log, batch_of(4, 0, i, &["x".repeat(300).as_str()]));
    }
    assert_eq!(log.segment_count(), 2);
    crash(log);
    let (mut log, _) = place.open(config, Recovery { recovery_point: 8, ..CRASHED });
    for i in 4..9 {
        let retried = log.append(&[batch_of(4, 0, i, &["x".repeat(300).as_str()])], 0, NOW);
        assert!(matches!(retried, Err(AppendError::Duplicate(_))), "{i}: {retried:?}");
    }
}

#[test]
fn an_empty_segment_of_a_roll_that_failed_is_dropped() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    append(&mut log, batch(&["b"]));
    crash(log);
    write_file(&place.dir().join("00000000000000000001.log"), b"");
    let (log, report) = place.open(LogConfig::default(), CRASHED);
    assert_eq!((values(&log), report.segments_dropped), (vec!["a".to_owned(), "b".to_owned()], 1));
}

#[test]
fn messages_of_the_old_formats_are_not_taken_for_a_torn_tail() {
    let place = Place::new();
    place.create(LogConfig::default()).close().expect("a clean stop");
    // Offset 0, 22 bytes: checksum, magic 1, attributes, timestamp, no key, no value.
    let mut message = vec![0; 12 + 22];
    message[11] = 22;
    message[16] = 1;
    message[26..].fill(0xff);
    write_file(&file(&place, "log"), &message);
    let opened = Log::open(&place.dir(), LogConfig::default(), CRASHED, NOW);
    assert!(matches!(opened, Err(LogError::OldFormat { magic: 1, .. })));
    assert_eq!(bytes(&file(&place, "log")), message);
}

#[test]
fn a_log_start_behind_the_end_starts_an_empty_log_there() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["lost with the tail"]));
    crash(log);
    let (mut log, _) = place.open(LogConfig::default(), Recovery { log_start: 10, ..CRASHED });
    assert_eq!((log.start_offset(), log.end_offset()), (10, 10));
    assert_eq!(append(&mut log, batch(&["on"])).base_offset, 10);
}
