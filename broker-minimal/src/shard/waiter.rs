//! Fetches that found too little, and what comes to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::command::{Fetcher, ReadAt, ReadReply};

/// Whoever waits for partitions to move. The shard in which one moves reads it once more at that moment, so that nobody has
/// to come back and ask: the way to a shard and back costs two threads' wake-ups.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    moved: Notify,
    replies: Mutex<Vec<ReadReply>>,
}

impl Waiter {
    /// Waits until a partition has moved; the answer is what those that did had to give then. It lacks one that is gone.
    /// Cancel safe.
    pub(crate) async fn moved(&self) -> Vec<ReadReply> {
        self.moved.notified().await;
        self.taken()
    }

    /// What those that have moved had to give, and nobody has taken.
    pub(crate) fn taken(&self) -> Vec<ReadReply> {
        std::mem::take(&mut *self.replies())
    }

    fn wake(&self, reply: Option<ReadReply>) {
        self.replies().extend(reply);
        self.moved.notify_one();
    }

    /// A poisoned lock means that a holder panicked; putting and taking do not.
    fn replies(&self) -> MutexGuard<'_, Vec<ReadReply>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiter at one partition, with what it asked there. It is of no use any more once its fetch has been answered.
pub(super) struct Waiting {
    waiter: Weak<Waiter>,
    at: ReadAt,
    fetcher: Option<Fetcher>,
}

impl Waiting {
    pub(super) fn new(waiter: &Arc<Waiter>, at: ReadAt, fetcher: Option<Fetcher>) -> Self {
        // What a follower has was counted when it asked.
        let fetcher = fetcher.map(|fetcher| Fetcher { is_new: false, ..fetcher });
        Self { waiter: Arc::downgrade(waiter), at, fetcher }
    }

    pub(super) fn is_of(&self, waiter: &Arc<Waiter>) -> bool {
        std::ptr::eq(self.waiter.as_ptr(), Arc::as_ptr(waiter))
    }

    /// It is there for what is not committed too.
    pub(super) fn is_followers(&self) -> bool {
        self.fetcher.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiter.strong_count() == 0
    }

    /// Wakes it, with what `read` finds where it asked.
    pub(super) fn wake(&self, read: impl FnOnce(&ReadAt, Option<Fetcher>) -> Option<ReadReply>) {
        if let Some(waiter) = self.waiter.upgrade() {
            waiter.wake(read(&self.at, self.fetcher));
        }
    }
}
