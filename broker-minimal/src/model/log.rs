//! A replica's log in memory, around the real histories of epochs and producers: what `Log` does, without files.

use kinglet_protocol::ErrorCode;
use kinglet_protocol::records::{Attributes, BatchHeader};

use crate::log::ProducerError;
use crate::log::epochs::Epochs;
use crate::log::producers::Producers;

/// Records between two snapshots of the producers.
const SEGMENT: i64 = 64;

/// One record, which is a batch of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) epoch: i32,
    pub(super) value: u64,
    /// Of an idempotent producer: its id, and the sequence.
    pub(super) producer: Option<(i64, i32)>,
    pub(super) timestamp: i64,
}

impl Record {
    fn header(&self, offset: i64) -> BatchHeader {
        let (producer_id, base_sequence) = self.producer.unwrap_or((-1, -1));
        BatchHeader {
            base_offset: offset,
            batch_length: 49,
            partition_leader_epoch: self.epoch,
            magic: 2,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: 0,
            base_timestamp: self.timestamp,
            max_timestamp: self.timestamp,
            producer_id,
            producer_epoch: if producer_id < 0 { -1 } else { 0 },
            base_sequence,
            record_count: 1,
        }
    }
}

/// One replica's log.
#[derive(Debug, Default, Clone)]
pub(super) struct Log {
    records: Vec<Record>,
    epochs: Epochs,
    pub(super) producers: Producers,
    /// A power cut takes nothing before it.
    flushed: i64,
    /// Everything before it was found to be what is committed.
    pub(super) checked: i64,
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Appended {
    At(i64),
    /// It is there already.
    Duplicate(i64),
}

impl Log {
    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    pub(super) fn last_epoch(&self) -> i32 {
        self.epochs.latest().unwrap_or(-1)
    }

    /// A leader's epoch begins.
    pub(super) fn begin(&mut self, epoch: i32) {
        if epoch > self.last_epoch() {
            self.epochs.assign(epoch, self.end());
        }
    }

    /// As the leader, in `record.epoch`.
    pub(super) fn append(&mut self, record: Record, dedups: bool) -> Result<Appended, ErrorCode> {
        if record.epoch < self.last_epoch() {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        let offset = self.end();
        match self
            .producers
            .check(&record.header(offset))
            .or_else(|error| if dedups { Err(error) } else { Ok(()) })
        {
            Ok(()) => {}
            Err(ProducerError::Duplicate(original)) => return Ok(Appended::Duplicate(original.base_offset)),
            Err(ProducerError::StaleEpoch { .. }) => return Err(ErrorCode::INVALID_PRODUCER_EPOCH),
            Err(ProducerError::OutOfOrder { .. }) => return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        }
        self.push(record, true);
        Ok(Appended::At(offset))
    }

    /// As a follower. Nothing is taken that is of an earlier epoch than what is here.
    pub(super) fn copy(&mut self, records: Vec<Record>, remembers: bool) -> Result<(), ErrorCode> {
        for record in records {
            if record.epoch < self.last_epoch() {
                return Err(ErrorCode::FENCED_LEADER_EPOCH);
            }
            self.push(record, remembers);
        }
        Ok(())
    }

    fn push(&mut self, record: Record, remembers: bool) {
        let offset = self.end();
        self.epochs.assign(record.epoch, offset);
        if remembers {
            self.producers.record(&record.header(offset));
        }
        self.records.push(record);
    }

    /// Drops everything from `offset` on. The producers are made anew by a snapshot and what comes after it.
    pub(super) fn cut(&mut self, offset: i64) {
        if offset < self.end() {
            self.records.truncate(usize::try_from(offset).unwrap());
            self.flushed = self.flushed.min(offset);
            self.checked = self.checked.min(offset);
            self.replay();
        }
        self.epochs.truncate_end(self.end());
    }

    pub(super) fn flush(&mut self) {
        self.flushed = self.end();
    }

    pub(super) fn flushed(&self) -> i64 {
        self.flushed
    }

    /// The producers by a snapshot, which has one batch of each, the batches in front of it, and those behind it.
    pub(super) fn replay(&mut self) {
        let snapshot = (self.end() - 1).max(0) / SEGMENT * SEGMENT;
        let mut before = Producers::default();
        (0..snapshot).for_each(|at| before.record(&self.at(at).header(at)));
        let mut producers = Producers::from_snapshot(&before.to_snapshot()).unwrap();
        producers.complete_from(&before);
        (snapshot..self.end()).for_each(|at| producers.record(&self.at(at).header(at)));
        self.producers = producers;
    }

    fn at(&self, offset: i64) -> &Record {
        &self.records[usize::try_from(offset).unwrap()]
    }

    pub(super) fn from(&self, offset: i64) -> &[Record] {
        usize::try_from(offset).ok().and_then(|offset| self.records.get(offset..)).unwrap_or_default()
    }

    pub(super) fn upto(&self, offset: i64) -> &[Record] {
        &self.records[..usize::try_from(offset).unwrap()]
    }

    pub(super) fn epoch_end(&self, epoch: i32) -> (i32, i64) {
        self.epochs.end_offset(epoch, self.end())
    }
}
