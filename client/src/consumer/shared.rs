//! What a consumer's handles and its tasks have in common.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::sync::Notify;

use super::batch::{Batch, Trouble};
use super::buffer::{Buffer, Next};
use super::fetch::Settings;
use super::group::Group;
use super::progress::{Progress, Watch};
use super::{Consumer, ConsumerHandle, start};
use crate::client::Core;
use crate::{Error, Result, TopicPartition};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) settings: Settings,
    /// Its connections are its own: a fetch waits.
    pub(super) lane: u64,
    /// The group that it commits for, and is a member of unless its partitions are given.
    pub(super) group: Option<Arc<Group>>,
    buffer: Mutex<Buffer>,
    watch: Arc<Watch>,
    trouble: Trouble,
    /// What ended the membership.
    fatal: OnceLock<Error>,
    handle: OnceLock<Weak<ConsumerHandle>>,
    /// `max.poll.records` is set.
    is_bounded: bool,
    /// Users that wait for records.
    waiting: AtomicUsize,
    /// Wakes the fetching task.
    pub(super) wake: Notify,
    /// Wakes the user.
    pub(super) ready: Notify,
}

/// A user that waits for records.
pub(super) struct Waiting<'a>(&'a Shared);

/// Lasting trouble is told once until the user has heard of it: nobody may ever ask.
const UNTOLD_MAX: usize = 16;

impl Shared {
    pub(super) fn new(core: Arc<Core>, mut buffer: Buffer, group: Option<Arc<Group>>) -> Self {
        let max_poll_records =
            core.config.int32("max.poll.records").and_then(|max| usize::try_from(max).ok());
        max_poll_records.into_iter().for_each(|max| buffer.bound(max));
        Self {
            is_bounded: max_poll_records.is_some(),
            settings: start::settings(&core.config),
            lane: core.lane(),
            group,
            watch: buffer.cursors.watch().clone(),
            buffer: Mutex::new(buffer),
            trouble: Trouble::default(),
            fatal: OnceLock::new(),
            handle: OnceLock::new(),
            waiting: AtomicUsize::new(0),
            wake: Notify::new(),
            ready: Notify::new(),
            core,
        }
    }

    pub(super) fn held_by(&self, handle: &Arc<ConsumerHandle>) {
        // It is set once, where the consumer is made.
        let _ = self.handle.set(Arc::downgrade(handle));
    }

    /// A handle, for the user's listener; `None` once the user has dropped all.
    pub(super) fn consumer(&self) -> Option<Consumer> {
        self.handle.get()?.upgrade().map(Consumer::of)
    }

    /// A poisoned lock means that a holder panicked; the buffer's own steps do not.
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the buffer, then wakes the user if there is something to take.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Buffer) -> T) -> T {
        let mut buffer = self.lock();
        let before = buffer.is_ready();
        let value = work(&mut buffer);
        let news = buffer.take_news() || buffer.is_ready() && !before;
        drop(buffer);
        if news {
            self.ready.notify_waiters();
        }
        value
    }

    pub(super) fn close(&self) {
        self.with(|buffer| buffer.closed = true);
        self.ready.notify_waiters();
        self.wake.notify_one();
    }

    /// Trouble that concerns no single partition.
    pub(super) fn check(&self) -> Result<()> {
        match self.troubles().pop_front().or_else(|| self.fatal.get().cloned()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Waits until `look` finds something; it is asked again whenever something changes. Cancel safe if `look` is.
    pub(super) async fn until<T>(&self, look: impl Fn(&Self) -> Result<Option<T>>) -> Result<T> {
        loop {
            let ready = self.ready.notified();
            tokio::pin!(ready);
            // From here on no news is missed, whatever happens between the look and the wait.
            ready.as_mut().enable();
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            ready.await;
        }
    }

    /// The next batch for the user, of one partition only if it is named.
    pub(super) fn next_of(&self, only: Option<&TopicPartition>) -> Result<Option<Batch>> {
        if only.is_none() {
            self.check()?;
        }
        loop {
            let (next, wake) = self.lock().take_of(only);
            if wake {
                self.wake.notify_one();
            }
            let (share, index, generation) = match next {
                Next::Share { share, index, generation } => (share, index, generation),
                Next::Rest(batch) => return Ok(Some(batch)),
                Next::Failed(error) => return Err(error),
                Next::Nothing | Next::Closed => return Ok(None),
            };
            let (first, end, progress) = (share.first_offset, share.next_offset, share.progress.clone());
            let opened = share.open(self.settings.check_crcs, &self.trouble);
            match opened {
                Ok(Some(batch)) => {
                    if batch.next_offset() < end {
                        // Damage lies behind it; asked for again, it comes first and is told.
                        progress.reach(first, batch.next_offset());
                        self.with(|buffer| buffer.on_damage(index, generation, batch.next_offset()));
                        self.wake.notify_one();
                    }
                    if !self.is_bounded {
                        return Ok(Some(batch));
                    }
                    return Ok(self.with(|buffer| buffer.on_opened(index, generation, Some(batch))));
                }
                Ok(None) => {
                    progress.take_back(first);
                    if self.is_bounded {
                        self.with(|buffer| buffer.on_opened(index, generation, None));
                    }
                }
                Err(error) => {
                    progress.take_back(first);
                    // The position stays in front of the damage, so that nothing is skipped in silence.
                    self.with(|buffer| {
                        buffer.on_damage(index, generation, first);
                        buffer.on_opened(index, generation, None);
                    });
                    self.wake.notify_one();
                    return Err(error);
                }
            }
        }
    }

    fn troubles(&self) -> MutexGuard<'_, VecDeque<Error>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `recv` answers this.
    pub(super) fn tell(&self, error: Error) {
        {
            let mut troubles = self.troubles();
            if troubles.len() < UNTOLD_MAX {
                troubles.push_back(error);
            }
        }
        self.ready.notify_waiters();
    }

    /// Every `recv` answers this from now on.
    pub(super) fn fail(&self, error: Error) {
        // The first reason is the right one.
        let _ = self.fatal.set(error);
        self.ready.notify_waiters();
    }

    /// How far the user is with each partition, those being given up included.
    pub(super) fn progress(&self) -> Vec<(TopicPartition, Arc<Progress>)> {
        let mut all: Vec<_> = self.with(|buffer| {
            buffer.cursors.iter().map(|cursor| (cursor.at.clone(), cursor.progress.clone())).collect()
        });
        all.extend(self.group.iter().flat_map(|group| group.revoking()));
        all
    }

    /// Whether asking for more says that the batch before is done.
    pub(super) fn marks_done(&self) -> bool {
        self.group.is_some() && !self.is_explicit()
    }

    /// From now on the user marks batches as done by itself.
    pub(super) fn be_explicit(&self) {
        self.watch.be_explicit();
    }

    /// The user marks batches as done by itself.
    pub(super) fn is_explicit(&self) -> bool {
        self.watch.is_explicit()
    }

    /// A user waits for records until the answer is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        self.act();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// A sign of life of the user's.
    pub(super) fn act(&self) {
        self.watch.act();
    }

    /// How much the user has done so far: it is alive as long as that grows.
    pub(super) fn activity(&self) -> u64 {
        self.watch.acts()
    }

    /// Whether the next step is the user's: it works on records, or does not take those that are there.
    pub(super) fn owes(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
            && (self.with(|buffer| buffer.has_records()) || !self.owing().is_empty())
    }

    /// The partitions that the user works on.
    pub(super) fn owing(&self) -> Vec<TopicPartition> {
        let busy = self.progress().into_iter().filter(|(_, progress)| !progress.is_idle());
        busy.map(|(at, _)| at).collect()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.act();
    }
}
