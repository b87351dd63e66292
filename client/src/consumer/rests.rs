//! What is left of batches that hold more than `max.poll.records`, decompressed and not handed out yet.

use std::collections::{HashSet, VecDeque};

use super::Batch;
use super::buffer::Buffer;

#[derive(Debug, Default)]
pub(super) struct Rests {
    /// The most records of one batch.
    max: Option<usize>,
    /// Partitions of which somebody opens a batch. What lies behind it has to wait, as it may turn out to be too large.
    opening: HashSet<usize>,
    /// With index and generation of the cursor.
    batches: VecDeque<(usize, u32, Batch)>,
}

impl Rests {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.max.is_some()
    }

    pub(super) fn is_open(&self, index: usize) -> bool {
        self.opening.contains(&index)
    }

    pub(super) fn open(&mut self, index: usize) {
        self.opening.insert(index);
    }

    pub(super) fn retain(&mut self, mut is_current: impl FnMut(usize, u32) -> bool) {
        self.batches.retain(|(index, generation, _)| is_current(*index, *generation));
    }
}

impl Buffer {
    /// No batch has more than `max` records from now on.
    pub(super) fn bound(&mut self, max: usize) {
        self.rests.max = Some(max);
    }

    /// The next part of a batch that was too large. The position moves behind it.
    pub(super) fn take_rest(&mut self, only: Option<usize>) -> Option<Batch> {
        let max = self.rests.max?;
        let wanted = |(index, ..): &(usize, u32, Batch)| only.is_none_or(|only| only == *index);
        let place = self.rests.batches.iter().position(wanted)?;
        let (index, generation, batch) = self.rests.batches.remove(place)?;
        let cursor = self.cursors.current(index, generation)?;
        let (front, rest) = batch.split(max);
        cursor.position = Some(front.next_offset());
        front.progress().hand_out(front.first_offset(), front.next_offset());
        if let Some(rest) = rest {
            self.rests.batches.insert(place, (index, generation, rest));
        }
        Some(front)
    }

    /// A share was opened: the part of it that goes to the user. The rest is for whoever asks next, unless the partition was moved
    /// or paused meanwhile: then the position is behind the share already.
    pub(super) fn on_opened(&mut self, index: usize, generation: u32, batch: Option<Batch>) -> Option<Batch> {
        self.rests.opening.remove(&index);
        self.tell();
        let batch = batch?;
        let Some((max, cursor)) = self.rests.max.zip(self.cursors.current(index, generation)) else {
            batch.progress().reach(batch.first_offset(), batch.next_offset());
            return Some(batch);
        };
        let (front, rest) = batch.split(max);
        front.progress().reach(front.first_offset(), front.next_offset());
        if let Some(rest) = rest {
            cursor.position = Some(front.next_offset());
            self.rests.batches.push_back((index, generation, rest));
        }
        Some(front)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::batch::Chunk;
    use super::super::batch::tests::many;
    use super::super::buffer::{Buffer, Next};
    use super::super::cursor::{Ask, Cursors};
    use crate::net::Backoff;
    use crate::{Batch, TopicPartition};

    /// A partition with a batch of five records and one of two, of which batches of two are handed out.
    fn buffer() -> (Buffer, TopicPartition) {
        let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
        let mut cursors = Cursors::new(backoff, Duration::from_secs(60));
        let at = TopicPartition::new("t", 0);
        cursors.add(at.clone(), Ok(0), 1000).unwrap();
        let mut buffer = Buffer::new(cursors, 1 << 20);
        buffer.bound(2);
        for (offset, count) in [(0, 5), (5, 2)] {
            let next = offset + i64::try_from(count).unwrap();
            buffer.cursors.current(0, 0).unwrap().on_answer(7, Some((next, -1)));
            let progress = buffer.cursors.get(0).unwrap().progress.clone();
            buffer.add(Chunk::new(&Ask::from(offset), many(offset, count).freeze(), 7, None, progress));
        }
        (buffer, at)
    }

    fn opened(next: Next) -> Option<Batch> {
        let Next::Share { share, .. } = next else { panic!("{next:?}") };
        share.open(true, &Default::default()).unwrap()
    }

    fn position(buffer: &Buffer) -> Option<i64> {
        buffer.cursors.get(0).unwrap().position
    }

    #[test]
    fn a_batch_that_is_too_large_comes_in_parts_and_nothing_overtakes_it() {
        let (mut buffer, _) = buffer();
        let batch = opened(buffer.take().0);
        assert!(matches!(buffer.take().0, Next::Nothing), "what lies behind waits until it is opened");
        let first = buffer.on_opened(0, 0, batch).unwrap();
        assert_eq!((first.count(), first.next_offset(), position(&buffer)), (2, 2, Some(2)));
        for (count, end) in [(2, 4), (1, 5)] {
            let Next::Rest(part) = buffer.take().0 else { panic!("there is more of it") };
            assert_eq!((part.count(), part.next_offset(), position(&buffer)), (count, end, Some(end)));
        }
        let batch = opened(buffer.take().0);
        assert_eq!(buffer.on_opened(0, 0, batch).unwrap().next_offset(), 7);
        assert!(matches!(buffer.take().0, Next::Nothing));
    }

    #[test]
    fn what_is_left_of_a_batch_goes_with_its_partition_and_is_not_waited_for() {
        let (mut buffer, at) = buffer();
        let batch = opened(buffer.take().0);
        let first = buffer.on_opened(0, 0, batch).unwrap();
        buffer.cursors.watch().be_explicit();
        let (_, progress) = buffer.take_away(&[at]).pop().unwrap();
        assert!(!buffer.has_records() && matches!(buffer.take().0, Next::Nothing));
        assert!(!progress.is_idle());
        first.done();
        assert!(progress.is_idle());
    }

    #[test]
    fn a_pause_fetches_what_is_left_of_a_batch_again() {
        let (mut buffer, at) = buffer();
        let batch = opened(buffer.take().0);
        buffer.on_opened(0, 0, batch).unwrap();
        buffer.set_paused(&at, true);
        assert!(!buffer.has_records());
        assert_eq!(position(&buffer), Some(2));
    }
}
