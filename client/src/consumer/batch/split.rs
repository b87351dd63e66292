//! A batch in parts: record by record, or so many records at a time. The bytes are shared, not copied.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::{Batch, Inner, at};
use crate::RecordRef;
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
            // Only the first part begins with records that were not asked for.
            let begins = |record: &Result<RecordRef<'_>, _>| matches!(record, Ok(record) if record.offset < self.inner.first_offset);
            let skipped = part.iter().take_while(begins).count();
            drop(part.split_to(skipped));
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

    /// A malformed record was met while the records were walked: the walk ended in front of it, and the next `recv` answers the
    /// error.
    pub fn is_damaged(&self) -> bool {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::RecordRef;
    use crate::consumer::batch::tests::many;
    use crate::consumer::batch::{Batch, Chunk, Trouble};
    use crate::consumer::cursor::Ask;
    use crate::consumer::progress::Progress;

    /// Batches of 3, 4 and 5 records, read from `from`.
    fn batch(from: i64) -> Batch {
        let bytes = Bytes::from([many(0, 3), many(3, 4), many(7, 5)].concat());
        let mut chunk =
            Chunk::new(&Ask::from(from), bytes, 12, None, Progress::new(std::sync::Arc::default()));
        let share = chunk.take_share().unwrap().unwrap();
        share.open(true, &Trouble::default()).unwrap().unwrap()
    }

    fn offsets(batch: &Batch) -> Vec<i64> {
        batch.iter().map(|record: RecordRef<'_>| record.offset).collect()
    }

    #[test]
    fn the_parts_of_a_batch_hold_every_record_once_and_no_more_than_asked_for() {
        for (from, count) in (0..12).flat_map(|from| (1..14).map(move |count| (from, count))) {
            let (mut got, mut left, mut next) = (Vec::new(), Some(batch(from)), from);
            while let Some(whole) = left {
                let (front, rest) = whole.split(count);
                let part = offsets(&front);
                assert!((1..=count).contains(&part.len()), "from {from}, {count}: {part:?}");
                assert_eq!((front.first_offset(), part[0]), (next, next));
                next = front.next_offset();
                got.extend(part);
                left = rest;
            }
            assert_eq!((got, next), ((from..12).collect::<Vec<_>>(), 12), "from {from}, {count}");
        }
    }

    #[test]
    fn records_of_their_own_share_the_bytes_of_their_batch() {
        let batch = batch(2);
        let records = batch.to_records();
        assert_eq!(
            records.iter().map(|record| record.offset).collect::<Vec<_>>(),
            (2..12).collect::<Vec<_>>()
        );
        for (own, shared) in records.iter().zip(&batch) {
            let value = own.value.as_deref().unwrap();
            assert_eq!(value.as_ptr(), shared.value.unwrap().as_ptr());
            assert_eq!(own.headers.len(), 1);
            assert_eq!(own.headers[0].1.as_deref(), shared.headers().next().unwrap().1);
        }
    }
}
