//! What is fetched and not handed out yet, with the cursors it belongs to. Plain data behind the consumer's lock.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::batch::{Batch, Chunk, Share};
use super::cursor::{Cursor, Cursors};
use super::progress::Progress;
use super::rests::Rests;
use crate::{Error, TopicPartition};

#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) cursors: Cursors,
    pub(super) closed: bool,
    /// What is done is about to be committed: what were handed out now would be repeated by the next member.
    closing: bool,
    /// With the index and generation of the cursor: at most one for each that is current.
    errors: VecDeque<(usize, u32, Error)>,
    chunks: VecDeque<Chunk>,
    pub(super) rests: Rests,
    size: usize,
    /// Bytes at which no more is fetched.
    limit: usize,
    /// The fetcher stopped because of the limit, and is to be woken.
    held_back: bool,
    /// Something changed that somebody may wait for.
    news: bool,
}

/// What the user gets next.
#[derive(Debug)]
pub(super) enum Next {
    Share { share: Share, index: usize, generation: u32 },
    Rest(Batch),
    Failed(Error),
    Nothing,
    Closed,
}

impl Buffer {
    pub(super) fn new(cursors: Cursors, limit: usize) -> Self {
        let (errors, chunks) = (VecDeque::new(), VecDeque::new());
        let rests = Rests::default();
        Self {
            cursors,
            closed: false,
            closing: false,
            errors,
            chunks,
            rests,
            size: 0,
            limit,
            held_back: false,
            news: false,
        }
    }

    /// Hands out nothing any more. It is closed when the group is left: until then whoever asks has to wait.
    pub(super) fn stop(&mut self) {
        self.closing = true;
    }

    /// Whether there is room for another answer. If not, [`take`](Self::take) says when to go on.
    pub(super) fn has_room(&mut self) -> bool {
        self.held_back = self.size >= self.limit;
        !self.held_back
    }

    pub(super) fn add(&mut self, chunk: Chunk) {
        self.size += chunk.size;
        self.news = true;
        self.cursors.on_served(chunk.index);
        self.chunks.push_back(chunk);
    }

    /// Where partitions are read apart, a slow one must not take the room of all.
    pub(super) fn full(&self) -> HashSet<usize> {
        let count = self.cursors.iter().count();
        if count < 2 || !self.cursors.are_claimed() {
            return HashSet::new();
        }
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        self.chunks.iter().for_each(|chunk| *sizes.entry(chunk.index).or_default() += chunk.size);
        let share = self.limit / count;
        sizes.into_iter().filter(|(_, size)| *size >= share).map(|(index, _)| index).collect()
    }

    /// Whether there was something since the last look that somebody may wait for.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Somebody may wait for what changed.
    pub(super) fn tell(&mut self) {
        self.news = true;
    }

    /// Asking for a partition failed. The user hears of it when it lasts, behind what was fetched of it before.
    pub(super) fn fail(&mut self, index: usize, generation: u32, error: Error, now: Instant, unit: f64) {
        self.news = true;
        let told = self.cursors.on_failure(index, generation, error, now, unit);
        self.errors.extend(told.map(|error| (index, generation, error)));
    }

    /// The next share, and whether the fetcher is to be woken. The position moves behind it.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> (Next, bool) {
        self.take_of(None)
    }

    /// As `take`, of one partition only if it is named.
    pub(super) fn take_of(&mut self, only: Option<&TopicPartition>) -> (Next, bool) {
        let only = only.map(|at| self.cursors.find(at));
        let next = match only {
            // It is not assigned any more.
            Some(None) => Next::Nothing,
            Some(Some(index)) => self.take_next(Some(index)),
            None => self.take_next(None),
        };
        let apart = only.is_some();
        // Where an error was, asking goes on once it is taken. Otherwise at half, so that the next answer is there
        // before the rest is used up.
        let wake = matches!(next, Next::Failed(_))
            || apart && matches!(next, Next::Share { .. })
            || self.held_back && self.size <= self.limit / 2;
        self.held_back &= !wake;
        (next, wake)
    }

    fn take_next(&mut self, only: Option<usize>) -> Next {
        if self.closed {
            return Next::Closed;
        }
        if self.closing {
            return Next::Nothing;
        }
        if let Some(error) = self.take_error(only) {
            return Next::Failed(error);
        }
        if let Some(rest) = self.take_rest(only) {
            return Next::Rest(rest);
        }
        loop {
            let rests = &self.rests;
            let place = self.chunks.iter().position(|chunk| {
                only.is_none_or(|index| index == chunk.index) && !rests.is_open(chunk.index)
            });
            let Some((place, chunk)) = place.and_then(|place| Some((place, self.chunks.get_mut(place)?)))
            else {
                return Next::Nothing;
            };
            let (index, generation) = (chunk.index, chunk.generation);
            let share = match self.cursors.current(index, generation) {
                Some(cursor) => match chunk.take_share() {
                    Ok(Some(share)) => {
                        cursor.on_taken(share.next_offset, share.leader_epoch);
                        self.size -= share.size;
                        if share.is_empty() {
                            cursor.progress.skip(share.first_offset, share.next_offset);
                            continue;
                        }
                        if self.rests.is_bounded() {
                            self.rests.open(index);
                            cursor.progress.hand_out_some(share.first_offset);
                        } else {
                            cursor.progress.hand_out(share.first_offset, share.next_offset);
                        }
                        share
                    }
                    Ok(None) => {
                        self.drop_at(place);
                        continue;
                    }
                    Err(e) => {
                        // The position stays in front of the damage, so that nothing is skipped in silence.
                        let first = chunk.first_offset;
                        self.restart(index, first);
                        return Next::Failed(e);
                    }
                },
                None => {
                    self.drop_at(place);
                    continue;
                }
            };
            return Next::Share { share, index, generation };
        }
    }

    fn take_error(&mut self, only: Option<usize>) -> Option<Error> {
        let cursors = &mut self.cursors;
        self.errors.retain(|(index, generation, _)| cursors.current(*index, *generation).is_some());
        let drained = |(index, ..): &(usize, u32, Error)| {
            only.is_none_or(|only| only == *index) && cursors.get(*index).is_some_and(Cursor::is_drained)
        };
        let (index, generation, error) = self.errors.remove(self.errors.iter().position(drained)?)?;
        self.cursors.current(index, generation)?.on_told();
        Some(error)
    }

    /// Whether more can be taken at once.
    pub(super) fn is_ready(&self) -> bool {
        self.closed || !self.errors.is_empty() || self.has_records()
    }

    /// Goes on elsewhere: what is buffered of the partition is dropped.
    pub(super) fn move_to(&mut self, at: &TopicPartition, offset: i64) -> bool {
        let Some(index) = self.cursors.find(at) else { return false };
        self.restart(index, offset);
        true
    }

    /// Whether a partition is still assigned as it was, without a seek since.
    pub(super) fn is_read_by(&self, at: &TopicPartition, progress: &Arc<Progress>) -> bool {
        let cursor = self.cursors.find(at).and_then(|index| self.cursors.get(index));
        cursor.is_some_and(|cursor| Arc::ptr_eq(&cursor.progress, progress))
    }

    /// As [`move_to`](Self::move_to), by the user's wish.
    pub(super) fn seek(&mut self, at: &TopicPartition, offset: i64) -> bool {
        let Some(index) = self.cursors.find(at) else { return false };
        self.cursors.seek(index, offset);
        self.drop_stale();
        true
    }

    /// Takes partitions away: what is buffered of them is never handed out. Of those that were there, how far the user is.
    pub(super) fn take_away(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Vec<(TopicPartition, Arc<Progress>)> {
        let cursors = &mut self.cursors;
        self.news = true;
        let taken = partitions.iter().filter_map(|at| Some((at.clone(), cursors.remove(at)?))).collect();
        self.drop_stale();
        taken
    }

    /// There is no place to read a partition at: the user is to say one.
    pub(super) fn lost_way(&mut self, at: &TopicPartition, error: Error, now: Instant) {
        if let Some(index) = self.cursors.find(at) {
            self.cursors.forget_position(index);
            let generation = self.cursors.get(index).map_or(0, |cursor| cursor.generation);
            self.fail(index, generation, error, now, 0.5);
        }
    }

    /// Whether something waits to be taken by the user.
    pub(super) fn has_records(&self) -> bool {
        !self.chunks.is_empty() || !self.rests.is_empty()
    }

    /// Goes back to what turned out to be damaged, unless the user went elsewhere meanwhile.
    pub(super) fn on_damage(&mut self, index: usize, generation: u32, offset: i64) {
        if self.cursors.current(index, generation).is_some() {
            self.restart(index, offset);
        }
    }

    pub(super) fn set_paused(&mut self, at: &TopicPartition, paused: bool) {
        if let Some(index) = self.cursors.find(at) {
            self.cursors.set_paused(index, paused);
            self.drop_stale();
        }
    }

    fn restart(&mut self, index: usize, offset: i64) {
        self.cursors.move_to(index, offset);
        self.drop_stale();
    }

    fn drop_at(&mut self, place: usize) {
        if let Some(chunk) = self.chunks.remove(place) {
            self.size -= chunk.size;
        }
    }

    /// Drops what a position that was given up has left behind.
    pub(super) fn drop_stale(&mut self) {
        let cursors = &mut self.cursors;
        self.chunks.retain(|chunk| cursors.current(chunk.index, chunk.generation).is_some());
        self.errors.retain(|(index, generation, _)| cursors.current(*index, *generation).is_some());
        self.rests.retain(|index, generation| cursors.current(index, generation).is_some());
        self.size = self.chunks.iter().map(|chunk| chunk.size).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::batch::tests::one;
    use super::super::cursor::Ask;
    use super::*;
    use crate::ErrorKind;
    use crate::metadata::Cluster;
    use crate::net::Backoff;

    #[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
    fn start() -> Instant {
        Instant::now()
    }

    /// A buffer of the partition t-0, read from offset 0.
    fn buffer() -> Buffer {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
        let mut cursors = Cursors::new(backoff, Duration::from_secs(60));
        cursors.add(TopicPartition::new("t", 0), Ok(0), 1000).unwrap();
        Buffer::new(cursors, 1 << 20)
    }

    fn refused() -> Error {
        Error::new(ErrorKind::Broker, "not allowed")
    }

    #[test]
    fn nothing_is_asked_while_an_error_waits_for_the_user() {
        let (mut buffer, now) = (buffer(), start());
        buffer.fail(0, 0, refused(), now, 0.5);
        let later = now + Duration::from_secs(5);
        let asks = buffer.cursors.asks(later, &Cluster::default(), |_| false);
        assert!(!asks.refresh && asks.deadline.is_none());
        let (next, wake) = buffer.take();
        assert!(matches!(next, Next::Failed(_)) && wake);
        assert!(buffer.cursors.asks(later, &Cluster::default(), |_| false).refresh);
    }

    #[test]
    fn a_seek_takes_the_error_of_the_old_position_away() {
        let (mut buffer, now) = (buffer(), start());
        buffer.fail(0, 0, refused(), now, 0.5);
        assert!(buffer.move_to(&TopicPartition::new("t", 0), 9));
        assert!(!buffer.is_ready() && matches!(buffer.take().0, Next::Nothing));
        assert!(buffer.cursors.asks(now, &Cluster::default(), |_| false).refresh, "it is asked for again");
    }

    #[test]
    fn an_error_comes_behind_what_was_fetched_before_it() {
        let (mut buffer, now) = (buffer(), start());
        let ask = Ask::from(0);
        buffer.cursors.current(0, 0).unwrap().on_answer(1, Some((1, -1)));
        let progress = buffer.cursors.get(0).unwrap().progress.clone();
        buffer.add(Chunk::new(&ask, one(0, -1, None).freeze(), 1, None, progress));
        buffer.fail(0, 0, refused(), now, 0.5);
        assert!(matches!(buffer.take().0, Next::Share { .. }));
        assert!(matches!(buffer.take().0, Next::Failed(_)));
        assert!(matches!(buffer.take().0, Next::Nothing));
    }

    #[test]
    fn what_lies_behind_damage_is_not_handed_out_before_the_user_said_so() {
        let mut buffer = buffer();
        let mut bad = one(0, -1, None);
        bad[16] = 9;
        for (offset, bytes) in [(0, bad), (1, one(1, -1, None))] {
            let ask = Ask::from(offset);
            buffer.cursors.current(0, 0).unwrap().on_answer(2, Some((offset + 1, -1)));
            let progress = buffer.cursors.get(0).unwrap().progress.clone();
            buffer.add(Chunk::new(&ask, bytes.freeze(), 2, None, progress));
        }
        assert!(matches!(buffer.take(), (Next::Failed(_), true)));
        assert!(matches!(buffer.take().0, Next::Nothing));
        assert_eq!((buffer.cursors.get(0).unwrap().position, buffer.size), (Some(0), 0));
    }
}
