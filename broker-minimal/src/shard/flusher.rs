//! Waits for the disk on a thread of its own, so that no append waits behind a flush.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::command::{Command, PartitionId};
use crate::log::FlushJob;

/// Flushes that wait. A log starts no second one while its first runs, so this is a bound on logs, not on bytes.
const QUEUE: usize = 64;

/// One flush and whose it is.
pub(crate) struct Task {
    pub(crate) id: PartitionId,
    pub(crate) job: FlushJob,
}

/// The thread of one shard.
pub(crate) struct Flusher {
    tasks: Option<std::sync::mpsc::SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
    /// Flushes that a test runs when it wants to.
    #[cfg(test)]
    pub(super) held: Option<Vec<Task>>,
}

impl Flusher {
    /// Starts the thread at the first flush: a broker without writes does without it.
    pub(crate) fn new() -> Self {
        Self {
            tasks: None,
            thread: None,
            #[cfg(test)]
            held: None,
        }
    }

    /// Hands a flush over; gives it back when too many wait already.
    pub(crate) fn submit(&mut self, task: Task, shard: &mpsc::WeakSender<Command>) -> Result<(), Task> {
        #[cfg(test)]
        if let Some(held) = &mut self.held {
            held.push(task);
            return Ok(());
        }
        if self.tasks.is_none() {
            self.spawn(shard.clone());
        }
        let Some(tasks) = &self.tasks else { return Err(task) };
        tasks.try_send(task).map_err(|e| match e {
            std::sync::mpsc::TrySendError::Full(task) | std::sync::mpsc::TrySendError::Disconnected(task) => {
                task
            }
        })
    }

    fn spawn(&mut self, shard: mpsc::WeakSender<Command>) {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Task>(QUEUE);
        let run = move || {
            while let Ok(Task { id, job }) = receiver.recv() {
                let result: io::Result<()> = job.run();
                let Some(shard) = shard.upgrade() else { return };
                if shard.blocking_send(Command::Flushed { id, job, result }).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("flusher".to_owned()).spawn(run) {
            Ok(thread) => {
                self.tasks = Some(sender);
                self.thread = Some(thread);
            }
            Err(error) => tracing::warn!(%error, "no thread for background flushes"),
        }
    }

    /// Lets go of the thread; what it still flushes is flushed again when the logs close.
    pub(crate) fn stop(&mut self) -> Option<JoinHandle<()>> {
        self.tasks = None;
        self.thread.take()
    }
}
