//! How far the user is with a partition: what was handed out, what is done, and so what may be committed.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Of one partition, for as long as it is assigned without a seek; batches and cursor share it. What is said of batches
/// of an earlier assignment reaches a progress that nobody asks any more.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// How many bytes a compressed one becomes. Before any was seen it may be any number.
    growth: AtomicUsize,
    /// Told when the user gets on, while somebody waits for that.
    watch: Arc<Watch>,
}

/// Who waits until the user is done with what was handed out.
#[derive(Debug, Default)]
pub(super) struct Watch {
    is_watched: AtomicBool,
    news: Notify,
    /// What the user did so far, counted.
    acts: AtomicU64,
    /// The user says itself what is done.
    is_explicit: AtomicBool,
}

/// The offset to commit, with the epoch of the leader that wrote the record before it, -1 if unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
}

#[derive(Debug, Default)]
struct State {
    /// The end of what was handed out.
    handed: Option<i64>,
    done: Option<Done>,
    committed: Option<i64>,
    /// Offsets without records for the user that lie behind what was handed out: done when that is.
    skipped: Option<(i64, i64)>,
    /// Batches that somebody works on.
    out: usize,
    /// Those that are not done: nothing behind the first of them is committed, whatever is done there.
    open: Vec<Open>,
}

/// A batch that was handed out.
#[derive(Debug)]
struct Open {
    /// Its name: where it begins.
    first: i64,
    /// How far it is done.
    at: i64,
    end: i64,
}

impl Progress {
    pub(super) fn new(watch: Arc<Watch>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), growth: AtomicUsize::new(usize::MAX), watch })
    }

    /// After a seek of the user's: what comes next is what is to be committed.
    pub(super) fn at(offset: i64, watch: Arc<Watch>) -> Arc<Self> {
        let progress = Self::new(watch);
        progress.lock().done = Some(Done { offset, leader_epoch: -1 });
        progress
    }

    /// How many bytes a compressed one becomes, as far as is known.
    pub(super) fn growth(&self) -> usize {
        self.growth.load(Ordering::Relaxed).max(1)
    }

    /// Compressed bytes became so many each. Less than before is believed only little by little: the next may be more again.
    pub(super) fn grew(&self, growth: usize) {
        let before = self.growth.load(Ordering::Relaxed);
        let faded = if before == usize::MAX { 0 } else { before - before / 8 };
        self.growth.store(growth.max(faded), Ordering::Relaxed);
    }

    /// A batch goes to the user.
    pub(super) fn hand_out(&self, first: i64, end: i64) {
        let mut state = self.lock();
        state.handed = state.handed.max(Some(end));
        state.out += 1;
        state.open.push(Open { first, at: first, end });
    }

    /// A batch goes to the user, or the front of it: where it will end is not known yet.
    pub(super) fn hand_out_some(&self, first: i64) {
        let mut state = self.lock();
        state.handed = state.handed.max(Some(first));
        state.out += 1;
        state.open.push(Open { first, at: first, end: i64::MAX });
    }

    /// The batch that begins at `first` ends at `end`, as it turns out.
    pub(super) fn reach(&self, first: i64, end: i64) {
        let mut state = self.lock();
        state.handed = state.handed.max(Some(end));
        state.open.iter_mut().filter(|open| open.first == first).for_each(|open| open.end = end);
    }

    /// There was nothing for the user from `from` to `to`.
    pub(super) fn skip(&self, from: i64, to: i64) {
        let mut state = self.lock();
        let first = match state.skipped {
            Some((first, end)) if end == from => first,
            Some(_) | None => from,
        };
        state.skipped = Some((first, to));
        state.catch_up();
    }

    /// Everything before `offset` is done.
    pub(super) fn done(&self, offset: i64, leader_epoch: i32) {
        self.done_of(i64::MIN, offset, leader_epoch);
    }

    /// Of the batch that begins at `first`, everything before `offset` is done.
    pub(super) fn done_of(&self, first: i64, offset: i64, leader_epoch: i32) {
        {
            let mut state = self.lock();
            for open in state.open.iter_mut().filter(|open| open.first >= first && open.first < offset) {
                open.at = open.at.max(offset);
            }
            state.open.retain(|open| open.at < open.end);
            if state.done.is_none_or(|done| done.offset < offset) {
                state.done = Some(Done { offset, leader_epoch });
                state.catch_up();
            }
        }
        self.watch.tell();
    }

    /// Nobody works any more on the batch that begins at `first`. If that is not the user's to say, whoever had it may have
    /// been done with it.
    pub(super) fn give_back(&self, first: i64) {
        {
            let mut state = self.lock();
            state.out = state.out.saturating_sub(1);
            // Whoever panicked was not: that is never passed over, and so handed out again after a restart.
            if !self.watch.is_explicit() && !std::thread::panicking() {
                state.open.retain(|open| open.first != first);
            }
        }
        self.watch.tell();
    }

    /// There was nothing for the user in the batch that begins at `first`.
    pub(super) fn take_back(&self, first: i64) {
        {
            let mut state = self.lock();
            state.out = state.out.saturating_sub(1);
            state.open.retain(|open| open.first != first);
        }
        self.watch.tell();
    }

    /// Nobody works on so many batches any more. What is not done behind `from` is not waited for: it is handed out again.
    pub(super) fn withdraw(&self, batches: usize, from: i64) {
        {
            let mut state = self.lock();
            state.out = state.out.saturating_sub(batches);
            state.open.retain(|open| open.end <= from);
            state.handed = state.done.map(|done| done.offset);
            state.skipped = None;
        }
        self.watch.tell();
    }

    /// Whether the user works on nothing of it.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.is_done() || state.out == 0 && !self.watch.is_explicit()
    }

    /// What is done and not committed yet.
    pub(super) fn to_commit(&self) -> Option<Done> {
        let state = self.lock();
        let done = match (state.done?, state.open.iter().map(|open| open.at).min()) {
            (done, Some(first)) if first < done.offset => Done { offset: first, leader_epoch: -1 },
            (done, _) => done,
        };
        Some(done).filter(|done| state.committed.is_none_or(|committed| committed < done.offset))
    }

    pub(super) fn on_committed(&self, offset: i64) {
        self.lock().committed = Some(offset);
    }

    /// The user says so.
    pub(super) fn done_by_hand(&self, first: i64, offset: i64, leader_epoch: i32) {
        self.watch.be_explicit();
        self.done_of(first, offset, leader_epoch);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_done(&self) -> bool {
        self.open.is_empty()
            && self.handed.is_none_or(|handed| self.done.is_some_and(|done| done.offset >= handed))
    }

    /// What lies behind the last record that is done, and holds none for the user, is done with it.
    fn catch_up(&mut self) {
        let Some((from, to)) = self.skipped else { return };
        let reached = self.handed.is_none() || self.done.is_some_and(|done| done.offset >= from);
        if reached && self.done.is_none_or(|done| done.offset < to) {
            let leader_epoch = self.done.map_or(-1, |done| done.leader_epoch);
            self.done = Some(Done { offset: to, leader_epoch });
            self.skipped = None;
        }
    }
}

impl Watch {
    /// From now on the user's getting on is told to whoever waits in [`news`](Self::news).
    pub(super) fn start(&self) {
        self.is_watched.store(true, Ordering::SeqCst);
    }

    pub(super) fn stop(&self) {
        self.is_watched.store(false, Ordering::SeqCst);
    }

    /// Waits for news; what came since the last wait counts.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// How much the user has done so far: a change is a sign of life.
    pub(super) fn acts(&self) -> u64 {
        self.acts.load(Ordering::Relaxed)
    }

    pub(super) fn act(&self) {
        self.acts.fetch_add(1, Ordering::Relaxed);
    }

    /// The user marks batches as done by itself; what it does not mark is not done.
    pub(super) fn be_explicit(&self) {
        self.is_explicit.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_explicit(&self) -> bool {
        self.is_explicit.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        self.act();
        if self.is_watched.load(Ordering::SeqCst) {
            self.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Arc<Progress> {
        Progress::new(Arc::default())
    }

    fn offset(progress: &Progress) -> Option<i64> {
        progress.to_commit().map(|done| done.offset)
    }

    #[test]
    fn more_growth_is_believed_at_once_and_less_little_by_little() {
        let progress = progress();
        assert_eq!(progress.growth(), usize::MAX, "anything, before it is known");
        let seen = [4, 800, 4, 4, 900].map(|growth| {
            progress.grew(growth);
            progress.growth()
        });
        assert_eq!(seen, [4, 800, 700, 613, 900]);
    }

    #[test]
    fn nothing_is_committed_behind_a_batch_that_somebody_still_works_on() {
        let progress = progress();
        progress.hand_out(0, 10);
        progress.hand_out(10, 20);
        progress.hand_out(20, 30);
        progress.done_of(10, 20, 1);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(0), false));
        progress.done_of(20, 30, 1);
        progress.done_of(0, 4, 1);
        assert_eq!(offset(&progress), Some(4));
        progress.done_of(0, 10, 1);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(30), true));
    }

    #[test]
    fn a_batch_that_turns_out_to_be_shorter_is_done_with_what_there_is() {
        let progress = progress();
        progress.hand_out(0, 10);
        progress.reach(0, 6);
        progress.hand_out(6, 10);
        progress.done_of(0, 6, 1);
        progress.done_of(6, 10, 1);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(10), true));
    }

    #[test]
    fn a_batch_that_is_let_go_is_passed_over_unless_the_user_says_what_is_done() {
        for (explicit, expected) in [(false, Some(20)), (true, Some(0))] {
            let progress = progress();
            if explicit {
                progress.watch.be_explicit();
            }
            progress.hand_out(0, 10);
            progress.hand_out(10, 20);
            progress.give_back(0);
            progress.done_of(10, 20, 1);
            assert_eq!(offset(&progress), expected, "explicit: {explicit}");
        }
    }

    #[test]
    fn what_is_handed_out_is_committed_only_when_it_is_done() {
        let progress = progress();
        progress.hand_out(0, 10);
        assert_eq!((offset(&progress), progress.is_idle()), (None, false));
        progress.done(7, 3);
        assert_eq!(progress.to_commit(), Some(Done { offset: 7, leader_epoch: 3 }));
        progress.done(5, 3);
        assert_eq!(offset(&progress), Some(7), "an older batch takes nothing back");
        progress.on_committed(7);
        assert_eq!(offset(&progress), None, "it is not committed twice");
        progress.done(10, 3);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(10), true));
    }

    #[test]
    fn a_batch_that_is_dropped_unfinished_is_not_waited_for_and_not_committed() {
        let progress = progress();
        progress.hand_out(0, 10);
        progress.give_back(0);
        assert_eq!((offset(&progress), progress.is_idle()), (None, true));
    }

    #[test]
    fn what_is_withdrawn_is_not_waited_for_and_no_marker_behind_it_is_done() {
        let progress = progress();
        progress.watch.be_explicit();
        progress.hand_out(0, 10);
        progress.done(4, 1);
        progress.skip(10, 11);
        assert!(!progress.is_idle());
        progress.withdraw(1, 4);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(4), true));
        progress.hand_out(4, 10);
        progress.skip(10, 11);
        assert_eq!((offset(&progress), progress.is_idle()), (Some(4), false));
    }

    #[test]
    fn markers_behind_the_last_record_are_done_with_it() {
        let progress = progress();
        progress.hand_out(0, 10);
        progress.skip(10, 11);
        progress.skip(11, 12);
        assert_eq!(offset(&progress), None);
        progress.done(10, 1);
        assert_eq!(offset(&progress), Some(12));
    }

    #[test]
    fn a_partition_that_holds_nothing_for_the_user_is_done_at_once() {
        let progress = progress();
        progress.skip(0, 5);
        assert_eq!(offset(&progress), Some(5));
    }

    #[test]
    fn after_a_seek_the_place_itself_is_committed() {
        let progress = Progress::at(4, Arc::default());
        assert_eq!(offset(&progress), Some(4));
    }
}
