//! A batch on its way to its broker and back.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::delivery::{BatchResult, Written};
use super::sequence::Stamp;
use crate::protocol::ErrorCode;
use crate::protocol::records::{Batch, BatchBuilder, BatchError};
use crate::{Error, ErrorKind};

/// Which partition, by position in the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) topic: usize,
    pub(crate) partition: usize,
}

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) slot: Slot,
    pub(crate) topic: Arc<str>,
    /// Batches are numbered in the order in which they were opened.
    pub(crate) number: u64,
    pub(crate) result: Arc<BatchResult>,
    pub(crate) body: Body,
    pub(crate) count: u32,
    /// Bytes on the wire, before compression.
    pub(crate) size: usize,
    /// Bytes of `buffer.memory` that it holds.
    pub(crate) memory: usize,
    /// At least one record has headers, which old brokers cannot store.
    pub(crate) has_headers: bool,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) attempts: u32,
    pub(crate) opened: Instant,
    pub(crate) doubt: Doubt,
}

/// Whether a batch that was not acked may be written nevertheless; the greatest doubt of its attempts counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doubt {
    /// It is not: each attempt was refused.
    #[default]
    None,
    /// A broker refused it, and may have appended it before that.
    Appended,
    /// An attempt has no answer: it may be written, or still be on its way.
    Unanswered,
}

#[derive(Debug)]
pub(crate) enum Body {
    Building(BatchBuilder),
    /// Sealed, with the stamp it carries.
    Sealed(Bytes, Option<Stamp>),
}

/// What a broker, or the way to it, said of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    Written(Written),
    Refused {
        code: ErrorCode,
        message: Option<String>,
        broker: String,
    },
    /// No answer came; it may be written if it was sent.
    Lost {
        error: Error,
        sent: bool,
    },
}

/// What a batch may hold after decompression: it was ours, and not larger than the producer's memory.
const DECOMPRESSED_MAX: usize = 1 << 30;

impl Parcel {
    /// Two batches with one half of the records each. Sequence numbers go on where they were, so that a broker
    /// that has seen neither takes both.
    pub(super) fn split(mut self) -> Result<(Self, Self), Box<(Self, Error)>> {
        let at = self.count / 2;
        let builders = match &self.body {
            Body::Sealed(bytes, _) => halves(bytes, at),
            Body::Building(_) => Err(BatchError::Corrupt("a batch was split that was never sent")),
        };
        let (first, second) = match builders {
            Ok(builders) => builders,
            Err(e) => {
                let error = Error::new(ErrorKind::TooLarge, "the batch is larger than the topic takes");
                return Err(Box::new((self, error.because(e.to_string()))));
            }
        };
        let (first_result, second_result) = self.result.split(at);
        let half = Self {
            slot: self.slot,
            topic: self.topic.clone(),
            number: self.number,
            result: second_result,
            body: Body::Building(second),
            count: self.count - at,
            size: self.size - self.size / 2,
            memory: self.memory - self.memory / 2,
            has_headers: self.has_headers,
            stamp: self.stamp.map(|stamp| stamp.after(at)),
            attempts: 0,
            opened: self.opened,
            doubt: self.doubt,
        };
        (self.result, self.body, self.count) = (first_result, Body::Building(first), at);
        (self.size, self.memory, self.attempts) = (self.size / 2, self.memory / 2, 0);
        Ok((self, half))
    }
}

fn halves(bytes: &Bytes, at: u32) -> Result<(BatchBuilder, BatchBuilder), BatchError> {
    let batch = Batch::split(&mut bytes.clone())?.ok_or(BatchError::Corrupt("an empty batch"))?;
    let records = batch.records(DECOMPRESSED_MAX)?;
    let (mut first, mut second) = (BatchBuilder::new(bytes.len() / 2), BatchBuilder::new(bytes.len() / 2));
    for record in &records {
        let record = record?;
        let mut headers = Vec::new();
        for (key, value) in record.headers() {
            let key =
                std::str::from_utf8(key).map_err(|_| BatchError::Corrupt("a header's key is not text"))?;
            headers.push((key, value));
        }
        let half = if first.count() < at { &mut first } else { &mut second };
        half.push(record.timestamp, record.key, record.value, &headers);
    }
    Ok((first, second))
}
