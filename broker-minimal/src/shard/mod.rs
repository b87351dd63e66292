//! The shard threads: each owns the partitions that hash to it and does their file work. Nobody else touches a log.

pub(crate) mod cleaner;
pub(crate) mod command;
mod flusher;
pub(crate) mod storage;
mod worker;

use std::sync::Mutex;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

pub(crate) use command::{Command, PartitionId};

/// Commands that wait for a shard. Senders wait when it is full, which slows their clients down and nothing else.
const QUEUE: usize = 1024;

/// A shard is gone: only a panic in its thread does that, and the broker is about to stop.
#[derive(Debug, thiserror::Error)]
#[error("the shard that owns the partition has stopped")]
pub(crate) struct Stopped;

/// The way to every shard.
#[derive(Debug)]
pub(crate) struct Shards {
    senders: Vec<mpsc::Sender<Command>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shards {
    /// Starts `count` shards without partitions.
    pub(crate) fn start(count: usize) -> std::io::Result<Self> {
        let mut senders = Vec::with_capacity(count);
        let mut threads = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let (sender, commands) = mpsc::channel(QUEUE);
            let own = sender.downgrade();
            let name = format!("shard-{number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || worker::run(commands, own))?);
            senders.push(sender);
        }
        Ok(Self { senders, threads: Mutex::new(threads) })
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

    /// Lets every shard do what time asks for. A shard that is too busy to take it gets the next one.
    pub(crate) fn tick(&self, now_ms: i64) {
        self.offer(|| Command::Tick { now_ms });
    }

    /// Lets every shard drop what retention does not keep, as [`Shards::tick`].
    pub(crate) fn retain(&self, now_ms: i64) {
        self.offer(|| Command::Retain { now_ms });
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
