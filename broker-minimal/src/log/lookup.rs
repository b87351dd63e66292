//! Finding offsets by time, as ListOffsets asks for them.

use bytes::Bytes;
use kinglet_protocol::records::{Batch, RecordRef, TimestampType};
use std::os::unix::fs::FileExt;
use std::time::UNIX_EPOCH;

use super::Log;
use super::error::ReadError;
use super::scan::Found;
use super::segment::Segment;

/// A compressed batch is unpacked up to this size to find a record in it; beyond, the batch's start is the answer.
const UNPACK_LIMIT: usize = 64 * 1024 * 1024;

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
    /// The epoch of the leader that wrote it, -1 if that is not known.
    pub leader_epoch: i32,
}

/// Where a segment starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStart {
    /// Its first offset, or the log's if that lies inside.
    pub offset: i64,
    /// When it was last written to, in ms since 1970.
    pub last_write_ms: i64,
}

impl Log {
    /// The first record whose timestamp is `timestamp` or later.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, ReadError> {
        for segment in &self.segments {
            if segment.newest()?.timestamp < timestamp {
                continue;
            }
            // A batch that starts before the log does may have its match there, and the next one has it again.
            let is_match =
                |record: &RecordRef<'_>| record.timestamp >= timestamp && record.offset >= self.start;
            let mut from = self.start;
            while let Some(found) = segment.find_time(timestamp, from)? {
                if let Some(answer) = self.first_record(segment, &found, is_match)? {
                    return Ok(Some(answer));
                }
                from = found.header.next_offset();
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log (KIP-734).
    pub fn offset_for_max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let mut best: Option<(i64, &Segment)> = None;
        for segment in &self.segments {
            let newest = segment.newest()?.timestamp;
            if newest >= 0 && best.is_none_or(|(timestamp, _)| newest > timestamp) {
                best = Some((newest, segment));
            }
        }
        let Some((timestamp, segment)) = best else { return Ok(None) };
        let Some(found) = segment.find_time(timestamp, self.start)? else { return Ok(None) };
        self.first_record(segment, &found, |record| record.timestamp >= timestamp)
    }

    /// Where the segments start, oldest first, and when each was last written to, in ms since 1970.
    pub fn segment_starts(&self) -> Result<Vec<SegmentStart>, ReadError> {
        let start = |segment: &Segment| {
            let modified = segment.modified().map_err(ReadError::Disk)?;
            let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            let last_write_ms = i64::try_from(since).unwrap_or(i64::MAX);
            Ok(SegmentStart { offset: segment.base().max(self.start), last_write_ms })
        };
        self.segments.iter().map(start).collect()
    }

    fn first_record(
        &self,
        segment: &Segment,
        found: &Found,
        is_match: impl Fn(&RecordRef<'_>) -> bool,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let leader_epoch = found.header.partition_leader_epoch;
        let base = TimestampOffset {
            timestamp: found.header.max_timestamp,
            offset: found.header.base_offset,
            leader_epoch,
        };
        // Every record of such a batch has the batch's timestamp.
        if found.header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            return Ok(Some(TimestampOffset { offset: base.offset.max(self.start), ..base }));
        }
        let batch = load(segment, found)?;
        let Ok(records) = batch.records(UNPACK_LIMIT) else { return Ok(Some(base)) };
        let matched = records.iter().filter_map(Result::ok).find(is_match);
        Ok(matched.map(|record| TimestampOffset {
            timestamp: record.timestamp,
            offset: record.offset,
            leader_epoch,
        }))
    }
}

fn load(segment: &Segment, found: &Found) -> Result<Batch, ReadError> {
    let mut bytes = vec![0; found.header.size()];
    let file = segment.file().map_err(ReadError::Disk)?;
    file.read_exact_at(&mut bytes, found.position).map_err(ReadError::Disk)?;
    let corrupt = |reason: String| ReadError::Corrupt(format!("at position {}: {reason}", found.position));
    match Batch::split(&mut Bytes::from(bytes)) {
        Ok(Some(batch)) => Ok(batch),
        Ok(None) => Err(corrupt("no batch".into())),
        Err(error) => Err(corrupt(error.to_string())),
    }
}
