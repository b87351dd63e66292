//! Compaction: what stays, where it is found, and what a crash in between leaves.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::disk::recording::die_after;

const LIMITS: CleanLimits = CleanLimits { buffer_bytes: 1 << 20, seeds: [1, 2] };
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn compacted() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        index_interval_bytes: 100,
        compact: true,
        delete: false,
        min_cleanable_dirty_ppm: 0,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    }
}

/// A record of these tests.
type Pair<'a> = (&'a str, Option<&'a str>);

fn keyed_with(now: i64, pairs: &[Pair<'_>], seal: Seal) -> Batch {
    let mut builder = BatchBuilder::new(64);
    for (key, value) in pairs {
        builder.push(now, Some(key.as_bytes()), value.map(str::as_bytes), &[("h", Some(b"1"))]);
    }
    Batch::split(&mut builder.seal(seal).expect("a codec that is there")).expect("a batch").expect("one")
}

fn keyed(pairs: &[Pair<'_>]) -> Batch {
    keyed_with(NOW, pairs, Seal::default())
}

/// Offset, key and value.
type Entry = (i64, String, Option<String>);

/// Everything a consumer gets that starts at `offset`.
fn consume(log: &Log, mut offset: i64) -> Vec<Entry> {
    let mut found = Vec::new();
    while offset < log.end_offset() {
        let slice = log.read(offset, 300, i64::MAX, FirstBatch::Always).expect("the offset is in the log");
        let mut bytes = load(&slice);
        if bytes.is_empty() {
            return found;
        }
        while let Some(batch) = Batch::split(&mut bytes).expect("whole batches") {
            batch.verify_crc().expect("the checksum matches");
            for record in &batch.records(1 << 20).expect("records") {
                let record = record.expect("a record");
                if record.offset >= offset {
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    found.push((record.offset, text(record.key.expect("a key")), record.value.map(text)));
                }
            }
            assert!(batch.header().next_offset() > offset, "no batch comes twice");
            offset = batch.header().next_offset();
        }
    }
    found
}

fn pass(log: &mut Log, now: i64, limits: CleanLimits) -> Result<Option<CleanReport>, String> {
    killed_pass(log, now, limits, None)
}

/// The broker is killed when it has done so much of the first swap.
fn killed_pass(
    log: &mut Log,
    now: i64,
    limits: CleanLimits,
    mut kill: Option<usize>,
) -> Result<Option<CleanReport>, String> {
    log.flush().expect("no disk error");
    let job = log.plan_cleaning(now, log.end_offset()).expect("the log can be read");
    let Some(job) = job else { return Ok(None) };
    let mut swap = |cleaned: Cleaned| {
        if let Some(steps) = kill.take() {
            die_after(Some(steps));
        }
        log.swap_in(&cleaned, now)
    };
    let result = job.run(limits, &|| false, &mut swap);
    die_after(None);
    match result {
        Ok(report) => {
            log.on_cleaned(Ok(report), now);
            Ok(Some(report))
        }
        Err(error) => {
            let told = error.to_string();
            log.on_cleaned(Err(error), now);
            Err(told)
        }
    }
}

fn clean(log: &mut Log, now: i64) -> CleanReport {
    pass(log, now, LIMITS).expect("nothing is in the way").expect("the log is dirty")
}

fn killed(log: &Log) -> Recovery {
    Recovery {
        clean: false,
        recovery_point: log.recovery_point(),
        log_start: log.start_in_segment().unwrap_or(0),
        first_dirty: log.first_dirty_offset().unwrap_or(0),
    }
}

/// Starts another segment, so that what is there can be cleaned.
fn close_segment(log: &mut Log) {
    log.roll().expect("no disk error");
    append(log, keyed(&[("active", Some("1"))]));
}

fn offsets(log: &Log) -> Vec<i64> {
    consume(log, log.start_offset()).into_iter().map(|(offset, ..)| offset).collect()
}

#[test]
fn the_last_value_of_each_key_stays_at_its_offset() {
    for compression in Compression::ALL {
        let place = Place::new();
        let mut log = place.create(compacted());
        let seal = Seal { compression, ..Seal::default() };
        append(&mut log, keyed_with(NOW, &[("a", Some("1")), ("b", Some("2")), ("a", Some("3"))], seal));
        append(&mut log, keyed_with(NOW, &[("c", Some("4")), ("b", Some("5"))], seal));
        close_segment(&mut log);
        let report = clean(&mut log, NOW);
        assert_eq!((report.end, report.records_dropped), (5, 2), "{compression}");
        let entry = |offset, key: &str, value: &str| (offset, key.to_owned(), Some(value.to_owned()));
        let left = [entry(2, "a", "3"), entry(3, "c", "4"), entry(4, "b", "5"), entry(5, "active", "1")];
        assert_eq!(consume(&log, 0), left, "{compression}");
        assert_eq!(consume(&log, 1), left, "an offset that is gone is answered from the next one");
        assert!(pass(&mut log, NOW, LIMITS).expect("nothing is in the way").is_none(), "it is clean now");
    }
}

#[test]
fn a_tombstone_stays_for_a_day_after_the_pass_that_removed_what_it_deletes() {
    let place = Place::new();
    let mut log = place.create(compacted());
    append(&mut log, keyed(&[("a", Some("1")), ("b", Some("1"))]));
    append(&mut log, keyed(&[("a", None)]));
    close_segment(&mut log);
    let first = NOW + 7 * DAY_MS;
    clean(&mut log, first);
    assert_eq!(offsets(&log), [1, 2, 3], "the record is old, but no pass saw it yet");
    close_segment(&mut log);
    clean(&mut log, first + DAY_MS - 1);
    assert_eq!(offsets(&log), [1, 2, 3, 4]);
    close_segment(&mut log);
    clean(&mut log, first + DAY_MS);
    assert_eq!(offsets(&log), [1, 4, 5]);
}

#[test]
fn small_segments_merge_and_readers_of_the_old_files_go_on() {
    let place = Place::new();
    let mut log = place.create(compacted());
    for _ in 0..40 {
        append(&mut log, keyed(&[("same", Some("x".repeat(100).as_str()))]));
    }
    close_segment(&mut log);
    let slice = log.read(0, usize::MAX, i64::MAX, FirstBatch::Always).expect("in range");
    let before = load(&slice);
    assert!(log.segment_count() > 10);
    clean(&mut log, NOW);
    close_segment(&mut log);
    clean(&mut log, NOW);
    assert!(log.segment_count() <= 4, "{}", log.segment_count());
    assert_eq!(load(&slice), before);
    assert_eq!(offsets(&log).first(), Some(&39));
    assert!(log.tick(NOW + 1).is_ok() && place.names().iter().all(|name| !name.ends_with(".deleted")));
}

#[test]
fn a_producer_goes_on_after_compaction_and_a_restart_though_its_records_are_gone() {
    let place = Place::new();
    let mut log = place.create(compacted());
    let by = |producer_id, base_sequence, value| {
        keyed_with(
            NOW,
            &[("a", Some(value))],
            Seal { producer_id, producer_epoch: 0, base_sequence, ..Seal::default() },
        )
    };
    for sequence in 0..3 {
        append(&mut log, by(7, sequence, "1"));
    }
    append(&mut log, by(8, 0, "2"));
    close_segment(&mut log);
    clean(&mut log, NOW);
    assert_eq!(offsets(&log), [3, 4]);
    let recovery = killed(&log);
    drop(log);
    std::fs::remove_file(place.dir().join("00000000000000000004.snapshot")).expect("the snapshot is there");
    let (mut log, _) = place.open(compacted(), recovery);
    let again = log.append(&[by(7, 2, "1")], 0, NOW);
    assert!(matches!(again, Err(AppendError::Duplicate(Appended { base_offset: 2, .. }))), "{again:?}");
    append(&mut log, by(7, 3, "3"));
    // Another batch is its last now: the empty one goes with the next pass.
    close_segment(&mut log);
    let size = log.size();
    clean(&mut log, NOW);
    assert!(log.size() < size);
}

#[test]
fn what_is_young_uncommitted_or_clean_enough_is_left_alone() {
    let place = Place::new();
    let config = LogConfig { min_compaction_lag_ms: 1_000, ..compacted() };
    let mut log = place.create(config.clone());
    append(&mut log, keyed(&[("a", Some("1"))]));
    log.roll().expect("no disk error");
    append(&mut log, keyed(&[("a", Some("2"))]));
    let is_due = |log: &Log, now, hw| log.plan_cleaning(now, hw).expect("it can be read").is_some();
    assert!(is_due(&log, NOW + 1_000, 2));
    assert!(!is_due(&log, NOW + 999, 2), "too young");
    assert!(!is_due(&log, NOW + 1_000, 0), "not committed");
    log.set_config(LogConfig { min_cleanable_dirty_ppm: 1_000_000, ..compacted() });
    assert!(!is_due(&log, NOW, 2), "not dirty enough");
    log.set_config(LogConfig {
        min_cleanable_dirty_ppm: 1_000_000,
        max_compaction_lag_ms: 10,
        ..compacted()
    });
    assert!(is_due(&log, NOW + 11, 2), "it has waited for long enough");
    log.set_config(LogConfig { compact: false, ..config });
    assert!(!is_due(&log, NOW + DAY_MS, 2), "not a compacted topic");
}

#[test]
fn a_corrupt_batch_stops_the_cleaner_of_its_partition_and_nothing_is_lost() {
    let place = Place::new();
    let mut log = place.create(compacted());
    append(&mut log, keyed(&[("a", Some("1"))]));
    append(&mut log, keyed(&[("a", Some("2"))]));
    close_segment(&mut log);
    let path = place.dir().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).expect("the segment");
    let last = bytes.len() - 3;
    bytes[last] ^= 0x10;
    write_file(&path, &bytes);
    let error = pass(&mut log, NOW, LIMITS).expect_err("a batch is corrupt");
    assert!(error.contains("00000000000000000000.log") && error.contains("checksum"), "{error}");
    assert_eq!(std::fs::read(&path).expect("the segment"), bytes);
    assert!(!place.names().iter().any(|name| name.ends_with(".cleaned")));
    assert!(pass(&mut log, NOW + DAY_MS, LIMITS).expect("it is left alone").is_none());
    append(&mut log, keyed(&[("b", Some("1"))]));
}

#[test]
fn segments_that_retention_takes_during_a_pass_stay_gone() {
    let place = Place::new();
    let mut log = place.create(LogConfig { delete: true, ..compacted() });
    append(&mut log, keyed(&[("a", Some("1")), ("a", Some("2"))]));
    close_segment(&mut log);
    log.flush().expect("no disk error");
    let job = log.plan_cleaning(NOW, 3).expect("it can be read").expect("it is dirty");
    let result = job.run(LIMITS, &|| false, &mut |cleaned| {
        log.delete_records_before(2, NOW).expect("no disk error");
        log.swap_in(&cleaned, NOW)
    });
    assert!(matches!(result, Err(CleanError::Changed)), "{result:?}");
    assert_eq!((log.start_offset(), offsets(&log)), (2, vec![2]));
    assert!(!place.names().iter().any(|name| name.ends_with(".cleaned")));
}

/// Three segments that become one, and what a consumer sees of them before and after.
fn three_segments(place: &Place) -> Log {
    let mut log = place.create(compacted());
    for value in ["1", "2", "3"] {
        append(&mut log, keyed(&[("a", Some(value)), (value, Some("own"))]));
        log.roll().expect("no disk error");
    }
    append(&mut log, keyed(&[("active", Some("1"))]));
    log.flush().expect("no disk error");
    log
}

#[test]
fn a_kill_at_any_step_of_a_swap_leaves_the_old_segments_or_the_new_one() {
    let (old, new) = (vec![0, 1, 2, 3, 4, 5, 6], vec![1, 3, 4, 5, 6]);
    let mut was_killed = true;
    let mut steps = 0;
    while was_killed {
        // A second kill, while the start finishes the swap.
        for again in [0, 1, 2, 3, 5, 8, 100] {
            let place = Place::new();
            let mut log = three_segments(&place);
            was_killed = killed_pass(&mut log, NOW, LIMITS, Some(steps)).is_err();
            let recovery = killed(&log);
            drop(log);
            die_after(Some(again));
            let second = Log::open(&place.dir(), compacted(), recovery, NOW);
            die_after(None);
            drop(second);
            let (mut log, report) = place.open(compacted(), recovery);
            let is_decided = steps > 2;
            assert_eq!(offsets(&log), if is_decided { new.clone() } else { old.clone() }, "{steps}, {again}");
            assert_eq!(report.truncated_bytes, 0, "{steps}, {again}");
            let left = place.names();
            let is_leftover =
                |name: &String| [".cleaned", ".swap", ".deleted"].iter().any(|end| name.ends_with(end));
            assert!(!left.iter().any(is_leftover), "{steps}, {again}: {left:?}");
            if !is_decided {
                clean(&mut log, NOW);
            }
            assert_eq!((offsets(&log), log.segment_count()), (new.clone(), 2), "{steps}, {again}");
        }
        steps += 1;
    }
    assert!(steps > 10, "every file was renamed: {steps}");
}

/// A generator of the numbers that a seed stands for.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A log, and all that was ever appended to it.
struct Model {
    place: Place,
    log: Option<Log>,
    all: Vec<Entry>,
    sequences: HashMap<i64, i32>,
    now: i64,
    dice: Dice,
    config: LogConfig,
}

impl Model {
    fn new(seed: u64) -> Self {
        let place = Place::new();
        let config = LogConfig { delete_retention_ms: 1_000, ..compacted() };
        let log = Some(place.create(config.clone()));
        Self { place, log, all: Vec::new(), sequences: HashMap::new(), now: NOW, dice: Dice(seed), config }
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().expect("the log is open")
    }

    fn append(&mut self) {
        let producer_id = i64::try_from(self.dice.roll(4)).unwrap() - 1;
        let codec = Compression::ALL[usize::try_from(self.dice.roll(5)).unwrap()];
        let mut entries = Vec::new();
        for _ in 0..=self.dice.roll(4) {
            let offset = i64::try_from(self.all.len() + entries.len()).unwrap();
            let value = (self.dice.roll(4) > 0).then(|| format!("value {offset}"));
            entries.push((offset, format!("key {}", self.dice.roll(12)), value));
        }
        let pairs: Vec<Pair<'_>> =
            entries.iter().map(|(_, key, value)| (key.as_str(), value.as_deref())).collect();
        let mut seal = Seal { compression: codec, ..Seal::default() };
        if producer_id >= 0 {
            let sequence = self.sequences.entry(producer_id).or_insert(0);
            seal = Seal { producer_id, producer_epoch: 0, base_sequence: *sequence, ..seal };
            *sequence += i32::try_from(pairs.len()).unwrap();
        }
        let batch = keyed_with(self.now, &pairs, seal);
        let (now, base) = (self.now, self.all.len());
        let appended = self.log().append(std::slice::from_ref(&batch), 0, now).expect("the sequence fits");
        assert_eq!(appended.base_offset, i64::try_from(base).unwrap());
        let is_retried = self.dice.roll(3) == 0 && producer_id >= 0;
        if is_retried {
            let again = self.log().append(&[batch], 0, now);
            assert!(matches!(again, Err(AppendError::Duplicate(_))), "{again:?}");
        }
        self.all.extend(entries);
    }

    /// Cleans; now and then the broker is killed meanwhile.
    fn clean(&mut self) {
        let buffer_bytes = [1, 1 << 20][usize::try_from(self.dice.roll(2)).unwrap()];
        let kill = (self.dice.roll(4) == 0).then(|| usize::try_from(self.dice.roll(25)).unwrap());
        let now = self.now;
        let result = killed_pass(self.log(), now, CleanLimits { buffer_bytes, ..LIMITS }, kill);
        assert!(result.is_ok() || kill.is_some(), "{result:?}");
        if result.is_err() {
            self.restart();
        }
        self.check();
    }

    fn restart(&mut self) {
        let log = self.log.take().expect("the log is open");
        let mut recovery = killed(&log);
        if !log.is_offline() && self.dice.roll(2) == 0 {
            recovery.clean = true;
            recovery.recovery_point = log.close().expect("no disk error");
        } else {
            drop(log);
            // The checkpoints may be old.
            recovery.recovery_point -=
                i64::try_from(self.dice.roll(20)).unwrap().min(recovery.recovery_point);
            recovery.first_dirty *= i64::try_from(self.dice.roll(2)).unwrap();
        }
        let (log, report) =
            Log::open(&self.place.dir(), self.config.clone(), recovery, self.now).expect("it opens");
        assert_eq!(
            report,
            RecoveryReport { scanned_bytes: report.scanned_bytes, ..RecoveryReport::default() }
        );
        self.log = Some(log);
    }

    fn check(&mut self) {
        let log = self.log.as_ref().expect("the log is open");
        let left = consume(log, 0);
        for entry in &left {
            assert_eq!(entry, &self.all[usize::try_from(entry.0).unwrap()], "a record changed");
        }
        let table = |entries: &[Entry]| {
            let mut table = BTreeMap::new();
            for (_, key, value) in entries {
                table.insert(key.clone(), value.clone());
            }
            table.retain(|_, value| value.is_some());
            table
        };
        assert_eq!(table(&left), table(&self.all), "the last values differ");
        let clean_to = log.first_dirty_offset().unwrap_or(0);
        let mut last = HashMap::new();
        for (offset, key, _) in self.all.iter().filter(|(offset, ..)| *offset < clean_to) {
            last.insert(key, *offset);
        }
        for (offset, key, _) in left.iter().filter(|(offset, ..)| *offset < clean_to) {
            assert_eq!(last.get(key), Some(offset), "a value that was written over is still there");
        }
        for _ in 0..5 {
            let from = i64::try_from(self.dice.roll(self.all.len() as u64 + 1)).unwrap();
            let expected: Vec<_> = left.iter().filter(|(offset, ..)| *offset >= from).cloned().collect();
            assert_eq!(consume(log, from), expected, "from {from}");
        }
    }
}

#[test]
fn a_compacted_log_tells_the_same_last_values_whatever_happens() {
    for seed in 0..20 {
        let seen = std::panic::catch_unwind(|| {
            let mut model = Model::new(seed);
            for _ in 0..150 {
                model.now += i64::try_from(model.dice.roll(300)).unwrap();
                match model.dice.roll(12) {
                    0 | 1 => model.clean(),
                    2 => model.restart(),
                    _ => model.append(),
                }
            }
            model.clean();
        });
        die_after(None);
        assert!(seen.is_ok(), "seed {seed}");
    }
}
