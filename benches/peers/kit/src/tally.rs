//! What was read, in figures that cost next to nothing and are the same in any order.

use serde::{Deserialize, Serialize};

/// How many records, how many bytes, and a sum over the first and last eight bytes of every value.
///
/// It costs the same few instructions in every language; a hash over whole values would cost more than the fastest client does.
/// That the bytes in between are right is for the checksums of the batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records.
    pub count: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Of each value the first eight bytes, xor its last eight with their halves swapped, as little-endian numbers; added up.
    pub sum: u64,
}

impl Tally {
    /// Adds a record.
    #[inline]
    pub fn add(&mut self, value: &[u8]) {
        self.count += 1;
        self.bytes += value.len() as u64;
        let first = value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let last = value.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.sum = self.sum.wrapping_add(first ^ last.rotate_left(32));
    }
}
