//! Reading: which bytes of which file answer a fetch. The bytes themselves are not touched.

use std::fs::File;
use std::sync::Arc;

use super::Log;
use super::error::ReadError;
use super::scan::ScanError;
use super::segment::{Place, Segment};

/// A range of a segment file, whole batches, that a connection sends or reads.
///
/// It holds the file open, so it outlives the segment's deletion. Its first batch may start before the offset that was
/// asked for: clients skip what they did not want.
#[derive(Clone, Debug)]
pub struct FileSlice {
    /// The segment's `.log`.
    pub file: Arc<File>,
    /// Where the slice starts.
    pub position: u64,
    /// Bytes; 0 when there is nothing to read yet.
    pub len: usize,
}

/// Whether a batch that is larger than the limit is read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBatch {
    /// It is, so that a consumer with a small limit still gets on (KIP-74).
    Always,
    /// It is not: the response has other records.
    IfItFits,
}

impl Log {
    /// Where the batches from `offset` on lie: whole ones, at most `max_bytes` of them, none from `upto` on.
    ///
    /// `upto` is a batch boundary, as high watermark and last stable offset are. At the tail this costs no system
    /// call. The slice ends at a segment's end, and may stay below `max_bytes` by an index interval and a batch.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        upto: i64,
        first_batch: FirstBatch,
    ) -> Result<FileSlice, ReadError> {
        if self.is_offline {
            return Err(ReadError::Offline);
        }
        if offset < self.start || offset > self.end {
            return Err(ReadError::OutOfRange { offset, start: self.start, end: self.end });
        }
        let upto = upto.min(self.end);
        if offset >= upto {
            return slice(self.active(), self.active().size(), self.active().size());
        }
        let (index, from) = self.locate(offset)?;
        let Some(segment) = self.segments.get(index) else {
            return slice(self.active(), self.active().size(), self.active().size());
        };
        let limit = self.end_in_segment(index, upto)?;
        let max = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        if limit.saturating_sub(from) <= max {
            return slice(segment, from, limit);
        }
        let mut end = self.whole_batches(index, from, max)?.min(limit);
        if end <= from && first_batch == FirstBatch::Always {
            end = self.first_batch_end(index, from)?.min(limit);
        }
        slice(segment, from, end)
    }

    /// The segment and the position of the batch that holds `offset`, which is before the end of the log.
    fn locate(&self, offset: i64) -> Result<(usize, u64), ScanError> {
        let newest = self.segments.len() - 1;
        if let Some(spot) = self.recent.find(offset) {
            return Ok((newest, spot.position));
        }
        let mut index = self.segment_index(offset);
        // Compaction may leave a gap at the end of a segment: the offset is then answered from the next one.
        while let Some(segment) = self.segments.get(index) {
            match segment.find(offset)? {
                Place::Batch(found) => return Ok((index, found.position)),
                Place::End => index += 1,
            }
        }
        Ok((newest, self.active().size()))
    }

    /// How far into a segment a reader may go whose end is `upto`.
    fn end_in_segment(&self, index: usize, upto: i64) -> Result<u64, ScanError> {
        let Some(segment) = self.segments.get(index) else { return Ok(0) };
        let segment_end = self.segments.get(index + 1).map_or(self.end, Segment::base);
        if upto >= segment_end {
            return Ok(segment.size());
        }
        let is_active = index + 1 == self.segments.len();
        if is_active && let Some(spot) = self.recent.find(upto) {
            return Ok(spot.position);
        }
        match segment.find(upto)? {
            Place::Batch(found) => Ok(found.position),
            Place::End => Ok(segment.size()),
        }
    }

    fn whole_batches(&self, index: usize, from: u64, max: u64) -> Result<u64, ScanError> {
        let is_active = index + 1 == self.segments.len();
        if is_active && let Some(end) = self.recent.whole_batches(from, max) {
            return Ok(end);
        }
        self.segments.get(index).map_or(Ok(from), |segment| segment.whole_batches(from, max))
    }

    fn first_batch_end(&self, index: usize, from: u64) -> Result<u64, ScanError> {
        let Some(segment) = self.segments.get(index) else { return Ok(from) };
        let first = segment.scanner(from, super::scan::Window::Near)?.next()?;
        Ok(first.map_or(from, |found| found.end()))
    }
}

fn slice(segment: &Segment, from: u64, end: u64) -> Result<FileSlice, ReadError> {
    let file = Arc::clone(segment.file().map_err(ReadError::Disk)?);
    let len = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
    Ok(FileSlice { file, position: from, len })
}
