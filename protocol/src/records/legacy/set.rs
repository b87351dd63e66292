//! A set of messages, with the wrappers in it opened.

use std::iter::FusedIterator;

use bytes::{Buf, Bytes};

use super::message::{Entry, Message};
use super::{MessageFormat, Tail};
use crate::records::batch::BatchError;
use crate::records::compression::{Compression, decompress};
use crate::records::header::TimestampType;

/// Messages of magic 0 and 1 as they came.
#[derive(Clone, Debug)]
pub struct MessageSet {
    bytes: Bytes,
    tail: Tail,
}

impl MessageSet {
    /// A set over `bytes`, which are not looked at yet.
    pub fn new(bytes: Bytes, tail: Tail) -> Self {
        Self { bytes, tail }
    }

    /// The messages in their order, those in wrappers too.
    ///
    /// Each checksum is compared. A wrapper is decompressed when it is reached, to at most `limit` bytes, one at a
    /// time. A wrapper inside a wrapper is an error, and so is everything after an error.
    pub fn messages(&self, limit: usize) -> Messages {
        Messages { entries: self.entries(), limit, inside: None }
    }

    /// The messages as they lie in the set.
    pub(super) fn entries(&self) -> Entries {
        Entries { rest: self.bytes.clone(), tail: self.tail }
    }
}

/// What [`MessageSet::messages`] gives.
#[derive(Clone, Debug)]
pub struct Messages {
    entries: Entries,
    limit: usize,
    inside: Option<Inside>,
}

impl Messages {
    fn step(&mut self) -> Option<Result<Message, BatchError>> {
        loop {
            if let Some(message) = self.inside.as_mut().and_then(Iterator::next) {
                return Some(message);
            }
            self.inside = None;
            let entry = match self.entries.next()? {
                Ok(entry) if entry.codec == Compression::None => return Some(Ok(entry.message)),
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            match Inside::open(&entry, self.limit) {
                Ok(inside) => self.inside = Some(inside),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl Iterator for Messages {
    type Item = Result<Message, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.step();
        if matches!(message, Some(Err(_))) {
            self.inside = None;
            self.entries.rest.clear();
        }
        message
    }
}

impl FusedIterator for Messages {}

/// The messages of a set, wrappers unopened.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    rest: Bytes,
    tail: Tail,
}

impl Iterator for Entries {
    type Item = Result<Entry, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = match Entry::split(&mut self.rest) {
            Err(BatchError::Truncated { .. }) if self.tail == Tail::MayBeCut => Ok(None),
            entry => entry,
        };
        if !matches!(entry, Ok(Some(_))) {
            self.rest.clear();
        }
        entry.transpose()
    }
}

/// The messages that one wrapper holds.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    rest: Bytes,
    /// What the offsets inside count from.
    base_offset: i64,
    /// The wrapper's clock and type count for everything inside.
    timestamp_type: Option<TimestampType>,
    append_time: Option<i64>,
}

impl Inside {
    /// Decompresses a wrapper.
    pub(super) fn open(wrapper: &Entry, limit: usize) -> Result<Self, BatchError> {
        let outer = &wrapper.message;
        let packed =
            outer.value.as_ref().ok_or(BatchError::Corrupt("a compressed message without a value"))?;
        let rest = decompress(wrapper.codec, packed, limit)?;
        let last = last_offset(&rest)?;
        let base_offset = match outer.format {
            MessageFormat::V0 => 0,
            // Some versions of librdkafka send 0 whatever is inside.
            MessageFormat::V1 if outer.offset == 0 => 0,
            MessageFormat::V1 if outer.offset >= last => outer.offset.wrapping_sub(last),
            MessageFormat::V1 => {
                return Err(BatchError::Corrupt("a compressed message with an offset below those inside"));
            }
        };
        let append_time =
            (outer.timestamp_type == Some(TimestampType::LogAppendTime)).then_some(outer.timestamp);
        Ok(Self { rest, base_offset, timestamp_type: outer.timestamp_type, append_time })
    }

    fn step(&mut self) -> Result<Option<Message>, BatchError> {
        let entry = match Entry::split(&mut self.rest) {
            Ok(None) => return Ok(None),
            Ok(Some(entry)) => entry,
            // The end of the outer set may be cut off; here it is a fault.
            Err(BatchError::Truncated { .. }) => return Err(CUT_INSIDE),
            Err(error) => return Err(error),
        };
        if entry.codec != Compression::None {
            return Err(BatchError::Corrupt("a compressed message inside a compressed one"));
        }
        let mut message = entry.message;
        message.offset = message
            .offset
            .checked_add(self.base_offset)
            .ok_or(BatchError::Corrupt("an offset inside a compressed message that no log has"))?;
        if message.format == MessageFormat::V1 {
            // A wrapper of format v0 has no clock: the producer's timestamps stay, whatever the messages inside say of them.
            message.timestamp_type = Some(self.timestamp_type.unwrap_or(TimestampType::CreateTime));
            message.timestamp = self.append_time.unwrap_or(message.timestamp);
        }
        Ok(Some(message))
    }
}

impl Iterator for Inside {
    type Item = Result<Message, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.step();
        if message.is_err() {
            self.rest.clear();
        }
        message.transpose()
    }
}

const CUT_INSIDE: BatchError = BatchError::Corrupt("a message cut off inside a compressed one");

/// The offset that the last message of a whole set carries; the messages are not looked into.
fn last_offset(set: &Bytes) -> Result<i64, BatchError> {
    let mut rest = &set[..];
    let mut last = None;
    while !rest.is_empty() {
        let offset = rest.try_get_i64().map_err(|_| CUT_INSIDE)?;
        let size = rest.try_get_i32().map_err(|_| CUT_INSIDE)?;
        let len = usize::try_from(size).map_err(|_| BatchError::MessageLength(size))?;
        (_, rest) = rest.split_at_checked(len).ok_or(CUT_INSIDE)?;
        last = Some(offset);
    }
    last.ok_or(BatchError::Corrupt("a compressed message with none inside"))
}
