//! Records handed to the user: a share of the bytes they arrived in, decoded in place while they are walked.

mod chunk;
mod split;
#[cfg(test)]
pub(super) mod tests;

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

pub(super) use self::chunk::{Aborted, Chunk, Place, Share, extent};
use super::progress::Progress;
use crate::protocol::records::{BatchError, RecordIter, Records, TimestampType};
use crate::{Error, RecordRef, TopicPartition};

/// Where errors go that are found while records are walked: the next `recv` answers them.
pub(super) type Trouble = Arc<Mutex<VecDeque<Error>>>;

/// Records of one partition, in offset order. It is independent of the consumer, and a clone shares the bytes.
#[derive(Clone, Debug)]
pub struct Batch {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    at: TopicPartition,
    parts: Vec<Records>,
    /// Records before it were not asked for: a broker answers with whole batches.
    first_offset: i64,
    next_offset: i64,
    high_watermark: i64,
    leader_epoch: i32,
    timestamp_type: TimestampType,
    trouble: Trouble,
    /// A malformed record is in `trouble`, or was.
    told: AtomicBool,
    progress: Arc<Progress>,
}

impl Batch {
    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.inner.at.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.inner.at.partition
    }

    /// Topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.inner.at
    }

    /// The records. Nothing is copied and nothing allocated; `RecordRef` points into the batch.
    ///
    /// Should a record be malformed although its batch has the right checksum, the walk ends in front of it and the
    /// next `recv` answers the error.
    pub fn iter(&self) -> Iter<'_> {
        let mut parts = self.inner.parts.iter();
        let current = parts.next().map(Records::iter);
        Iter { current, parts, batch: self }
    }

    /// How many records there are at most: those before the position are counted, though [`iter`](Self::iter) skips
    /// them.
    pub fn count(&self) -> usize {
        self.inner.parts.iter().map(Records::count).sum()
    }

    /// The offset behind the last record, where to go on.
    pub fn next_offset(&self) -> i64 {
        self.inner.next_offset
    }

    /// The end of what is replicated, when the records were fetched.
    pub fn high_watermark(&self) -> i64 {
        self.inner.high_watermark
    }

    /// The epoch of the leader that wrote the last of them, if known.
    pub fn leader_epoch(&self) -> Option<i32> {
        (self.inner.leader_epoch >= 0).then_some(self.inner.leader_epoch)
    }

    /// The user is done with all of it: it may be committed, once those handed out before it are done. [`Consumer::recv`](crate::Consumer::recv) says so of the batch
    /// before by itself, unless this is called, which makes it the user's business from then on.
    pub fn done(&self) {
        let inner = &*self.inner;
        inner.progress.done_by_hand(inner.first_offset, inner.next_offset, inner.leader_epoch);
    }

    /// As [`done`](Self::done), of the records up to this offset, itself included.
    pub fn done_through(&self, offset: i64) {
        let next = offset.saturating_add(1).min(self.inner.next_offset);
        if next > self.inner.first_offset {
            self.inner.progress.done_by_hand(self.inner.first_offset, next, self.inner.leader_epoch);
        }
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.inner.progress
    }

    /// Whose clock the timestamps are.
    pub fn timestamp_type(&self) -> TimestampType {
        self.inner.timestamp_type
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = RecordRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The records of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    current: Option<RecordIter<'a>>,
    parts: std::slice::Iter<'a, Records>,
    batch: &'a Batch,
}

impl<'a> Iterator for Iter<'a> {
    type Item = RecordRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordRef<'a>> {
        loop {
            match self.current.as_mut()?.next() {
                Some(Ok(record)) if record.offset >= self.batch.inner.first_offset => return Some(record),
                Some(Ok(_)) => {}
                Some(Err(e)) => return self.stop(e),
                None => self.current = self.parts.next().map(Records::iter),
            }
        }
    }
}

impl<'a> Iter<'a> {
    #[cold]
    fn stop(&mut self, error: BatchError) -> Option<RecordRef<'a>> {
        self.current = None;
        self.batch.tell(error);
        None
    }
}

fn at(error: Error, at: &TopicPartition) -> Error {
    error.around(|c| c.topic_partition = Some(at.clone()))
}
