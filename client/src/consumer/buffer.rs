//! What is fetched and not handed out yet, with the cursors it belongs to. Plain data behind the consumer's lock.

use std::collections::VecDeque;

use super::batch::{Chunk, Share};
use super::cursor::Cursors;
use crate::{Error, TopicPartition};

#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) cursors: Cursors,
    pub(super) errors: VecDeque<Error>,
    pub(super) closed: bool,
    chunks: VecDeque<Chunk>,
    size: usize,
    /// Bytes at which no more is fetched.
    limit: usize,
    /// The fetcher stopped because of the limit, and is to be woken.
    held_back: bool,
}

/// What the user gets next.
#[derive(Debug)]
pub(super) enum Next {
    Share { share: Share, index: usize, generation: u32 },
    Failed(Error),
    Nothing,
    Closed,
}

impl Buffer {
    pub(super) fn new(cursors: Cursors, limit: usize) -> Self {
        let (errors, chunks) = (VecDeque::new(), VecDeque::new());
        Self { cursors, errors, closed: false, chunks, size: 0, limit, held_back: false }
    }

    /// Whether there is room for another answer. If not, [`take`](Self::take) says when to go on.
    pub(super) fn has_room(&mut self) -> bool {
        self.held_back = self.size >= self.limit;
        !self.held_back
    }

    pub(super) fn add(&mut self, chunk: Chunk) {
        self.size += chunk.size;
        self.chunks.push_back(chunk);
    }

    /// The next share, and whether the fetcher is to be woken. The position moves behind it.
    pub(super) fn take(&mut self) -> (Next, bool) {
        let next = self.take_next();
        // At half, so that the next answer is there before the rest is used up.
        let wake = self.held_back && self.size <= self.limit / 2;
        self.held_back &= !wake;
        (next, wake)
    }

    fn take_next(&mut self) -> Next {
        if self.closed {
            return Next::Closed;
        }
        if let Some(error) = self.errors.pop_front() {
            return Next::Failed(error);
        }
        while let Some(chunk) = self.chunks.front_mut() {
            let (index, generation) = (chunk.index, chunk.generation);
            let before = chunk.size;
            let share = match self.cursors.current(index, generation) {
                Some(cursor) => match chunk.take_share() {
                    Ok(Some(share)) => {
                        cursor.position = Some(share.next_offset);
                        self.size -= share.size;
                        share
                    }
                    Ok(None) => {
                        self.drop_front();
                        continue;
                    }
                    Err(e) => {
                        self.size -= before - chunk.size;
                        self.drop_front();
                        return Next::Failed(e);
                    }
                },
                None => {
                    self.drop_front();
                    continue;
                }
            };
            return Next::Share { share, index, generation };
        }
        Next::Nothing
    }

    /// Whether more can be taken at once.
    pub(super) fn is_ready(&self) -> bool {
        self.closed || !self.errors.is_empty() || !self.chunks.is_empty()
    }

    /// Goes on elsewhere: what is buffered of the partition is dropped.
    pub(super) fn move_to(&mut self, at: &TopicPartition, offset: i64) -> bool {
        let Some(index) = self.cursors.find(at) else { return false };
        self.cursors.move_to(index, offset);
        self.drop_stale();
        true
    }

    pub(super) fn set_paused(&mut self, at: &TopicPartition, paused: bool) {
        if let Some(index) = self.cursors.find(at) {
            self.cursors.set_paused(index, paused);
            self.drop_stale();
        }
    }

    fn drop_front(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.size -= chunk.size;
        }
    }

    fn drop_stale(&mut self) {
        let cursors = &mut self.cursors;
        self.chunks.retain(|chunk| cursors.current(chunk.index, chunk.generation).is_some());
        self.size = self.chunks.iter().map(|chunk| chunk.size).sum();
    }
}
