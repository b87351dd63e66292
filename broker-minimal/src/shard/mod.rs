//! The shard threads: each owns the partitions that hash to it and does their file work. Nobody else touches a log.

pub(crate) mod cleaner;
mod closing;
pub(crate) mod command;
mod configs;
pub(crate) mod cutting;
mod failures;
mod flusher;
mod flushing;
mod following;
mod leading;
mod opening;
#[cfg(test)]
mod power;
mod reading;
mod replica;
pub(crate) mod sizes;
pub(crate) mod storage;
mod strays;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod ticks;
pub(crate) mod volumes;
mod waiter;
mod worker;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use kinglet_protocol::ErrorCode;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use command::{Command, IsrSink, PartitionId};

/// Commands that wait for a shard. Senders wait when it is full, which slows their clients down and nothing else.
const QUEUE: usize = 1024;

/// A shard is gone: only a panic in its thread does that, and the broker is about to stop.
#[derive(Debug, thiserror::Error)]
#[error("the shard that owns the partition has stopped")]
pub(crate) struct Stopped;

/// What a shard needs the clock for.
#[derive(Debug, Default)]
struct Needs {
    /// Something may run out of time.
    deadlines: AtomicBool,
    /// Something was written.
    flushes: AtomicBool,
}

/// The way to every shard.
#[derive(Debug)]
pub(crate) struct Shards {
    senders: Vec<mpsc::Sender<Command>>,
    /// By shard, set by it.
    needs: Vec<Arc<Needs>>,
    /// Log directories in which a log has failed.
    failed_dirs: watch::Receiver<BTreeSet<PathBuf>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shards {
    /// Starts `count` shards without partitions. What their leaders propose goes to `isr`.
    pub(crate) fn start(count: usize, isr: &IsrSink) -> std::io::Result<Self> {
        let mut senders = Vec::with_capacity(count);
        let mut needs = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        let (failing, failed_dirs) = watch::channel(BTreeSet::new());
        for number in 0..count.max(1) {
            let (sender, commands) = mpsc::channel(QUEUE);
            let own = sender.downgrade();
            let name = format!("shard-{number}");
            let need = Arc::new(Needs::default());
            let worker = worker::Worker::new(own, isr.clone(), failing.clone(), Arc::clone(&need));
            threads.push(std::thread::Builder::new().name(name).spawn(move || worker.run(commands))?);
            senders.push(sender);
            needs.push(need);
        }
        Ok(Self { senders, needs, failed_dirs, threads: Mutex::new(threads) })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.senders.len()
    }

    /// Which shard owns the partition. Partitions of one topic are spread evenly.
    pub(crate) fn index_of(&self, id: PartitionId) -> usize {
        let seed = id.topic.0.first().copied().map_or(0, usize::from);
        (seed + usize::try_from(id.index).unwrap_or(0)) % self.senders.len()
    }

    /// Sends to the owner of `id`, waiting while its queue is full.
    pub(crate) async fn send(&self, id: PartitionId, command: Command) -> Result<(), Stopped> {
        self.send_to(self.index_of(id), command).await
    }

    /// Sends to one shard by its index.
    pub(crate) async fn send_to(&self, index: usize, command: Command) -> Result<(), Stopped> {
        let sender = self.senders.get(index).ok_or(Stopped)?;
        sender.send(command).await.map_err(|_| Stopped)
    }

    /// Sends to the owner of `id` from a thread that may block.
    pub(crate) fn send_blocking(&self, id: PartitionId, command: Command) -> Result<(), Stopped> {
        let sender = self.senders.get(self.index_of(id)).ok_or(Stopped)?;
        sender.blocking_send(command).map_err(|_| Stopped)
    }

    /// Where followers' logs stand, or why that is not said; in any order.
    pub(crate) async fn follower_states(
        &self,
        ids: &[PartitionId],
    ) -> Result<Vec<(PartitionId, Result<command::FollowerState, ErrorCode>)>, Stopped> {
        let mut states = Vec::with_capacity(ids.len());
        for index in 0..self.senders.len() {
            let here = |id: &PartitionId| self.index_of(*id) == index;
            let ids: Vec<PartitionId> = ids.iter().copied().filter(here).collect();
            if !ids.is_empty() {
                let (reply, answer) = oneshot::channel();
                self.send_to(index, Command::FollowerState { ids, reply }).await?;
                states.extend(answer.await.map_err(|_| Stopped)?);
            }
        }
        Ok(states)
    }

    /// Lets every shard do what time asks for. A shard that is too busy to take it gets the next one.
    pub(crate) fn tick(&self, now_ms: i64) {
        self.offer(|| Command::Tick { now_ms });
    }

    /// Lets every shard drop what retention does not keep, as [`Shards::tick`].
    pub(crate) fn retain(&self, now_ms: i64) {
        self.offer(|| Command::Retain { now_ms });
    }

    /// Lets shards look at what may run out of time, as [`Shards::tick`], but only those that have something of the kind.
    pub(crate) fn deadlines(&self) {
        self.offer_where(|needs| &needs.deadlines, || Command::Deadlines);
    }

    /// Lets shards start the flushes that are due, as [`Shards::deadlines`].
    pub(crate) fn flush(&self, now_ms: i64) {
        self.offer_where(|needs| &needs.flushes, || Command::Flush { now_ms });
    }

    fn offer_where(&self, need: fn(&Needs) -> &AtomicBool, command: impl Fn() -> Command) {
        for (sender, _) in
            self.senders.iter().zip(&self.needs).filter(|(_, needs)| need(needs).load(Ordering::Relaxed))
        {
            let _busy = sender.try_send(command());
        }
    }

    fn offer(&self, command: impl Fn() -> Command) {
        for sender in &self.senders {
            let _busy = sender.try_send(command());
        }
    }

    /// Where all partitions stand; for a thread that may block.
    pub(crate) fn checkpoints_blocking(&self) -> Result<Vec<command::Checkpoint>, Stopped> {
        let mut all = Vec::new();
        for sender in &self.senders {
            let (reply, answer) = oneshot::channel();
            sender.blocking_send(Command::Checkpoint { reply }).map_err(|_| Stopped)?;
            all.extend(answer.blocking_recv().map_err(|_| Stopped)?);
        }
        Ok(all)
    }

    /// The log directories in which a log has failed, as it is and becomes.
    pub(crate) fn failed_dirs(&self) -> watch::Receiver<BTreeSet<PathBuf>> {
        self.failed_dirs.clone()
    }

    /// Takes all logs offline that lie in a directory.
    pub(crate) async fn fail_dir(&self, dir: &Path) {
        for index in 0..self.senders.len() {
            // One that has stopped writes nothing any more.
            let _stopped = self.send_to(index, Command::FailDir { dir: dir.to_path_buf() }).await.is_err();
        }
    }

    /// Ends the threads without closing a log: what they still have to do is not done.
    pub(crate) async fn abandon(&self) {
        for index in 0..self.senders.len() {
            let _gone = self.send_to(index, Command::Abandon).await.is_err();
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(|e| e.into_inner()));
        let join = move || threads.into_iter().for_each(|thread| drop(thread.join()));
        let _joined = tokio::task::spawn_blocking(join).await;
    }

    /// Flushes and closes every log, ends the threads, and says where the partitions ended.
    pub(crate) async fn close(&self) -> Vec<command::Checkpoint> {
        let mut ended = Vec::new();
        for index in 0..self.senders.len() {
            let (reply, answer) = oneshot::channel();
            if self.send_to(index, Command::Close { reply }).await.is_ok() {
                ended.extend(answer.await.unwrap_or_default());
            }
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(|e| e.into_inner()));
        let join =
            tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !join.await.unwrap_or(false) {
            tracing::error!("a shard's thread panicked");
        }
        ended
    }
}
