//! Waits for the disk on threads of its own, so that no append waits behind a flush.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::command::{Command, PartitionId};
use crate::log::FlushJob;

/// Flushes that wait. A log starts no second one while its first runs, so this is a bound on logs, not on bytes.
const QUEUE: usize = 64;
/// Threads of one shard, the second and later ones only once its queue was full: where thousands of partitions are written to, the
/// journal of a file system takes what several wait for in one turn.
const THREADS: usize = 4;

/// One flush and whose it is.
pub(crate) struct Task {
    pub(crate) id: PartitionId,
    pub(crate) job: FlushJob,
}

/// What waits, for whichever thread is free.
type Tasks = Arc<Mutex<Receiver<Task>>>;

/// The threads of one shard.
pub(crate) struct Flusher {
    queue: Option<(SyncSender<Task>, Tasks)>,
    threads: Vec<JoinHandle<()>>,
    /// Flushes that a test runs when it wants to.
    #[cfg(test)]
    pub(super) held: Option<Vec<Task>>,
}

impl Flusher {
    /// Starts a thread at the first flush: a broker without writes does without it.
    pub(crate) fn new() -> Self {
        Self {
            queue: None,
            threads: Vec::new(),
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
        if self.threads.is_empty() {
            self.spawn(shard.clone());
        }
        let Some((tasks, _)) = self.queue.as_ref().filter(|_| !self.threads.is_empty()) else {
            return Err(task);
        };
        match tasks.try_send(task) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(task)) => {
                if self.threads.len() < THREADS {
                    self.spawn(shard.clone());
                }
                Err(task)
            }
            Err(TrySendError::Disconnected(task)) => Err(task),
        }
    }

    fn spawn(&mut self, shard: mpsc::WeakSender<Command>) {
        let (_, tasks) = self.queue.get_or_insert_with(|| {
            let (sender, receiver) = std::sync::mpsc::sync_channel(QUEUE);
            (sender, Arc::new(Mutex::new(receiver)))
        });
        let tasks = Arc::clone(tasks);
        let run = move || {
            while let Some(Task { id, job }) = next(&tasks) {
                let result: io::Result<()> = job.run();
                let Some(shard) = shard.upgrade() else { return };
                if shard.blocking_send(Command::Flushed { id, job, result }).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("flusher".to_owned()).spawn(run) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::warn!(%error, "no thread for background flushes"),
        }
    }

    /// Lets go of the threads; what they still flush is flushed again when the logs close.
    pub(crate) fn stop(&mut self) -> Vec<JoinHandle<()>> {
        self.queue = None;
        std::mem::take(&mut self.threads)
    }
}

/// The next flush; none when no more will come. One thread waits for it at a time.
fn next(tasks: &Mutex<Receiver<Task>>) -> Option<Task> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
