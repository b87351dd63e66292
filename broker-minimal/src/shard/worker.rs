//! The shard thread: take a command, ask the core, do the file work, answer.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::Needs;
use super::cleaner::Candidate;
use super::closing;
use super::command::{Checkpoint, Command, IsrSink, NewReplica, PartitionId};
use super::flusher::Flusher;
use super::replica::Replica;
use crate::clock;
use crate::log::{CleanError, LogError};
use crate::replica::Effect;

/// One shard's state.
pub(super) struct Worker {
    pub(super) replicas: HashMap<PartitionId, Replica>,
    /// Partitions of the metadata whose log could not be made yet.
    pub(super) missing: HashMap<PartitionId, NewReplica>,
    /// Partitions that time may change: acks that wait, followers that have not everything.
    pub(super) watched: Vec<PartitionId>,
    /// Partitions with records that no flush was started for.
    pub(super) unflushed: Vec<PartitionId>,
    /// What the clock has to look at.
    pub(super) needs: Arc<Needs>,
    /// Where the ISRs that leaders want go.
    pub(super) isr: IsrSink,
    /// Log directories in which a log has failed.
    failed_dirs: watch::Sender<BTreeSet<PathBuf>>,
    /// Empty between commands; kept for its memory.
    pub(super) effects: Vec<Effect>,
    pub(super) flusher: Flusher,
    pub(super) own: mpsc::WeakSender<Command>,
}

impl Worker {
    pub(super) fn new(
        own: mpsc::WeakSender<Command>,
        isr: IsrSink,
        failed_dirs: watch::Sender<BTreeSet<PathBuf>>,
        needs: Arc<Needs>,
    ) -> Self {
        Self {
            replicas: HashMap::new(),
            missing: HashMap::new(),
            watched: Vec::new(),
            unflushed: Vec::new(),
            needs,
            isr,
            failed_dirs,
            effects: Vec::new(),
            flusher: Flusher::new(),
            own,
        }
    }

    /// Runs until it is closed or nobody can send any more.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            if let Command::Close { reply } = command {
                // The receiver is gone when the broker gave up waiting; the logs are closed all the same.
                let _gone = reply.send(self.close(commands));
                return;
            }
            if matches!(command, Command::Abandon) {
                return;
            }
            self.on_command(command);
        }
    }

    pub(super) fn on_command(&mut self, command: Command) {
        // A closed reply is a client that left: the work is done, nobody needs to know.
        match command {
            Command::Append(append) => self.append(append),
            Command::AppendFollower(append) => self.append_follower(append),
            Command::Truncate(truncate) => self.truncate(truncate),
            Command::FollowerState { ids, reply } => {
                let _gone = reply.send(self.follower_states(ids));
            }
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
            Command::Producers { id, reply } => {
                let _gone = reply.send(self.producers(id));
            }
            Command::DeleteRecords(delete) => self.delete_records(delete),
            Command::Open(open) => self.open(*open),
            Command::Configure { id, config, settings } => {
                if let Some(replica) = self.replicas.get_mut(&id) {
                    replica.log.set_config(config);
                    replica.core.set_settings(settings, clock::now(), &mut self.effects);
                    replica.carry_out(id, &mut self.effects, &self.isr);
                }
                self.watch(id);
            }
            Command::Lead { id, state, eligible } => self.on_image(id, &state, &eligible),
            Command::Follow { id, state } => self.on_image(id, &state, &[]),
            Command::IsrAnswered { id, partition_epoch, result } => {
                self.isr_answered(id, partition_epoch, result);
            }
            Command::Delete { id, done } => {
                self.delete(id);
                let _gone = done.send(());
            }
            Command::Tick { now_ms } => self.tick(now_ms),
            Command::Flush { now_ms } => self.flush(now_ms),
            Command::Deadlines => self.deadlines(),
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
                    self.note_unflushed(id);
                }
            }
            Command::FailDir { dir } => self.fail_dir(&dir),
            Command::Checkpoint { reply } => {
                let _gone = reply.send(self.checkpoints());
            }
            Command::Sizes { reply } => {
                let _gone = reply.send(self.sizes());
            }
            // Only behind a command to close, when nothing is left to be abandoned.
            Command::Abandon => {}
            Command::Close { reply } => {
                let _gone = reply.send(Vec::new());
            }
        }
    }

    fn tick(&mut self, now_ms: i64) {
        self.open_missing(now_ms);
        for id in &self.watched {
            if let Some(replica) = self.replicas.get_mut(id) {
                replica.forget_gone();
            }
        }
        for replica in self.replicas.values_mut() {
            // An offline log said so once, when it went.
            let _logged = replica.log.tick(now_ms);
        }
        self.tell_failures();
    }

    /// Says in which directories logs have failed.
    fn tell_failures(&self) {
        let failed = self.replicas.values().filter(|replica| replica.log.is_offline());
        let dirs: BTreeSet<PathBuf> =
            failed.filter_map(|replica| replica.log.dir().parent()).map(Into::into).collect();
        if !dirs.is_empty() {
            self.failed_dirs.send_if_modified(|known| {
                let before = known.len();
                known.extend(dirs);
                known.len() > before
            });
        }
    }

    fn fail_dir(&mut self, dir: &Path) {
        for replica in self.replicas.values_mut().filter(|replica| replica.log.dir().parent() == Some(dir)) {
            replica.log.fail_with_dir();
            replica.wake_all();
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
        let flushers = self.flusher.stop();
        // What was accepted before the end is done before the end; later senders learn that we are gone.
        commands.close();
        while let Some(command) = commands.blocking_recv() {
            self.on_command(command);
        }
        if flushers.into_iter().any(|thread| thread.join().is_err()) {
            tracing::error!("a flusher panicked");
        }
        let closing = self.replicas.drain().map(|(id, mut replica)| {
            replica.dismiss();
            (replica.checkpoint(id, 0), replica.log)
        });
        closing::close_all(closing.collect())
    }
}
