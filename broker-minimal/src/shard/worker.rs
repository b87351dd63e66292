//! The shard thread: take a command, ask the core, do the file work, answer.

use std::collections::HashMap;
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use tokio::sync::{Notify, mpsc};

use super::cleaner::Candidate;
use super::command::{
    Append, AppendFailure, Checkpoint, Command, DeleteRecords, FindEpochEnd, FindOffset, FoundOffset,
    NewReplica, OffsetAt, Open, PartitionId, Read, ReadAt, ReadRecords, ReadReply,
};
use super::flusher::{Flusher, Task};
use crate::log::{
    CleanError, FirstBatch, Log, LogError, ReadError, Recovery, RecoveryReport, SegmentStart, TimestampOffset,
};
use crate::replica::partition::{Effect, Partition};

/// Waiters of fetches that ended otherwise are swept out when a partition holds this many, and then twice what was left.
const WAITERS_SWEEP: usize = 64;

/// A partition with everything that belongs to it.
struct Replica {
    topic: String,
    core: Partition,
    log: Log,
    waiters: Vec<Arc<Notify>>,
    sweep_at: usize,
}

/// One shard's state.
struct Worker {
    replicas: HashMap<PartitionId, Replica>,
    /// Partitions of the metadata whose log could not be made yet.
    missing: HashMap<PartitionId, NewReplica>,
    flusher: Flusher,
    own: mpsc::WeakSender<Command>,
}

/// Runs until it is closed or nobody can send any more.
pub(crate) fn run(mut commands: mpsc::Receiver<Command>, own: mpsc::WeakSender<Command>) {
    let mut worker =
        Worker { replicas: HashMap::new(), missing: HashMap::new(), flusher: Flusher::new(), own };
    while let Some(command) = commands.blocking_recv() {
        if let Command::Close { reply } = command {
            // The receiver is gone when the broker gave up waiting; the logs are closed all the same.
            let _gone = reply.send(worker.close(commands));
            return;
        }
        worker.on_command(command);
    }
}

impl Worker {
    fn on_command(&mut self, command: Command) {
        // A closed reply is a client that left: the work is done, nobody needs to know.
        match command {
            Command::Append(append) => self.append(append),
            Command::Read(read) => self.read(read),
            Command::Offset(find) => {
                let found = self.find_offset(&find);
                let _gone = find.reply.send(found);
            }
            Command::Starts(find) => {
                let found = self.find_starts(find.id);
                let _gone = find.reply.send(found);
            }
            Command::EpochEnd(find) => {
                let found = self.find_epoch_end(&find);
                let _gone = find.reply.send(found);
            }
            Command::DeleteRecords(delete) => {
                let start = self.delete_records(&delete);
                let _gone = delete.reply.send(start);
            }
            Command::Open(open) => self.open(*open),
            Command::Configure { id, config } => {
                if let Some(replica) = self.replicas.get_mut(&id) {
                    replica.log.set_config(config);
                }
            }
            Command::Delete { id, done } => {
                self.delete(id);
                let _gone = done.send(());
            }
            Command::Tick { now_ms } => self.tick(now_ms),
            Command::Retain { now_ms } => self.retain(now_ms),
            Command::PlanCleaning { now_ms, reply } => {
                let _gone = reply.send(self.plan_cleaning(now_ms));
            }
            Command::SwapCleaned { id, cleaned, now_ms, reply } => {
                let replica = self.replicas.get_mut(&id).ok_or(CleanError::Changed);
                let _gone = reply.send(replica.and_then(|replica| replica.log.swap_in(&cleaned, now_ms)));
            }
            Command::Cleaned { id, now_ms, result } => {
                if let Some(replica) = self.replicas.get_mut(&id) {
                    replica.log.on_cleaned(result, now_ms);
                }
            }
            Command::Flushed { id, job, result } => {
                // A failure is logged where the log goes offline.
                if let Some(replica) = self.replicas.get_mut(&id) {
                    let _logged = replica.log.on_flushed(&job, result);
                }
            }
            Command::Checkpoint { reply } => {
                let _gone = reply.send(self.checkpoints());
            }
            Command::Close { reply } => {
                let _gone = reply.send(Vec::new());
            }
        }
    }

    fn append(&mut self, append: Append) {
        let Some(replica) = self.replicas.get_mut(&append.id) else {
            let _gone = append.reply.send(Err(AppendFailure::NotHere));
            return;
        };
        let epoch = replica.core.leader_epoch();
        let result = replica.log.append(&append.batches, epoch, append.now_ms);
        let effect = replica.core.on_append(replica.log.end_offset());
        // The reply leaves first: whoever waits for the ack is on the critical path, readers come after.
        let _gone = append.reply.send(result.map_err(AppendFailure::Log));
        if effect == Some(Effect::Progress) {
            replica.waiters.drain(..).for_each(|waiter| waiter.notify_one());
        }
    }

    fn read(&mut self, read: Read) {
        let mut replies = Vec::with_capacity(read.reads.len());
        for at in &read.reads {
            replies.push(self.read_one(at, read.waiter.as_ref()));
        }
        let _gone = read.reply.send(replies);
    }

    fn read_one(&mut self, at: &ReadAt, waiter: Option<&Arc<Notify>>) -> ReadReply {
        let none = |error| ReadReply {
            slot: at.slot,
            high_watermark: -1,
            log_start_offset: -1,
            records: Err(error),
        };
        let Some(replica) = self.replicas.get_mut(&at.id) else {
            return none(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if let Err(error) = replica.core.check_epoch(at.current_leader_epoch) {
            return none(error);
        }
        let records = replica.read(at).map_err(|e: ReadError| e.code());
        let upto = replica.core.high_watermark();
        if let (Ok(ReadRecords::Slice(_)), Some(waiter)) = (&records, waiter) {
            replica.wait(waiter);
        }
        ReadReply {
            slot: at.slot,
            high_watermark: upto,
            log_start_offset: replica.log.start_offset(),
            records,
        }
    }

    fn find_offset(&self, find: &FindOffset) -> Result<FoundOffset, ErrorCode> {
        let replica = self.replicas.get(&find.id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        replica.core.check_epoch(find.current_leader_epoch)?;
        let log = &replica.log;
        let at = |offset: i64| FoundOffset { offset, timestamp: -1, leader_epoch: log.epoch_of(offset) };
        let found = match find.at {
            OffsetAt::Start => return Ok(at(log.start_offset())),
            OffsetAt::End => {
                let epoch = replica.core.leader_epoch();
                return Ok(FoundOffset { leader_epoch: epoch, ..at(replica.core.high_watermark()) });
            }
            OffsetAt::MaxTimestamp => log.offset_for_max_timestamp(),
            OffsetAt::Time(timestamp) => log.offset_for_timestamp(timestamp),
        };
        let found: Option<TimestampOffset> = found.map_err(|e| e.code())?;
        let visible = found.filter(|found| found.offset < replica.core.high_watermark());
        Ok(visible.map_or(FoundOffset { offset: -1, timestamp: -1, leader_epoch: -1 }, |found| FoundOffset {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: found.leader_epoch,
        }))
    }

    fn find_starts(&self, id: PartitionId) -> Result<(Vec<SegmentStart>, i64), ErrorCode> {
        let replica = self.replicas.get(&id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let starts = replica.log.segment_starts().map_err(|e| e.code())?;
        Ok((starts, replica.core.high_watermark()))
    }

    fn find_epoch_end(&self, find: &FindEpochEnd) -> Result<(i32, i64), ErrorCode> {
        let replica = self.replicas.get(&find.id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        replica.core.check_epoch(find.current_leader_epoch)?;
        if find.epoch == replica.core.leader_epoch() {
            // The current epoch is still being written: it ends where the log does.
            return Ok((find.epoch, replica.log.end_offset()));
        }
        Ok(replica.log.epoch_end_offset(find.epoch))
    }

    fn delete_records(&mut self, delete: &DeleteRecords) -> Result<i64, ErrorCode> {
        let replica = self.replicas.get_mut(&delete.id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if !replica.log.config().delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let before = replica.core.delete_before(delete.before)?;
        replica.log.delete_records_before(before, delete.now_ms).map_err(|e| e.code())
    }

    fn open(&mut self, open: Open) {
        let Open { what, recovery, now_ms, reply } = open;
        let result = self.try_open(&what, recovery, now_ms);
        if let Err(error) = &result {
            let (topic, partition) = (&what.topic, what.id.index);
            tracing::error!(topic, partition, %error, "log not opened");
            if recovery.is_none() {
                self.missing.insert(what.id, what);
            }
        }
        let _gone = reply.send(result);
    }

    fn try_open(
        &mut self,
        what: &NewReplica,
        recovery: Option<Recovery>,
        now_ms: i64,
    ) -> Result<RecoveryReport, LogError> {
        let (log, report) = match recovery {
            Some(recovery) => {
                let (log, report) = Log::open(&what.dir, what.config.clone(), recovery, now_ms)?;
                if log.topic_id().is_zero() || log.topic_id() == what.id.topic {
                    (log, report)
                } else {
                    drop(log);
                    (create(what)?, RecoveryReport::default())
                }
            }
            None => (create(what)?, RecoveryReport::default()),
        };
        let core = Partition::leader(what.leader_epoch, log.end_offset());
        let topic = what.topic.clone();
        let replica = Replica { topic, core, log, waiters: Vec::new(), sweep_at: WAITERS_SWEEP };
        self.replicas.insert(what.id, replica);
        Ok(report)
    }

    /// Tries again what could not be made when its topic asked for it.
    fn open_missing(&mut self, now_ms: i64) {
        for (id, what) in std::mem::take(&mut self.missing) {
            match self.try_open(&what, None, now_ms) {
                Ok(_) => tracing::info!(topic = what.topic, partition = id.index, "log opened after all"),
                Err(_) => drop(self.missing.insert(id, what)),
            }
        }
    }

    fn delete(&mut self, id: PartitionId) {
        self.missing.remove(&id);
        let Some(mut replica) = self.replicas.remove(&id) else { return };
        // Fetches that wait look again and learn that the topic is gone.
        replica.waiters.drain(..).for_each(|waiter| waiter.notify_one());
        if let Err(error) = replica.log.delete() {
            tracing::warn!(topic = replica.topic, partition = id.index, %error, "files of a deleted topic stay");
        }
    }

    fn tick(&mut self, now_ms: i64) {
        self.open_missing(now_ms);
        for (&id, replica) in &mut self.replicas {
            // An offline log said so once, when it went.
            let Ok(report) = replica.log.tick(now_ms) else { continue };
            let Some(job) = report.flush else { continue };
            if let Err(Task { job, .. }) = self.flusher.submit(Task { id, job }, &self.own) {
                // All threads are busy or there is none: the log waits itself, which bounds what is not on disk.
                let result = job.run();
                let _logged = replica.log.on_flushed(&job, result);
            }
        }
    }

    fn retain(&mut self, now_ms: i64) {
        for (id, replica) in &mut self.replicas {
            let (topic, partition) = (&replica.topic, id.index);
            match replica.log.retain(now_ms, replica.core.high_watermark()) {
                Ok(0) | Err(LogError::Offline) => {}
                Ok(segments) => {
                    let start = replica.log.start_offset();
                    tracing::info!(topic, partition, segments, start, "retention dropped segments");
                }
                Err(error) => tracing::warn!(topic, partition, %error, "retention failed"),
            }
        }
    }

    /// The dirtiest partition here.
    fn plan_cleaning(&mut self, now_ms: i64) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for (&id, replica) in &mut self.replicas {
            let job = match replica.log.plan_cleaning(now_ms, replica.core.high_watermark()) {
                Ok(Some(job)) => job,
                Ok(None) => continue,
                Err(error) => {
                    let (topic, partition) = (&replica.topic, id.index);
                    tracing::warn!(topic, partition, %error, "log not cleaned: it is served as it is");
                    replica.log.hold_cleaning();
                    continue;
                }
            };
            best = Some(Candidate { id, topic: replica.topic.clone(), job }.or_dirtier(best));
        }
        best
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.replicas
            .iter()
            .map(|(id, replica)| replica.checkpoint(*id, replica.log.recovery_point()))
            .collect()
    }

    fn close(&mut self, mut commands: mpsc::Receiver<Command>) -> Vec<Checkpoint> {
        let flusher = self.flusher.stop();
        // What was accepted before the end is done before the end; later senders learn that we are gone.
        commands.close();
        while let Some(command) = commands.blocking_recv() {
            self.on_command(command);
        }
        if flusher.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the flusher panicked");
        }
        let mut ended = Vec::with_capacity(self.replicas.len());
        for (id, replica) in self.replicas.drain() {
            let mut checkpoint = replica.checkpoint(id, 0);
            match replica.log.close() {
                Ok(end) => {
                    checkpoint.recovery_point = end;
                    ended.push(checkpoint);
                }
                Err(error) => {
                    let (topic, partition) = (&checkpoint.topic, id.index);
                    tracing::error!(topic, partition, %error, "log not closed: the next start recovers it");
                }
            }
        }
        ended
    }
}

impl Replica {
    fn read(&self, at: &ReadAt) -> Result<ReadRecords, ReadError> {
        if at.last_fetched_epoch >= 0 {
            let (epoch, end_offset) = self.log.epoch_end_offset(at.last_fetched_epoch);
            if epoch >= 0 && (epoch < at.last_fetched_epoch || end_offset < at.offset) {
                return Ok(ReadRecords::Diverging { epoch, end_offset });
            }
        }
        let upto = self.core.high_watermark();
        let slice = self.log.read(at.offset, at.max_bytes, upto, FirstBatch::Always)?;
        Ok(ReadRecords::Slice((slice.len > 0).then_some(slice)))
    }

    fn wait(&mut self, waiter: &Arc<Notify>) {
        // A request may name a partition more than once.
        if self.waiters.last().is_some_and(|last| Arc::ptr_eq(last, waiter)) {
            return;
        }
        if self.waiters.len() >= self.sweep_at {
            self.waiters.retain(|waiter| Arc::strong_count(waiter) > 1);
            self.sweep_at = WAITERS_SWEEP.max(self.waiters.len() * 2);
        }
        self.waiters.push(Arc::clone(waiter));
    }

    fn checkpoint(&self, id: PartitionId, recovery_point: i64) -> Checkpoint {
        Checkpoint {
            dir: self.log.dir().parent().map(Into::into).unwrap_or_default(),
            topic: self.topic.clone(),
            index: id.index,
            recovery_point,
            log_start_offset: self.log.start_in_segment(),
            high_watermark: self.core.high_watermark(),
            first_dirty: self.log.first_dirty_offset(),
        }
    }
}

/// Makes a new log. What lies in its place belongs to another topic of that name: it is moved aside, never served and never
/// deleted, because the metadata does not say that it may go.
fn create(what: &NewReplica) -> Result<Log, LogError> {
    if what.dir.exists() {
        let aside = what.dir.with_extension(format!("{}-stray", what.id.topic));
        tracing::warn!(from = %what.dir.display(), to = %aside.display(), "files of another topic moved aside");
        std::fs::rename(&what.dir, &aside)
            .map_err(|source| LogError::Disk { path: what.dir.clone(), source })?;
    }
    Log::create(&what.dir, what.id.topic, what.config.clone())
}
