//! What must hold after a crash.

use std::collections::BTreeMap;

use kinglet_protocol::records::BatchHeader;
use kinglet_protocol::records::files::OffsetEntry;

use super::reading::{Record, batches_from, read_all, records_of};
use super::workload::{State, config, open_dirs};
use super::*;
use crate::disk::recording;

/// One crash.
pub(super) struct Crash<'c> {
    /// What was answered.
    pub(super) before: &'c State,
    /// What was under way leads here.
    pub(super) next: &'c State,
    pub(super) what: &'static str,
    /// Of the power, and not of the process alone.
    pub(super) is_cut: bool,
    pub(super) mutant: Option<Mutant>,
}

impl Crash<'_> {
    /// Opens what is left, twice: the second time after some appends and a power cut.
    pub(super) fn check(&self, root: &Path, tree: Tree, rng: &mut StdRng) -> Bites {
        let mut bites = Bites::new();
        tree.write_to(root).expect("a directory");
        recording::start(root, tree);
        let Some((dirs, mut log)) = self.open(root) else {
            recording::stop(root);
            return bites;
        };
        let found = read_all(&log);
        self.compare(&log, &found, &mut bites);
        agrees(&log, &found, &[&self.before.epochs, &self.next.epochs].map(Vec::as_slice));
        self.check_producers(&log);
        self.check_checkpoints(&dirs);
        // As a broker does before anything is appended.
        let entry = |offset| OffsetEntry { topic: "words".to_owned(), partition: 0, offset };
        let checkpoints = Checkpoints {
            recovery_points: vec![entry(log.recovery_point())],
            log_starts: log.start_in_segment().map(entry).into_iter().collect(),
            first_dirty: log.first_dirty_offset().map(entry).into_iter().collect(),
            ..Checkpoints::default()
        };
        if self.mutant != Some(Mutant::KeepPoint) {
            dirs.dirs()[0].save(&checkpoints).expect("no disk error");
        }
        // New records of a new leader, as long as those that were lost.
        let (epochs, epoch) = (epochs_of(&log), log.latest_epoch() + 1);
        let (durable, end) = (log.recovery_point(), log.end);
        let mut all = found;
        for (offset, value) in (end..).zip(["w0000001", "w0000002", "w0000003"]) {
            let mut builder = BatchBuilder::new(64);
            builder.push(NOW, Some(b"k1"), Some(value.as_bytes()), &[]);
            let seal = Seal { compression: Compression::None, ..Seal::default() };
            let batch =
                Batch::split(&mut builder.seal(seal).expect("no codec")).expect("valid").expect("one");
            log.append(&[batch], epoch, NOW).expect("a log that was recovered goes on");
            let (key, value) = ("k1".to_owned(), value.to_owned());
            all.insert(offset, Record { epoch, timestamp: NOW, key, value });
        }
        let is_flushed = rng.random_ratio(1, 4);
        if is_flushed {
            log.flush().expect("no disk error");
        }
        let durable = if is_flushed { log.end } else { durable };
        let start = log.start;
        let epochs_after = epochs_of(&log);
        drop((log, dirs));
        let (tree, _) = recording::stop(root);
        tree.after_power_cut(rng, &mut bites).write_to(root).expect("a directory");
        let dirs = open_dirs(root);
        let Some(found) = dirs.scan().expect("a directory").pop() else {
            assert_eq!(durable, 0, "the log is gone");
            return bites;
        };
        let (log, _) = Log::open(&found.path, config(), found.recovery, NOW).expect("the log opens");
        let found = read_all(&log);
        assert!((durable..=end + 3).contains(&log.end), "it ends at {} in {durable}..={}", log.end, end + 3);
        assert_eq!(log.start, start);
        let expected: BTreeMap<i64, Record> = all.range(..log.end).map(|(o, r)| (*o, r.clone())).collect();
        assert_eq!(found, expected, "after the second crash");
        agrees(&log, &found, &[&epochs, &epochs_after]);
        bites
    }

    fn open(&self, root: &Path) -> Option<(LogDirs, Log)> {
        let dirs = open_dirs(root);
        let Some(found) = dirs.scan().expect("a directory").pop() else {
            let may_be_gone = !self.before.exists || (self.is_cut && self.before.durable == 0);
            assert!(may_be_gone, "the partition is gone");
            return None;
        };
        assert_eq!((found.topic.as_str(), found.partition), ("words", 0));
        let may_lack_id = !self.before.exists || (self.is_cut && self.before.durable == 0);
        assert!(found.topic_id == ID || (may_lack_id && found.topic_id.is_zero()), "{found:?}");
        let mut recovery = found.recovery;
        recovery.clean |= self.mutant == Some(Mutant::TrustFiles);
        let (log, _) = Log::open(&found.path, config(), recovery, NOW).expect("the log opens");
        Some((dirs, log))
    }

    fn compare(&self, log: &Log, found: &BTreeMap<i64, Record>, bites: &mut Bites) {
        let (before, next) = (self.before, self.next);
        let least = |of: fn(&State) -> i64| of(before).min(of(next));
        let promised = match self.what {
            // The leader has nothing of what is here: all of it goes.
            "restart at" => 0,
            _ if self.is_cut => least(|state| state.durable),
            _ => least(|state| state.end),
        };
        let most = before.end.max(next.end);
        assert!(
            (promised..=most).contains(&log.end),
            "it ends at {} and not in {promised}..={most}",
            log.end
        );
        if log.end < before.end.min(next.end) {
            *bites.entry("records lost").or_default() += 1;
        }
        let first = if self.what == "restart at" { 0 } else { least(|state| state.start) };
        let starts = first..=before.start.max(next.start);
        assert!(starts.contains(&log.start), "it starts at {} and not in {starts:?}", log.start);
        let either = |offset| before.records.get(offset).or(next.records.get(offset));
        for (offset, record) in found {
            assert_eq!(either(offset), Some(record), "at {offset}");
        }
        // What compaction removes may be there or not; anything else is there up to the end.
        let is_cleaning = self.what == "swap";
        for (offset, record) in before.records.iter().chain(&next.records) {
            let is_sure =
                !is_cleaning || (before.records.contains_key(offset) && next.records.contains_key(offset));
            if is_sure && (log.start..log.end).contains(offset) {
                assert_eq!(found.get(offset), Some(record), "at {offset}");
            }
        }
    }

    /// Each producer is remembered by a batch that it wrote and that was not lost: the newest that is there, or one behind it that
    /// compaction took. A retry of it is recognised.
    fn check_producers(&self, log: &Log) {
        let longer = if self.before.end >= self.next.end { self.before } else { self.next };
        let remembered = log.producers.last_offsets();
        for (id, offset) in &remembered {
            let written = longer
                .batches
                .iter()
                .find(|batch| batch.producer_id == *id && batch.last_offset() == *offset);
            let batch = written.unwrap_or_else(|| panic!("producer {id} did not write up to {offset}"));
            assert!(*offset < log.end, "producer {id} wrote up to {offset}, which was lost");
            let retried = log.producers.check(batch);
            assert!(matches!(retried, Err(ProducerError::Duplicate(_))), "producer {id}: {retried:?}");
        }
        for batch in batches_from(log, log.start) {
            let BatchHeader { producer_id, .. } = *batch.header();
            let last = batch.header().last_offset();
            let newest = remembered.get(&producer_id).copied();
            assert!(
                producer_id < 0 || newest >= Some(last),
                "producer {producer_id}: {newest:?}, not {last}"
            );
        }
    }

    fn check_checkpoints(&self, dirs: &LogDirs) {
        let found = dirs.scan().expect("a directory").remove(0);
        let (before, next) = (&self.before.saved, &self.next.saved);
        let is_one = |found: i64, of: fn(&Checkpoints) -> &Vec<OffsetEntry>| {
            let saved = |saved| of(saved).first().map_or(0, |entry: &OffsetEntry| entry.offset);
            assert!(
                [saved(before), saved(next)].contains(&found),
                "{found}, saved {before:?}, then {next:?}"
            );
        };
        is_one(found.recovery.recovery_point, |saved| &saved.recovery_points);
        is_one(found.recovery.log_start, |saved| &saved.log_starts);
        is_one(found.recovery.first_dirty, |saved| &saved.first_dirty);
        is_one(found.high_watermark, |saved| &saved.high_watermarks);
    }
}

pub(super) fn epochs_of(log: &Log) -> Vec<(i32, i64)> {
    log.epochs.entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect()
}

/// Indexes and epochs say what the batches do.
fn agrees(log: &Log, found: &BTreeMap<i64, Record>, known: &[&[(i32, i64)]]) {
    assert!(log.recovery_point() <= log.end);
    for batch in batches_from(log, log.start) {
        let header = batch.header();
        for offset in header.base_offset.max(log.start)..=header.last_offset() {
            let first = batches_from(log, offset).remove(0);
            assert_eq!(first.header().base_offset, header.base_offset, "what is read at {offset}");
            assert_eq!(log.epoch_of(offset), header.partition_leader_epoch, "the epoch of {offset}");
        }
    }
    let entries = log.epochs.entries();
    let nexts = entries.iter().skip(1).map(|next| next.start_offset).chain([log.end]);
    for (entry, next) in entries.iter().zip(nexts) {
        // Epochs that are read from the batches lack one of which nothing is left, as in Kafka: the one before it goes on then.
        let is_bare = found.range(entry.start_offset..next).next().is_none();
        let is_known = known.iter().any(|known| {
            // Read from the batches, it may begin later by what compaction took.
            let at = entry.start_offset.max(log.start);
            let is_same = |start: i64| start <= at && found.range(start..at).next().is_none();
            known.iter().any(|(epoch, start)| *epoch == entry.epoch && is_same((*start).max(log.start)))
        });
        assert!(is_known || is_bare, "{entry:?}, known {known:?}");
    }
    let times: std::collections::BTreeSet<i64> = found.values().map(|record| record.timestamp).collect();
    for time in times.iter().flat_map(|time| [*time, time + 1]) {
        let answer = log.offset_for_timestamp(time).expect("no disk error").map(|found| found.offset);
        let expected = found.iter().find(|(_, record)| record.timestamp >= time).map(|(offset, _)| *offset);
        assert_eq!(answer, expected, "the first record from {time} on");
    }
    // The newest may lie before the start, in the same segment, or compaction took it and left its batch: then none is told, as by Kafka.
    let batches = batches_from(log, log.start);
    let last = times.last().copied().unwrap_or(-1);
    let has_bare = batches.iter().any(|batch| {
        let is_newest = batch.header().max_timestamp >= last;
        is_newest && records_of(batch).iter().all(|record| record.timestamp < last)
    });
    if log.start_in_segment().is_none() && !has_bare {
        let newest = log.offset_for_max_timestamp().expect("no disk error").map(|found| found.timestamp);
        assert_eq!(newest, times.last().copied());
    }
}
