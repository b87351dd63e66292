//! Which batches get index entries: as Kafka decides it, so that its tools find what they expect.
//!
//! Pure: where the entries go is the caller's affair.

use kinglet_protocol::records::files::{OffsetIndexEntry, TimeIndexEntry};

use super::scan::Found;

/// The largest timestamp of a segment and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Newest {
    /// -1: no record has one.
    pub(super) timestamp: i64,
    /// Last offset of the batch that has it.
    pub(super) offset: i64,
}

/// Where the indexes of a segment are that grows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Indexing {
    base: i64,
    interval: u32,
    bytes_since_entry: u64,
    newest: Newest,
}

impl Indexing {
    pub(super) fn new(base: i64, interval: u32) -> Self {
        Self { base, interval, bytes_since_entry: 0, newest: Newest { timestamp: -1, offset: base } }
    }

    pub(super) fn interval(&self) -> u32 {
        self.interval
    }

    pub(super) fn newest(&self) -> Newest {
        self.newest
    }

    /// What an index on disk says of the batches before the next one.
    pub(super) fn set_newest(&mut self, newest: Newest) {
        self.newest = newest;
    }

    /// The entries that the batch brings.
    pub(super) fn on_batch(&mut self, found: &Found) -> Option<(OffsetIndexEntry, Option<TimeIndexEntry>)> {
        if found.header.max_timestamp > self.newest.timestamp {
            self.newest =
                Newest { timestamp: found.header.max_timestamp, offset: found.header.last_offset() };
        }
        let is_due = self.bytes_since_entry > u64::from(self.interval);
        self.bytes_since_entry = if is_due { 0 } else { self.bytes_since_entry } + found.len();
        if !is_due {
            return None;
        }
        let relative_offset = i32::try_from(found.header.last_offset() - self.base).ok()?;
        let position = i32::try_from(found.position).ok()?;
        Some((OffsetIndexEntry { relative_offset, position }, self.time_entry()))
    }

    /// The entry that says what the newest timestamp is so far.
    pub(super) fn time_entry(&self) -> Option<TimeIndexEntry> {
        let relative_offset = i32::try_from(self.newest.offset - self.base).ok()?;
        let timestamp = self.newest.timestamp;
        (timestamp >= 0).then_some(TimeIndexEntry { timestamp, relative_offset })
    }
}

/// All index entries of a segment, made by walking its headers.
pub(super) struct Rebuilt {
    pub(super) indexing: Indexing,
    pub(super) offsets: Vec<OffsetIndexEntry>,
    pub(super) times: Vec<TimeIndexEntry>,
}

impl Rebuilt {
    pub(super) fn new(base: i64, interval: u32) -> Self {
        Self { indexing: Indexing::new(base, interval), offsets: Vec::new(), times: Vec::new() }
    }

    pub(super) fn on_batch(&mut self, found: &Found) {
        let Some((offset, time)) = self.indexing.on_batch(found) else { return };
        self.offsets.push(offset);
        self.push_time(time);
    }

    /// A sealed segment ends with an entry for its newest timestamp.
    pub(super) fn seal(&mut self) {
        self.push_time(self.indexing.time_entry());
    }

    fn push_time(&mut self, entry: Option<TimeIndexEntry>) {
        let Some(entry) = entry else { return };
        if self.times.last().is_none_or(|last| entry.timestamp > last.timestamp) {
            self.times.push(entry);
        }
    }
}
