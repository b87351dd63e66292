//! A batch in parts: record by record, or so many records at a time. The bytes are shared, not copied.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::{Batch, Inner, at};
use crate::consumer::record::ConsumerRecord;
use crate::protocol::records::{BatchError, Records};

impl Batch {
    /// The records, each on its own: keys, values and headers are shares of this batch's bytes. Should a record be malformed,
    /// they end in front of it, as in [`iter`](Self::iter).
    pub fn to_records(&self) -> Vec<ConsumerRecord> {
        let mut records = Vec::new();
        for part in &self.inner.parts {
            for record in part {
                match record {
                    Ok(record) if record.offset >= self.inner.first_offset => {
                        records.push(ConsumerRecord::new(self, part.bytes(), &record));
                    }
                    Ok(_) => {}
                    Err(e) => {
                        self.tell(e);
                        return records;
                    }
                }
            }
        }
        records
    }

    /// The first `count` records, and the rest if there is one. Both share the bytes.
    pub(in crate::consumer) fn split(self, count: usize) -> (Self, Option<Self>) {
        if self.count() <= count {
            return (self, None);
        }
        let (mut front, mut rest, mut room) = (Vec::new(), Vec::new(), count);
        for part in &self.inner.parts {
            let mut part = part.clone();
            let taken = part.split_to(room);
            room -= taken.count().min(room);
            if taken.count() > 0 {
                front.push(taken);
            }
            if part.count() > 0 {
                rest.push(part);
            }
        }
        // What cannot be decoded stays where it is: the walk through the front ends there, or the rest's does.
        let Some(Ok(next)) = rest.first().and_then(|part| part.iter().next()) else { return (self, None) };
        let middle = next.offset.clamp(self.inner.first_offset, self.inner.next_offset);
        let front = self.with(front, self.inner.first_offset, middle);
        let rest = self.with(rest, middle, self.inner.next_offset);
        (front, Some(rest))
    }

    fn with(&self, parts: Vec<Records>, first_offset: i64, next_offset: i64) -> Self {
        let inner = &self.inner;
        let inner = Inner {
            at: inner.at.clone(),
            parts,
            first_offset,
            next_offset,
            high_watermark: inner.high_watermark,
            leader_epoch: inner.leader_epoch,
            timestamp_type: inner.timestamp_type,
            trouble: inner.trouble.clone(),
            told: AtomicBool::new(false),
            progress: inner.progress.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where the records begin that were asked for.
    pub(in crate::consumer) fn first_offset(&self) -> i64 {
        self.inner.first_offset
    }

    /// A malformed record was met.
    pub(in crate::consumer) fn is_damaged(&self) -> bool {
        self.inner.told.load(Ordering::Relaxed)
    }

    #[cold]
    pub(super) fn tell(&self, error: BatchError) {
        let inner = &self.inner;
        let error = at(error.into(), &inner.at);
        // Whoever walks the records again finds it again; once is enough.
        if !inner.told.swap(true, Ordering::Relaxed) {
            inner.trouble.lock().unwrap_or_else(PoisonError::into_inner).push_back(error);
        }
    }
}
