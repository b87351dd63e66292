//! What a partition remembers of its idempotent producers, so that a retried batch is stored once (KIP-98).
//!
//! Pure: no file is touched. Transactions are not tracked here yet; a snapshot is written as if none were open.

use std::collections::HashMap;

use kinglet_protocol::records::BatchHeader;

use crate::mutant::{self, Mutant};

/// How many batches per producer can be recognised as duplicates: a producer may have this many requests in flight.
const WINDOW: usize = 5;
/// A snapshot is a version, a checksum of what follows it, a count, and this much for each producer.
const ENTRY_LEN: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;
const SNAPSHOT_HEADER_LEN: usize = 10;
const SNAPSHOT_VERSION: i16 = 1;
const CRC_START: usize = 2;
const CRC_END: usize = 6;

/// What is kept of one appended batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct BatchMark {
    last_sequence: i32,
    last_offset: i64,
    /// Last offset minus base offset.
    offset_delta: i32,
    timestamp: i64,
}

impl BatchMark {
    /// Sequences count in 0..=i32::MAX and wrap.
    fn first_sequence(&self) -> i32 {
        sequence_minus(self.last_sequence, self.offset_delta)
    }

    fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// The newest batches of one producer id, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    marks: [BatchMark; WINDOW],
    len: usize,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self { epoch, marks: [BatchMark::default(); WINDOW], len: 0 }
    }

    fn marks(&self) -> &[BatchMark] {
        self.marks.get(..self.len).unwrap_or_default()
    }

    fn newest(&self) -> Option<&BatchMark> {
        self.marks().last()
    }

    fn push(&mut self, mark: BatchMark) {
        if self.len == WINDOW {
            self.marks.rotate_left(1);
            self.len -= 1;
        }
        self.marks[self.len] = mark;
        self.len += 1;
    }
}

/// Where the original of a duplicate lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Offset of the batch's first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp.
    pub timestamp: i64,
}

/// Why a producer's batch is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProducerError {
    /// The batch is in the log already: the answer is the original's offsets, not a failure.
    #[error("the batch is at offset {} already", .0.base_offset)]
    Duplicate(Duplicate),
    /// A newer instance of the producer has written.
    #[error("producer {producer_id} has epoch {current}, the batch says {received}")]
    StaleEpoch {
        /// Whose batch.
        producer_id: i64,
        /// The newest epoch seen.
        current: i16,
        /// The batch's epoch.
        received: i16,
    },
    /// A batch between the last one kept and this one is missing.
    #[error("producer {producer_id} continues at sequence {received} after {last}")]
    OutOfOrder {
        /// Whose batch.
        producer_id: i64,
        /// The last sequence kept, -1 when the epoch is new.
        last: i32,
        /// The batch's first sequence.
        received: i32,
    },
}

/// Why a producer snapshot cannot be used; the state is then rebuilt from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// Fewer or more bytes than the count says.
    #[error("{len} bytes do not hold the producers that are counted")]
    Length {
        /// Size of the file.
        len: usize,
    },
    /// Not Kafka's version 1.
    #[error("version {0}")]
    Version(i16),
    /// The checksum does not match.
    #[error("checksum does not match")]
    Crc,
}

/// What is told of a producer that has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActiveProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// The last sequence number it has written in this epoch, or -1.
    pub(crate) last_sequence: i32,
    /// The largest timestamp of the last batch, or -1.
    pub(crate) last_timestamp: i64,
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
}

impl Producers {
    /// Whether a client's batch may be appended now. Batches without a producer id always may.
    ///
    /// A producer that is not known, as after its records were deleted, may continue at any sequence.
    pub(crate) fn check(&self, batch: &BatchHeader) -> Result<(), ProducerError> {
        if !batch.has_producer_id() || mutant::makes(Mutant::ForgetDuplicates) {
            return Ok(());
        }
        let Some(producer) = self.by_id.get(&batch.producer_id) else { return Ok(()) };
        let (producer_id, received) = (batch.producer_id, batch.base_sequence);
        if batch.producer_epoch < producer.epoch {
            let (current, received) = (producer.epoch, batch.producer_epoch);
            return Err(ProducerError::StaleEpoch { producer_id, current, received });
        }
        if batch.producer_epoch > producer.epoch {
            let starts_anew = received == 0;
            let last = -1;
            return if starts_anew {
                Ok(())
            } else {
                Err(ProducerError::OutOfOrder { producer_id, last, received })
            };
        }
        let same = |mark: &&BatchMark| {
            mark.first_sequence() == received && mark.last_sequence == batch.last_sequence()
        };
        if let Some(mark) = producer.marks().iter().find(same) {
            return Err(ProducerError::Duplicate(Duplicate {
                base_offset: mark.base_offset(),
                last_offset: mark.last_offset,
                timestamp: mark.timestamp,
            }));
        }
        let last = producer.newest().map_or(-1, |mark| mark.last_sequence);
        if received == next_sequence(last) {
            Ok(())
        } else {
            Err(ProducerError::OutOfOrder { producer_id, last, received })
        }
    }

    /// Remembers an appended batch, whose header has its final offsets. Also replays the log, so it refuses nothing.
    pub(crate) fn record(&mut self, batch: &BatchHeader) {
        if !batch.has_producer_id() {
            return;
        }
        let producer =
            self.by_id.entry(batch.producer_id).or_insert_with(|| Producer::new(batch.producer_epoch));
        if batch.producer_epoch != producer.epoch {
            *producer = Producer::new(batch.producer_epoch);
        }
        // A transaction marker carries the producer's id and epoch but no sequence of its own.
        if batch.attributes.is_control() || batch.base_sequence < 0 {
            return;
        }
        producer.push(BatchMark {
            last_sequence: batch.last_sequence(),
            last_offset: batch.last_offset(),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        });
    }

    /// Takes over older batches of the same producers, which a snapshot leaves out, from a replay of what is in front of
    /// the snapshot. A retry of any of them is then still recognised.
    pub(crate) fn complete_from(&mut self, replayed: &Self) {
        for (id, producer) in &mut self.by_id {
            let same =
                |other: &&Producer| other.epoch == producer.epoch && other.newest() == producer.newest();
            if let Some(other) = replayed.by_id.get(id).filter(same) {
                producer.clone_from(other);
            }
        }
    }

    /// The last offset of each producer: its batch has the sequence that the next one follows.
    pub(crate) fn last_offsets(&self) -> HashMap<i64, i64> {
        let last = |(id, producer): (&i64, &Producer)| Some((*id, producer.newest()?.last_offset));
        self.by_id.iter().filter_map(last).collect()
    }

    /// All of them, by id.
    pub(crate) fn active(&self) -> Vec<ActiveProducer> {
        let told = |(id, producer): (&i64, &Producer)| {
            let (last_sequence, last_timestamp) =
                producer.newest().map_or((-1, -1), |mark| (mark.last_sequence, mark.timestamp));
            ActiveProducer { id: *id, epoch: producer.epoch, last_sequence, last_timestamp }
        };
        let mut all: Vec<_> = self.by_id.iter().map(told).collect();
        all.sort_by_key(|producer| producer.id);
        all
    }

    /// No producer is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Forgets producers whose last record is `expiration_ms` old.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.by_id.retain(|_, producer| {
            producer.newest().is_none_or(|mark| now_ms.saturating_sub(mark.timestamp) < expiration_ms)
        });
    }

    /// The state in Kafka's format, which keeps only the newest batch of each producer.
    pub(crate) fn to_snapshot(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SNAPSHOT_HEADER_LEN + self.by_id.len() * ENTRY_LEN);
        out.extend_from_slice(&SNAPSHOT_VERSION.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        // More producers than the count can say do not fit into memory either.
        out.extend_from_slice(&i32::try_from(self.by_id.len()).unwrap_or(i32::MAX).to_be_bytes());
        for (id, producer) in &self.by_id {
            let none = BatchMark { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 };
            let mark = producer.newest().unwrap_or(&none);
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&producer.epoch.to_be_bytes());
            out.extend_from_slice(&mark.last_sequence.to_be_bytes());
            out.extend_from_slice(&mark.last_offset.to_be_bytes());
            out.extend_from_slice(&mark.offset_delta.to_be_bytes());
            out.extend_from_slice(&mark.timestamp.to_be_bytes());
            out.extend_from_slice(&(-1_i32).to_be_bytes()); // No transaction coordinator was heard of.
            out.extend_from_slice(&(-1_i64).to_be_bytes()); // No transaction is open.
        }
        let crc = crc_fast::crc32_iscsi(&out[CRC_END..]);
        out[CRC_START..CRC_END].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads what [`Producers::to_snapshot`] or Kafka wrote.
    pub(crate) fn from_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let length = SnapshotError::Length { len: bytes.len() };
        let mut fields = Fields(bytes);
        let version = i16::from_be_bytes(fields.take().ok_or(length)?);
        if version != SNAPSHOT_VERSION {
            return Err(SnapshotError::Version(version));
        }
        let crc = u32::from_be_bytes(fields.take().ok_or(length)?);
        if crc != crc_fast::crc32_iscsi(fields.0) {
            return Err(SnapshotError::Crc);
        }
        let count = i32::from_be_bytes(fields.take().ok_or(length)?);
        if usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY_LEN)) != Some(fields.0.len())
        {
            return Err(length);
        }
        let mut producers = Self::default();
        while !fields.0.is_empty() {
            let (id, producer) = fields.entry().ok_or(length)?;
            producers.by_id.insert(id, producer);
        }
        Ok(producers)
    }
}

/// The bytes of a snapshot that are still to be read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn entry(&mut self) -> Option<(i64, Producer)> {
        let id = i64::from_be_bytes(self.take()?);
        let mut producer = Producer::new(i16::from_be_bytes(self.take()?));
        let mark = BatchMark {
            last_sequence: i32::from_be_bytes(self.take()?),
            last_offset: i64::from_be_bytes(self.take()?),
            offset_delta: i32::from_be_bytes(self.take()?),
            timestamp: i64::from_be_bytes(self.take()?),
        };
        self.take::<4>()?; // Epoch of the transaction coordinator.
        self.take::<8>()?; // First offset of the open transaction.
        if mark.last_sequence >= 0 && mark.offset_delta >= 0 {
            producer.push(mark);
        }
        Some((id, producer))
    }
}

fn next_sequence(last: i32) -> i32 {
    if last == i32::MAX { 0 } else { last + 1 }
}

/// `sequence - by` in the ring 0..=i32::MAX.
fn sequence_minus(sequence: i32, by: i32) -> i32 {
    let difference = i64::from(sequence) - i64::from(by);
    let wrapped = if difference < 0 { difference + i64::from(i32::MAX) + 1 } else { difference };
    i32::try_from(wrapped).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinglet_protocol::records::Attributes;

    /// A batch of `count` records at `base_offset`.
    fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset,
            batch_length: 49,
            partition_leader_epoch: 0,
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: count - 1,
            base_timestamp: 1_000,
            max_timestamp: 1_000 + base_offset,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            record_count: count,
        }
    }

    fn after(batches: &[BatchHeader]) -> Producers {
        let mut producers = Producers::default();
        batches.iter().for_each(|batch| producers.record(batch));
        producers
    }

    fn is_out_of_order(result: Result<(), ProducerError>) -> bool {
        matches!(result, Err(ProducerError::OutOfOrder { .. }))
    }

    #[test]
    fn an_unknown_producer_may_start_at_any_sequence() {
        assert_eq!(Producers::default().check(&header(3, 17, 1, 0)), Ok(()));
    }

    #[test]
    fn sequences_follow_each_other_without_gaps() {
        let producers = after(&[header(0, 0, 10, 0)]);
        assert_eq!(producers.check(&header(0, 10, 1, 10)), Ok(()));
        assert!(is_out_of_order(producers.check(&header(0, 11, 1, 10))));
        assert!(is_out_of_order(producers.check(&header(0, 5, 1, 10))), "inside a batch that is kept");
    }

    #[test]
    fn sequences_wrap_after_the_largest() {
        let producers = after(&[header(0, i32::MAX - 1, 2, 0)]);
        assert_eq!(producers.check(&header(0, 0, 1, 2)), Ok(()));
        let across = header(0, i32::MAX, 3, 2);
        let producers = after(&[header(0, i32::MAX - 1, 1, 1), across]);
        assert_eq!(producers.check(&header(0, 2, 1, 5)), Ok(()));
        let original = Duplicate { base_offset: 2, last_offset: 4, timestamp: 1_002 };
        assert_eq!(producers.check(&across), Err(ProducerError::Duplicate(original)));
    }

    #[test]
    fn the_last_five_batches_are_recognised() {
        let batches: Vec<_> = (0..6).map(|i| header(0, i, 1, i64::from(i))).collect();
        let producers = after(&batches);
        for batch in &batches[1..] {
            assert!(matches!(producers.check(batch), Err(ProducerError::Duplicate(_))));
        }
        assert!(is_out_of_order(producers.check(&batches[0])));
    }

    #[test]
    fn a_new_epoch_starts_at_sequence_zero_and_fences_the_old_one() {
        let mut producers = after(&[header(1, 0, 5, 0)]);
        assert!(is_out_of_order(producers.check(&header(2, 5, 1, 5))));
        assert_eq!(producers.check(&header(2, 0, 1, 5)), Ok(()));
        producers.record(&header(2, 0, 1, 5));
        let stale = ProducerError::StaleEpoch { producer_id: 7, current: 2, received: 1 };
        assert_eq!(producers.check(&header(1, 5, 1, 6)), Err(stale));
    }

    #[test]
    fn a_producer_expires_by_its_last_timestamp() {
        let mut producers = after(&[header(0, 0, 1, 0)]);
        producers.expire(1_000 + 99, 100);
        assert_eq!(producers.by_id.len(), 1);
        producers.expire(1_000 + 100, 100);
        assert_eq!(producers, Producers::default());
    }

    #[test]
    fn a_snapshot_keeps_the_newest_batch_of_each_producer() {
        let mut other = header(2, 0, 3, 4);
        other.producer_id = 9;
        let producers = after(&[header(1, 0, 2, 0), header(1, 2, 2, 2), other]);
        let loaded = Producers::from_snapshot(&producers.to_snapshot()).expect("our own snapshot");
        assert_eq!(loaded, after(&[header(1, 2, 2, 2), other]));
    }

    #[test]
    fn a_damaged_snapshot_is_refused_at_every_byte() {
        let good = after(&[header(1, 0, 2, 0)]).to_snapshot();
        for at in 0..good.len() {
            assert!(Producers::from_snapshot(&good[..at]).is_err(), "cut at {at}");
            let mut flipped = good.clone();
            flipped[at] ^= 0x40;
            assert!(Producers::from_snapshot(&flipped).is_err(), "flipped at {at}");
        }
        assert!(Producers::from_snapshot(&[good.as_slice(), &[0]].concat()).is_err());
    }
}
