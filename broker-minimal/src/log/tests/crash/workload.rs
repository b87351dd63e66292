//! What happens to a log before it crashes.

use std::collections::BTreeMap;

use kinglet_protocol::records::BatchHeader;
use kinglet_protocol::records::files::OffsetEntry;

use super::check::epochs_of;
use super::reading::{Record, read_all, records_of};
use super::*;
use crate::disk::recording;

/// Steps of one run.
const STEPS: usize = 60;
const KEYS: u64 = 6;
const PRODUCERS: i64 = 3;
pub(super) const LIMITS: CleanLimits = CleanLimits { buffer_bytes: 1 << 20, seeds: [3, 5] };

pub(super) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        index_interval_bytes: 120,
        retention_bytes: 2_500,
        retention_ms: -1,
        compact: true,
        min_cleanable_dirty_ppm: 0,
        file_delete_delay_ms: 100,
        ..LogConfig::default()
    }
}

/// What was answered so far.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) exists: bool,
    /// By offset.
    pub(super) records: BTreeMap<i64, Record>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// Everything before it was flushed.
    pub(super) durable: i64,
    pub(super) saved: Checkpoints,
    pub(super) epochs: Vec<(i32, i64)>,
    /// Every batch of a producer that is or was in this log, but for those that were cut off.
    pub(super) batches: Vec<BatchHeader>,
}

/// The state after so many operations, and what led to it.
pub(super) struct Mark {
    pub(super) steps: usize,
    pub(super) what: &'static str,
    pub(super) state: State,
}

pub(super) struct Workload {
    root: PathBuf,
    mutant: Option<Mutant>,
    rng: StdRng,
    dirs: Option<LogDirs>,
    log: Option<Log>,
    flush: Option<FlushJob>,
    state: State,
    marks: Vec<Mark>,
    bites: Bites,
    now: i64,
    epoch: i32,
    /// What is committed: never cut off, and only this is compacted or dropped.
    committed: i64,
    written: u64,
    sequences: BTreeMap<i64, i32>,
}

impl Workload {
    /// Everything that was done to the disk, and where it stood after each step.
    pub(super) fn run(seed: u64, root: &Path, mutant: Option<Mutant>) -> (Vec<Op>, Vec<Mark>, Bites) {
        Tree::default().write_to(root).expect("an empty directory");
        recording::start(root, Tree::default());
        let mut workload = Self {
            root: root.to_owned(),
            mutant,
            rng: StdRng::seed_from_u64(seed),
            dirs: None,
            log: None,
            flush: None,
            state: State::default(),
            marks: Vec::new(),
            bites: Bites::new(),
            now: NOW,
            epoch: 0,
            committed: 0,
            written: 0,
            sequences: BTreeMap::new(),
        };
        workload.mark("nothing");
        workload.dirs = Some(open_dirs(root));
        workload.mark("format");
        workload.log = Some(Log::create(&root.join("words-0"), ID, config()).expect("a new log"));
        workload.state.exists = true;
        workload.mark("create");
        for _ in 0..STEPS {
            workload.now += workload.rng.random_range(0..40);
            workload.step();
        }
        let (_, ops) = recording::stop(root);
        (ops, workload.marks, workload.bites)
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().expect("the log is open")
    }

    fn mark(&mut self, what: &'static str) {
        if let Some(log) = &self.log {
            let state = &mut self.state;
            (state.start, state.end, state.durable) = (log.start, log.end, log.recovery_point());
            state.epochs = epochs_of(log);
        }
        *self.bites.entry(what).or_default() += 1;
        self.marks.push(Mark { steps: recording::steps(&self.root), what, state: self.state.clone() });
    }

    fn step(&mut self) {
        let now = self.now;
        let end = self.log().end;
        if self.rng.random() {
            let ends = self.state.batches.iter().map(BatchHeader::next_offset);
            let later: Vec<i64> = ends.filter(|end| *end > self.committed).collect();
            let steps = self.rng.random_range(0..=later.len());
            self.committed = steps.checked_sub(1).map_or(self.committed, |last| later[last]);
        }
        match self.rng.random_range(0..100) {
            0..40 => self.append(),
            40..48 => self.copy(),
            48..56 => {
                self.log().flush().expect("no disk error");
                self.mark("flush");
            }
            56..68 => self.background(),
            68..74 => {
                let to = self.rng.random_range(self.committed..=end);
                self.log().truncate_to(to).expect("no disk error");
                self.cut();
                self.save();
                self.mark("truncate");
                self.epoch += 1;
            }
            74..75 => {
                let to = end + 3;
                self.log().restart_at(to).expect("no disk error");
                self.committed = to;
                self.cut();
                self.save();
                self.mark("restart at");
            }
            75..79 => {
                let hw = self.committed;
                if self.log().retain(now, hw).expect("no disk error") > 0 {
                    self.mark("retain");
                }
            }
            79..82 => {
                let (start, hw) = (self.log().start, self.committed);
                let before = self.rng.random_range(start..=hw.max(start));
                self.log().delete_records_before(before, now).expect("no disk error");
                self.save();
                self.mark("delete records");
            }
            82..88 => self.clean(),
            88..91 => {
                self.save();
                self.mark("save");
            }
            91..95 => {
                self.epoch += 1;
                let epoch = self.epoch;
                self.log().begin_epoch(epoch).expect("no disk error");
                self.mark("epoch");
            }
            95..97 => self.stop(),
            _ => {
                (self.log, self.flush, self.dirs) = (None, None, None);
                self.start();
                self.mark("kill");
            }
        }
    }

    fn batch(&mut self) -> Batch {
        let count = self.rng.random_range(1..3);
        let mut builder = BatchBuilder::new(64);
        for _ in 0..count {
            let key = format!("k{}", self.rng.random_range(0..KEYS));
            let timestamp = self.now - self.rng.random_range(0..3) * 10;
            builder.push(
                timestamp,
                Some(key.as_bytes()),
                Some(format!("v{:07}", self.written).as_bytes()),
                &[],
            );
            self.written += 1;
        }
        let producer_id = self.rng.random_range(-1..PRODUCERS);
        let seal = match producer_id {
            -1 => Seal { compression: Compression::None, ..Seal::default() },
            _ => {
                let sequence = self.sequences.entry(producer_id).or_default();
                let base_sequence = *sequence;
                *sequence += count;
                Seal {
                    compression: Compression::None,
                    producer_id,
                    producer_epoch: 0,
                    base_sequence,
                    ..Seal::default()
                }
            }
        };
        let mut bytes = builder.seal(seal).expect("no codec");
        Batch::split(&mut bytes).expect("a valid batch").expect("one batch")
    }

    fn append(&mut self) {
        let count = self.rng.random_range(1..4);
        let batches: Vec<Batch> = (0..count).map(|_| self.batch()).collect();
        let (epoch, now) = (self.epoch, self.now);
        let before = self.log().end;
        self.log().append(&batches, epoch, now).expect("what fits is taken");
        self.wrote(before, batches, epoch);
        self.mark("append");
    }

    fn wrote(&mut self, mut offset: i64, batches: Vec<Batch>, epoch: i32) {
        for batch in batches {
            let header =
                BatchHeader { base_offset: offset, partition_leader_epoch: epoch, ..*batch.header() };
            self.state.batches.push(header);
            for record in records_of(&batch) {
                self.state.records.insert(offset, Record { epoch, ..record });
                offset += 1;
            }
        }
    }

    /// What another leader wrote.
    fn copy(&mut self) {
        if self.rng.random_ratio(1, 3) {
            self.epoch += 1;
        }
        let (epoch, now) = (self.epoch, self.now);
        let end = self.log().end;
        let mut offset = end;
        let mut copies = Vec::new();
        let count = self.rng.random_range(1..4);
        let batches: Vec<Batch> = (0..count).map(|_| self.batch()).collect();
        for batch in &batches {
            let header =
                BatchHeader { base_offset: offset, partition_leader_epoch: epoch, ..*batch.header() };
            let mut bytes = batch.bytes().to_vec();
            header.write(bytes.first_chunk_mut().expect("a header"));
            offset = header.next_offset();
            copies.push(Batch::split(&mut Bytes::from(bytes)).expect("a valid batch").expect("one batch"));
        }
        self.log().append_as_follower(&copies, now).expect("what continues is taken");
        self.wrote(end, batches, epoch);
        self.mark("copy");
    }

    /// A flush as the broker does it: it begins, others things happen, and it ends.
    fn background(&mut self) {
        match self.flush.take() {
            Some(job) => {
                let result = job.run();
                self.log().on_flushed(&job, result).expect("no disk error");
                self.mark("flush ends");
            }
            None => {
                self.now += 100;
                let now = self.now;
                self.log().tick(now).expect("the log is online");
                if self.log().is_flush_due(now) {
                    self.flush = Some(self.log().start_flush().expect("the log is online"));
                    self.mark("flush begins");
                }
            }
        }
    }

    fn clean(&mut self) {
        let now = self.now;
        // A producer's last batch is not compacted, but the one before is: the last must not be cut off then.
        self.committed = self.log().end;
        let hw = self.committed;
        let Some(job) = self.log().plan_cleaning(now, hw).expect("the log can be read") else { return };
        let result = job.run(LIMITS, &|| false, &mut |cleaned| {
            self.log().swap_in(&cleaned, now)?;
            self.state.records = read_all(self.log());
            self.mark("swap");
            Ok(())
        });
        self.log().on_cleaned(Ok(result.expect("no disk error")), now);
        self.mark("clean");
    }

    /// The log was cut.
    fn cut(&mut self) {
        let end = self.log().end;
        self.state.records.retain(|offset, _| *offset < end);
        self.state.batches.retain(|batch| batch.last_offset() < end);
        // Producers go on where their last batch ended that the log remembers.
        let remembered = self.log().producers.last_offsets();
        self.sequences.clear();
        for batch in &self.state.batches {
            if remembered.get(&batch.producer_id) == Some(&batch.last_offset()) {
                self.sequences.insert(batch.producer_id, batch.last_sequence() + 1);
            }
        }
    }

    fn save(&mut self) {
        let log = self.log.as_ref().expect("the log is open");
        let recovery_point = match self.mutant {
            Some(Mutant::ClaimUnflushed) => log.end,
            _ => log.recovery_point(),
        };
        self.save_as(recovery_point);
    }

    fn save_as(&mut self, recovery_point: i64) {
        let log = self.log.as_ref().expect("the log is open");
        let entry = |offset| OffsetEntry { topic: "words".to_owned(), partition: 0, offset };
        let checkpoints = Checkpoints {
            recovery_points: vec![entry(recovery_point)],
            log_starts: log.start_in_segment().map(entry).into_iter().collect(),
            high_watermarks: vec![entry(self.committed)],
            first_dirty: log.first_dirty_offset().map(entry).into_iter().collect(),
        };
        self.dirs.as_ref().expect("the directory is locked").dirs()[0]
            .save(&checkpoints)
            .expect("no disk error");
        self.state.saved = checkpoints;
    }

    fn stop(&mut self) {
        self.flush = None;
        self.save();
        // What is saved before the end is under way while the logs close.
        self.mark("save");
        let log = self.log.take().expect("the log is open");
        let (start, first_dirty) = (log.start_in_segment(), log.first_dirty_offset());
        let end = log.close().expect("no disk error");
        self.state.durable = end;
        self.mark("close");
        let entry = |offset| OffsetEntry { topic: "words".to_owned(), partition: 0, offset };
        let checkpoints = Checkpoints {
            recovery_points: vec![entry(end)],
            log_starts: start.map(entry).into_iter().collect(),
            high_watermarks: vec![entry(self.committed)],
            first_dirty: first_dirty.map(entry).into_iter().collect(),
        };
        let dirs = self.dirs.take().expect("the directory is locked");
        dirs.dirs()[0].save(&checkpoints).expect("no disk error");
        self.state.saved = checkpoints;
        self.mark("close");
        dirs.dirs()[0].mark_clean(7).expect("no disk error");
        drop(dirs);
        self.mark("clean stop");
        self.start();
        self.mark("start");
    }

    fn start(&mut self) {
        let dirs = open_dirs(&self.root);
        let found = dirs.scan().expect("a directory").remove(0);
        let (log, _) = Log::open(&found.path, config(), found.recovery, self.now).expect("the log opens");
        assert_eq!(log.end, self.state.end, "a process that ends loses nothing");
        (self.dirs, self.log) = (Some(dirs), Some(log));
        self.cut();
    }
}

pub(super) fn open_dirs(root: &Path) -> LogDirs {
    LogDirs::open(&[root.to_owned()], 1, Some("cluster"), || ID).expect("it is ours")
}
