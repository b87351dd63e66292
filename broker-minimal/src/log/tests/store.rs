//! Appending, reading, timestamps, deduplication.

use super::*;

#[test]
fn appended_records_are_read_back_with_their_offsets() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    let first = append(&mut log, batch(&["a", "b"]));
    let second = append(&mut log, batch(&["c"]));
    assert_eq!((first.base_offset, first.last_offset), (0, 1));
    assert_eq!((second.base_offset, second.last_offset, log.end_offset()), (2, 2, 3));
    let expected = [(0, "a".to_owned()), (1, "b".to_owned()), (2, "c".to_owned())];
    assert_eq!(records(&log, 0), expected);
    assert_eq!(records(&log, 1), expected[1..], "an offset inside a batch");
}

#[test]
fn the_file_holds_offsets_and_epoch_and_otherwise_what_was_sent() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    let sent = batch(&["b"]);
    log.append(std::slice::from_ref(&sent), 5, NOW).expect("the append succeeds");
    let slice = log.read(1, usize::MAX, i64::MAX, FirstBatch::Always).expect("offset 1");
    let stored = load(&slice);
    let header = *Batch::split(&mut stored.clone()).expect("valid").expect("one").header();
    assert_eq!((header.base_offset, header.partition_leader_epoch), (1, 5));
    assert_eq!(stored[16..], sent.bytes()[16..], "everything behind the epoch is untouched");
}

#[test]
fn many_batches_of_one_append_lie_one_behind_the_other() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    let names: Vec<String> = (0..40).map(|i| format!("record {i}")).collect();
    let batches: Vec<Batch> = names.iter().map(|name| batch(&[name.as_str()])).collect();
    let appended = log.append(&batches, 0, NOW).expect("the append succeeds");
    assert_eq!((appended.base_offset, appended.last_offset), (0, 39));
    assert_eq!(values(&log), names);
}

#[test]
fn a_read_ends_at_a_batch_boundary_below_its_limit() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for _ in 0..200 {
        append(&mut log, batch_of_size(1000));
    }
    let one = batch_of_size(1000).bytes().len();
    for from in [0, 1, 57, 150, 198] {
        for max in [one, 3 * one, 10 * one + 7] {
            let slice = log.read(from, max, i64::MAX, FirstBatch::Always).expect("in range");
            assert!(
                slice.len <= max && slice.len.is_multiple_of(one) && slice.len > 0,
                "{from} {max}: {}",
                slice.len
            );
            let mut bytes = load(&slice);
            let first = Batch::split(&mut bytes).expect("valid").expect("one");
            assert_eq!(first.header().base_offset, from);
        }
    }
}

#[test]
fn a_batch_larger_than_the_limit_is_read_only_if_it_comes_first() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_of_size(1000));
    append(&mut log, batch_of_size(1000));
    let len = |first| log.read(0, 10, i64::MAX, first).expect("in range").len;
    assert_eq!(len(FirstBatch::IfItFits), 0);
    assert_eq!(len(FirstBatch::Always), batch_of_size(1000).bytes().len());
}

#[test]
fn nothing_at_or_behind_the_upper_bound_is_read() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for _ in 0..200 {
        append(&mut log, batch_of_size(1000));
    }
    let one = batch_of_size(1000).bytes().len();
    for upto in [0, 1, 100, 150, 199] {
        let slice = log.read(0, usize::MAX, upto, FirstBatch::Always).expect("in range");
        assert_eq!(slice.len, usize::try_from(upto).expect("positive") * one, "{upto}");
    }
    assert_eq!(log.read(5, usize::MAX, 5, FirstBatch::Always).expect("in range").len, 0);
}

#[test]
fn offsets_outside_the_log_are_refused() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["a"]));
    let read = |offset| log.read(offset, 100, i64::MAX, FirstBatch::Always);
    assert_eq!(read(1).expect("the end is in range").len, 0);
    assert!(matches!(read(2), Err(ReadError::OutOfRange { offset: 2, start: 0, end: 1 })));
    assert!(matches!(read(-1), Err(ReadError::OutOfRange { .. })));
}

#[test]
fn a_batch_of_one_mebibyte_is_stored() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_of_size(1024 * 1024 - 100));
    append(&mut log, batch(&["after"]));
    assert_eq!(records(&log, 1), [(1, "after".to_owned())]);
    assert!(matches!(
        log.append(&[batch_of_size(1024 * 1024 + 12)], 0, NOW),
        Err(AppendError::TooLarge { limit: 1_048_588, .. })
    ));
}

#[test]
fn the_broker_s_time_replaces_the_producer_s_where_configured() {
    let place = Place::new();
    let config = LogConfig {
        timestamp_type: kinglet_protocol::records::TimestampType::LogAppendTime,
        ..LogConfig::default()
    };
    let mut log = place.create(config);
    let appended = log.append(&[batch_at(5, &["a", "b"])], 0, NOW).expect("the append succeeds");
    assert_eq!(appended.log_append_time, NOW);
    let slice = log.read(0, usize::MAX, i64::MAX, FirstBatch::Always).expect("in range");
    let stored = Batch::split(&mut load(&slice)).expect("valid").expect("one");
    stored.verify_crc().expect("the checksum covers the new timestamp");
    let records = stored.records(1 << 20).expect("records");
    let timestamps: Vec<i64> = records.iter().map(|record| record.expect("a record").timestamp).collect();
    assert_eq!(timestamps, [NOW, NOW]);
    let found = log.offset_for_timestamp(NOW).expect("no disk error").expect("a record");
    assert_eq!((found.timestamp, found.offset), (NOW, 0));
}

#[test]
fn a_timestamp_far_in_the_future_is_refused() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    let hour = 3_600_000;
    assert!(log.append(&[batch_at(NOW + hour, &["a"])], 0, NOW).is_ok());
    let refused = log.append(&[batch_at(NOW + hour + 1, &["a"])], 0, NOW);
    assert!(matches!(refused, Err(AppendError::Timestamp { .. })));
    assert!(log.append(&[batch_at(-1, &["no timestamp"])], 0, NOW).is_ok());
}

#[test]
fn the_first_record_at_or_behind_a_time_is_found() {
    let place = Place::new();
    let mut log = place.create(LogConfig { segment_bytes: 40_000, ..LogConfig::default() });
    for i in 0..100 {
        append(&mut log, batch_at(NOW + i * 10, &["x".repeat(500).as_str(), "y", "z"]));
    }
    assert!(log.segment_count() > 1);
    let find = |at| {
        log.offset_for_timestamp(at).expect("no disk error").map(|found| (found.timestamp, found.offset))
    };
    assert_eq!(find(0), Some((NOW, 0)));
    assert_eq!(find(NOW + 1), Some((NOW + 1, 1)));
    assert_eq!(find(NOW + 3), Some((NOW + 10, 3)), "between two batches");
    assert_eq!(find(NOW + 501), Some((NOW + 501, 151)));
    assert_eq!(find(NOW + 992), Some((NOW + 992, 299)));
    assert_eq!(find(NOW + 993), None);
    let newest = log.offset_for_max_timestamp().expect("no disk error").expect("a record");
    assert_eq!((newest.timestamp, newest.offset), (NOW + 992, 299));
}

#[test]
fn a_time_before_the_start_of_the_log_finds_its_first_record() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_at(NOW + 100, &["late", "early"]));
    append(&mut log, batch_at(NOW, &["a", "b", "c"]));
    log.delete_records_before(3, NOW).expect("no disk error");
    let found = log.offset_for_timestamp(NOW).expect("no disk error").expect("a record");
    assert_eq!((found.timestamp, found.offset), (NOW + 1, 3));
}

#[test]
fn the_largest_timestamp_need_not_be_the_last() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch_at(NOW + 50, &["late", "later"]));
    append(&mut log, batch_at(NOW, &["early"]));
    let newest = log.offset_for_max_timestamp().expect("no disk error").expect("a record");
    assert_eq!((newest.timestamp, newest.offset), (NOW + 51, 1));
}

#[test]
fn a_retried_batch_is_answered_with_the_original_s_offsets() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    for sequence in 0..7 {
        append(&mut log, batch_of(9, 0, sequence * 2, &["a", "b"]));
    }
    let duplicate =
        |log: &mut Log, sequence| match log.append(&[batch_of(9, 0, sequence, &["a", "b"])], 0, NOW) {
            Err(AppendError::Duplicate(original)) => Some((original.base_offset, original.last_offset)),
            Ok(_) | Err(_) => None,
        };
    assert_eq!(duplicate(&mut log, 12), Some((12, 13)));
    assert_eq!(duplicate(&mut log, 4), Some((4, 5)), "the fifth from the end");
    assert_eq!(duplicate(&mut log, 2), None, "the sixth is forgotten");
    assert_eq!(log.end_offset(), 14);
}

#[test]
fn a_failed_batch_leaves_nothing_behind() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    append(&mut log, batch(&["kept"]));
    let (size, id) = (log.size(), 3);
    log.active_mut().room = Some(100);
    let error = log.append(&[batch_of(id, 0, 0, &["does not fit".repeat(20).as_str()])], 0, NOW);
    assert!(matches!(error, Err(AppendError::Disk(_))));
    assert_eq!(std::fs::metadata(log.active().path("log")).expect("the file").len(), size);
    assert_eq!(values(&log), ["kept"], "reads go on");
    log.active_mut().room = None;
    append(&mut log, batch_of(id, 0, 0, &["fits again"]));
    assert_eq!(values(&log), ["kept", "fits again"]);
}

#[test]
fn a_stale_leader_appends_nothing() {
    let place = Place::new();
    let mut log = place.create(LogConfig::default());
    log.append(&[batch(&["a"])], 3, NOW).expect("the append succeeds");
    let refused = log.append(&[batch(&["b"])], 2, NOW);
    assert!(matches!(refused, Err(AppendError::Fenced { latest: 3, received: 2 })));
    assert_eq!(log.epoch_end_offset(3), (3, 1));
}
