//! What compaction keeps of a log: for each key the last value, and tombstones for a while.
//!
//! Pure: `cleaning.rs` reads and writes, `swap.rs` puts the result in its place.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use kinglet_protocol::records::{BatchError, BatchHeader, RecordRef, Records};

/// Bytes of a map's entry: two words of hash, an offset, and what the table keeps beside it.
const ENTRY_BYTES: u64 = 25;

/// The last offset of each key, in memory that is bounded: what does not fit is left for the next round.
#[derive(Debug)]
pub(super) struct OffsetMap {
    /// Secret, so that nobody can make two keys look the same: the older one would be lost.
    seeds: [u64; 2],
    offsets: HashMap<[u64; 2], i64>,
    capacity: usize,
    end: i64,
}

impl OffsetMap {
    /// For records from `start` on, in a table of at most `buffer_bytes`; while it grows the half of that is there twice.
    pub(super) fn new(start: i64, buffer_bytes: u64, seeds: [u64; 2]) -> Self {
        // Tables grow by doubling and are full at seven eighths.
        let buckets = (buffer_bytes / ENTRY_BYTES).max(8);
        let buckets = 1_u64 << buckets.ilog2();
        let capacity = usize::try_from(buckets / 8 * 7).unwrap_or(usize::MAX);
        Self { seeds, offsets: HashMap::new(), capacity, end: start }
    }

    /// Everything before it is in the map.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// There is nothing more before `end`: compaction may have taken the last offsets.
    pub(super) fn complete(&mut self, end: i64) {
        self.end = self.end.max(end);
    }

    /// Takes a batch into the map; `false` when it is full, and ends at the first record that did not fit.
    pub(super) fn add(
        &mut self,
        header: &BatchHeader,
        records: Option<&Records>,
    ) -> Result<bool, BatchError> {
        for record in records.into_iter().flat_map(Records::iter) {
            let record = record?;
            if record.offset < self.end {
                continue;
            }
            let Some(key) = record.key else { continue };
            let hash = self.hash(key);
            if self.offsets.len() >= self.capacity && !self.offsets.contains_key(&hash) {
                self.end = record.offset;
                return Ok(false);
            }
            self.offsets.insert(hash, record.offset);
        }
        self.end = self.end.max(header.next_offset());
        Ok(true)
    }

    /// Whether a later record has the key.
    fn is_written_over(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(&self.hash(key)).is_some_and(|latest| *latest > offset)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.seeds.map(|seed| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(seed);
            hasher.write(key);
            hasher.finish()
        })
    }
}

/// What holds for one pass over a partition.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) now_ms: i64,
    /// `delete.retention.ms`.
    pub(super) delete_retention_ms: i64,
    /// The last offset of each producer that is remembered.
    pub(super) producers: HashMap<i64, i64>,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(super) enum Verdict<'r> {
    /// It stays as it is.
    Untouched,
    /// These records stay; the horizon is set if there is one.
    Retained { kept: Vec<RecordRef<'r>>, horizon: Option<i64> },
    /// Only its header stays: it has the last sequence number of its producer.
    Emptied,
    /// Nothing stays.
    Removed,
}

/// Whether compaction looks into the batch: not into markers, nor into transactions, whose outcome is not known here.
pub(super) fn is_compacted(header: &BatchHeader) -> bool {
    !header.attributes.is_control() && !header.attributes.is_transactional()
}

/// Decides about a batch for which [`is_compacted`] holds.
///
/// A tombstone goes when the horizon of its batch has passed. The horizon is set by the first pass that has the whole batch in
/// its map, which is the one that removes what the tombstones delete.
pub(super) fn judge<'r>(
    header: &BatchHeader,
    records: &'r Records,
    map: &OffsetMap,
    rules: &Rules,
) -> Result<Verdict<'r>, BatchError> {
    let has_horizon = header.attributes.has_delete_horizon();
    let keeps_tombstones = !has_horizon || rules.now_ms < header.base_timestamp;
    let mut kept = Vec::new();
    let mut has_tombstone = false;
    for record in records {
        let record = record?;
        let stays = record.offset >= map.end()
            || record.key.is_some_and(|key| {
                !map.is_written_over(key, record.offset) && (record.value.is_some() || keeps_tombstones)
            });
        if stays {
            has_tombstone |= record.value.is_none();
            kept.push(record);
        }
    }
    if kept.is_empty() {
        let is_producers_last = header.has_producer_id()
            && rules.producers.get(&header.producer_id) == Some(&header.last_offset());
        return Ok(match (is_producers_last, header.record_count) {
            (true, 0) => Verdict::Untouched,
            (true, _) => Verdict::Emptied,
            (false, _) => Verdict::Removed,
        });
    }
    let needs_horizon = has_tombstone && !has_horizon && header.next_offset() <= map.end();
    if kept.len() == records.count() && !needs_horizon {
        return Ok(Verdict::Untouched);
    }
    let horizon = needs_horizon.then(|| rules.now_ms.saturating_add(rules.delete_retention_ms));
    Ok(Verdict::Retained { kept, horizon })
}

/// A closed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) base: i64,
    /// The next segment's base.
    pub(super) end: i64,
    pub(super) size: u64,
}

/// How much of a log waits to be cleaned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dirt {
    /// Bytes that were not looked at yet.
    pub(super) dirty: u64,
    /// Those and the cleaned ones.
    pub(super) total: u64,
}

impl Dirt {
    /// Of segments that may be cleaned, from the first offset that was not.
    pub(super) fn of(parts: &[Part], first_dirty: i64) -> Self {
        let sum = |parts: &mut dyn Iterator<Item = &Part>| parts.map(|part| part.size).sum();
        Self {
            dirty: sum(&mut parts.iter().filter(|part| part.end > first_dirty)),
            total: sum(&mut parts.iter()),
        }
    }

    /// Share of dirty bytes in millionths.
    pub(super) fn ppm(self) -> u32 {
        let ppm = u128::from(self.dirty) * 1_000_000 / u128::from(self.total.max(1));
        u32::try_from(ppm).unwrap_or(u32::MAX)
    }
}

/// Neighbours that become one segment: as many as fit into `segment_bytes` together, and whose offsets an index can hold.
pub(super) fn groups(parts: &[Part], segment_bytes: u32) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut size, mut base) = (0_u64, 0_i64);
    for (index, part) in parts.iter().enumerate() {
        let fits = size.saturating_add(part.size) <= u64::from(segment_bytes)
            && i32::try_from(part.end.saturating_sub(base)).is_ok();
        match groups.last_mut() {
            Some(group) if fits => {
                group.end = index + 1;
                size += part.size;
            }
            Some(_) | None => {
                groups.push(index..index + 1);
                (size, base) = (part.size, part.base);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(base: i64, size: u64) -> Part {
        Part { base, end: base + 10, size }
    }

    #[test]
    fn neighbours_merge_as_long_as_they_fit() {
        let parts: Vec<_> =
            [40, 50, 20, 200, 0, 90].into_iter().zip(0..).map(|(size, i)| part(i * 10, size)).collect();
        assert_eq!(groups(&parts, 100), [0..2, 2..3, 3..4, 4..6]);
        assert!(groups(&[], 100).is_empty());
    }

    #[test]
    fn a_segment_whose_offsets_an_index_cannot_hold_starts_a_group() {
        let far = 10 + i64::from(i32::MAX);
        let parts = [part(0, 1), Part { base: 10, end: far, size: 1 }];
        assert_eq!(groups(&parts, 100), [0..1, 1..2]);
    }

    #[test]
    fn dirt_is_what_ends_behind_the_first_dirty_offset() {
        let parts = [part(0, 300), part(10, 60), part(20, 40)];
        assert_eq!(Dirt::of(&parts, 10), Dirt { dirty: 100, total: 400 });
        assert_eq!(Dirt::of(&parts, 10).ppm(), 250_000);
        assert_eq!(Dirt::of(&parts, 25).dirty, 40, "a segment that was cleaned in part counts");
        assert_eq!(Dirt::of(&parts, 30).ppm(), 0);
        assert_eq!(Dirt::of(&[], 0).ppm(), 0);
    }
}
