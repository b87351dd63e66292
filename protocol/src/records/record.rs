//! One record of a v2 batch, decoded in place: nothing is copied and nothing allocated.

use std::iter::FusedIterator;

use super::batch::BatchError;
use crate::wire::varint;

/// A record that points into the batch it came from.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970: the producer's clock, or the broker's if the topic says `LogAppendTime`.
    pub timestamp: i64,
    /// The key, if the record has one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    header_count: usize,
    headers: Fields<'a>,
}

impl<'a> RecordRef<'a> {
    /// The headers in the order they were written; a key may come twice.
    pub fn headers(&self) -> HeaderIter<'a> {
        HeaderIter { left: self.header_count, rest: self.headers }
    }
}

/// The headers of one record: key and value. Kafka means keys to be UTF-8, but nobody on the way checks it.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    left: usize,
    rest: Fields<'a>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.rest.header().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for HeaderIter<'_> {}
impl FusedIterator for HeaderIter<'_> {}

/// The numbers of a batch header that its records are read with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) base_offset: i64,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    /// Set if the broker's clock overrides the records'.
    pub(super) append_time: Option<i64>,
    pub(super) count: usize,
}

/// The records of one batch, in offset order.
///
/// Every length is checked against what is left, offsets must rise and stay within the batch, and exactly the
/// declared number of records must fill the bytes. After an error it ends.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    frame: Frame,
    left: usize,
    min_delta: i32,
    rest: Fields<'a>,
}

impl<'a> RecordIter<'a> {
    pub(super) fn new(frame: Frame, bytes: &'a [u8]) -> Self {
        Self { frame, left: frame.count, min_delta: 0, rest: Fields(bytes) }
    }

    #[inline]
    fn decode(&mut self) -> Result<RecordRef<'a>, BatchError> {
        let mut fields = self.rest.record()?;
        // A record's own attributes have no bit in use.
        fields.byte()?;
        let timestamp_delta = fields.varlong()?;
        let offset_delta = fields.varint()?;
        if offset_delta < self.min_delta || offset_delta > self.frame.last_offset_delta {
            return Err(BatchError::Corrupt("record offset outside its batch or out of order"));
        }
        // Saturates behind the last possible record only: nothing can follow that one anyhow.
        self.min_delta = offset_delta.saturating_add(1);
        let key = fields.nullable()?;
        let value = fields.nullable()?;
        let header_count = fields.header_count()?;
        let headers = fields;
        fields.check_headers(header_count)?;
        Ok(RecordRef {
            offset: self.frame.base_offset.saturating_add(i64::from(offset_delta)),
            timestamp: match self.frame.append_time {
                Some(time) => time,
                None => self.frame.base_timestamp.wrapping_add(timestamp_delta),
            },
            key,
            value,
            header_count,
            headers,
        })
    }

    /// How many bytes the next `count` records take. They are stepped over, not decoded.
    pub(super) fn len_of(&self, count: usize) -> Option<usize> {
        let mut rest = self.rest;
        for _ in 0..count {
            rest.record().ok()?;
        }
        self.rest.0.len().checked_sub(rest.0.len())
    }

    /// No record is due: whatever bytes are left are one too many.
    #[cold]
    fn end(&mut self) -> Option<Result<RecordRef<'a>, BatchError>> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.0.is_empty()).then_some(Err(BatchError::Corrupt("bytes left behind the last record")))
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return self.end();
        }
        self.left -= 1;
        let record = self.decode();
        if record.is_err() {
            (self.left, self.rest) = (0, Fields(&[]));
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // One more than is left: bytes behind the last record are an error of their own. The lower bound is 0,
        // so that collecting does not trust a count that a codec made unverifiable.
        (0, self.left.checked_add(1))
    }
}

impl FusedIterator for RecordIter<'_> {}

/// A cursor that only splits off what is there.
#[derive(Clone, Copy, Debug, Default)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    #[inline]
    fn varint(&mut self) -> Result<i32, BatchError> {
        let (n, len) = varint::read_varint(self.0).ok_or(BatchError::Corrupt("broken varint in a record"))?;
        self.take(len)?;
        Ok(n)
    }

    #[inline]
    fn varlong(&mut self) -> Result<i64, BatchError> {
        let (n, len) =
            varint::read_varlong(self.0).ok_or(BatchError::Corrupt("broken varlong in a record"))?;
        self.take(len)?;
        Ok(n)
    }

    #[inline]
    fn byte(&mut self) -> Result<(), BatchError> {
        self.take(1).map(drop)
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], BatchError> {
        let Some((taken, rest)) = self.0.split_at_checked(len) else {
            return Err(BatchError::Corrupt("a length in a record is larger than what is left"));
        };
        self.0 = rest;
        Ok(taken)
    }

    /// A key or value; as in Java, every negative length means null.
    #[inline]
    fn nullable(&mut self) -> Result<Option<&'a [u8]>, BatchError> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    #[inline]
    fn record(&mut self) -> Result<Self, BatchError> {
        let len = self.varint()?;
        let len = usize::try_from(len).map_err(|_| BatchError::Corrupt("negative record length"))?;
        self.take(len).map(Self)
    }

    #[inline]
    fn header_count(&mut self) -> Result<usize, BatchError> {
        usize::try_from(self.varint()?).map_err(|_| BatchError::Corrupt("negative header count"))
    }

    /// Walks all headers once, so that iterating over them later cannot fail.
    #[inline]
    fn check_headers(mut self, count: usize) -> Result<(), BatchError> {
        for _ in 0..count {
            self.header()?;
        }
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BatchError::Corrupt("bytes left behind the last field of a record"))
        }
    }

    fn header(&mut self) -> Result<(&'a [u8], Option<&'a [u8]>), BatchError> {
        let key = self.nullable()?.ok_or(BatchError::Corrupt("a header without a key"))?;
        Ok((key, self.nullable()?))
    }
}
