//! Where the newest batches lie, so that readers at the tail cost no system call.
//!
//! Pure. The list covers an unbroken run of batches up to the end of the active segment, or is empty.

use std::collections::VecDeque;

/// As many batches as a fetch at the tail may be behind without looking into the index.
const LIMIT: usize = 64;

/// One batch of the active segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) base_offset: i64,
    pub(super) position: u64,
    pub(super) end: u64,
}

/// The newest batches, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    spots: VecDeque<Spot>,
}

impl Recent {
    pub(super) fn push(&mut self, spot: Spot) {
        if self.spots.len() == LIMIT {
            self.spots.pop_front();
        }
        self.spots.push_back(spot);
    }

    pub(super) fn clear(&mut self) {
        self.spots.clear();
    }

    /// The batch that holds `offset`, which must be before the end of the log.
    pub(super) fn find(&self, offset: i64) -> Option<Spot> {
        let after = self.spots.partition_point(|spot| spot.base_offset <= offset);
        after.checked_sub(1).and_then(|index| self.spots.get(index)).copied()
    }

    /// The end of the whole batches from `from` that fit into `len` bytes; `None` when `from` is not covered.
    pub(super) fn whole_batches(&self, from: u64, len: u64) -> Option<u64> {
        if self.spots.front()?.position > from {
            return None;
        }
        let limit = from.saturating_add(len);
        let fitting = self.spots.partition_point(|spot| spot.end <= limit);
        let end =
            fitting.checked_sub(1).and_then(|index| self.spots.get(index)).map_or(from, |spot| spot.end);
        Some(end.max(from))
    }
}
