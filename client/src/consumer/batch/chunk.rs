//! What was fetched on its way to the user: cut into shares, opened where it is wanted.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::{Batch, Inner, Trouble, at};
use crate::consumer::progress::Progress;
use crate::protocol::messages::fetch::AbortedTransaction;
use crate::protocol::records::control::{ControlRecord, ControlType};
use crate::protocol::records::{
    Batch as WireBatch, BatchError, BatchHeader, Compression, LOG_OVERHEAD, peek_size,
};
use crate::{Error, TopicPartition};

/// Wire bytes that go into one [`Batch`], whole record batches though: small ones are put together.
const SHARE: usize = 256 * 1024;
/// What compressed record batches in one [`Batch`] grow to when they are opened; a larger one comes alone. How much they
/// grow is known only of those before.
const OPENED: usize = 1024 * 1024;
/// What compressed records may grow to, for one record batch.
const DECOMPRESSED_MAX: usize = 1 << 30;

/// What one partition brought in one answer, not handed out yet.
#[derive(Debug)]
pub(in crate::consumer) struct Chunk {
    pub(in crate::consumer) index: usize,
    pub(in crate::consumer) generation: u32,
    /// What it counts against the buffer.
    pub(in crate::consumer) size: usize,
    at: TopicPartition,
    /// Where the user goes on.
    pub(in crate::consumer) first_offset: i64,
    high_watermark: i64,
    bytes: Bytes,
    transactions: Option<Aborted>,
    progress: Arc<Progress>,
}

/// Which transactions of a chunk were aborted.
#[derive(Debug)]
pub(in crate::consumer) struct Aborted {
    to_come: VecDeque<AbortedTransaction>,
    open: HashSet<i64>,
}

impl Aborted {
    pub(in crate::consumer) fn new(mut list: Vec<AbortedTransaction>) -> Self {
        list.sort_by_key(|transaction| transaction.first_offset);
        Self { to_come: list.into(), open: HashSet::new() }
    }

    /// Whether the batch belongs to an aborted transaction. Batches must be shown in order, control batches too.
    fn hides(&mut self, batch: &WireBatch) -> Result<bool, BatchError> {
        let header = batch.header();
        while self.to_come.front().is_some_and(|next| next.first_offset <= header.last_offset()) {
            self.open.extend(self.to_come.pop_front().map(|next| next.producer_id));
        }
        if header.attributes.is_control() {
            if let Some(record) = batch.records(DECOMPRESSED_MAX)?.iter().next()
                && ControlRecord::decode(&record?)
                    .is_ok_and(|control| control.control_type == ControlType::Abort)
            {
                self.open.remove(&header.producer_id);
            }
            return Ok(true);
        }
        Ok(header.attributes.is_transactional() && self.open.contains(&header.producer_id))
    }
}

/// An offset, and the epoch of the leader that wrote the record before it, -1 if unknown.
pub(in crate::consumer) type Place = (i64, i32);

/// How far an answer goes: bytes of whole batches, the offset behind them and the leader epoch of the last. It ends in
/// front of a damaged batch; only one at the very beginning is an error, which the next answer will bring.
pub(in crate::consumer) fn extent(bytes: &[u8]) -> Result<(usize, Option<Place>), BatchError> {
    let (mut end, mut next) = (0, None);
    while let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
        match whole_batch(rest) {
            Ok(Some((size, behind))) => (end, next) = (end + size, Some(behind)),
            Err(e) if end == 0 => return Err(e),
            Ok(None) | Err(_) => break,
        }
    }
    Ok((end, next))
}

/// Size, next offset and leader epoch of the first batch; `None` when the bytes end within it, which an answer may do.
fn whole_batch(bytes: &[u8]) -> Result<Option<(usize, Place)>, BatchError> {
    match peek_size(bytes) {
        Some(size) if size > bytes.len() => Ok(None),
        Some(size) => {
            let header = BatchHeader::parse(bytes)?;
            Ok(Some((size, (header.next_offset(), header.partition_leader_epoch))))
        }
        None if bytes.len() < LOG_OVERHEAD => Ok(None),
        None => Err(BatchError::Corrupt("a batch length below that of an empty batch")),
    }
}

impl Chunk {
    pub(in crate::consumer) fn new(
        ask: &crate::consumer::cursor::Ask,
        bytes: Bytes,
        high_watermark: i64,
        transactions: Option<Aborted>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            index: ask.index,
            generation: ask.generation,
            size: bytes.len(),
            at: ask.at.clone(),
            first_offset: ask.offset,
            high_watermark,
            bytes,
            transactions,
            progress,
        }
    }

    /// Takes the next record batches off: their bytes, and the offset behind them. `None` at the end. Damage is an
    /// error once all in front of it is taken.
    pub(in crate::consumer) fn take_share(&mut self) -> Result<Option<Share>, Error> {
        let mut batches = Vec::new();
        let (mut next_offset, mut leader_epoch, before) = (self.first_offset, -1, self.bytes.len());
        let mut limit = SHARE;
        while before - self.bytes.len() < limit {
            let (batch, hidden) = match self.take_batch() {
                Ok(Some(taken)) => taken,
                Err(e) if self.bytes.len() == before => return Err(at(e.into(), &self.at)),
                Ok(None) | Err(_) => break,
            };
            let header = batch.header();
            if is_compressed(header) {
                limit = limit.min((OPENED / self.progress.growth()).saturating_sub(header.size()));
            }
            (next_offset, leader_epoch) = (header.next_offset(), header.partition_leader_epoch);
            if !hidden && header.record_count > 0 && next_offset > self.first_offset {
                batches.push(batch);
            }
        }
        let size = before - self.bytes.len();
        self.size -= size;
        if size == 0 {
            return Ok(None);
        }
        let first_offset = self.first_offset;
        self.first_offset = next_offset.max(first_offset);
        Ok(Some(Share {
            at: self.at.clone(),
            batches,
            first_offset,
            next_offset: self.first_offset,
            leader_epoch,
            high_watermark: self.high_watermark,
            size,
            progress: self.progress.clone(),
        }))
    }

    /// Takes one batch off, with whether it is none of the user's. A damaged one stays.
    fn take_batch(&mut self) -> Result<Option<(WireBatch, bool)>, BatchError> {
        let mut rest = self.bytes.clone();
        let Some(batch) = WireBatch::split(&mut rest)? else { return Ok(None) };
        let hidden = match &mut self.transactions {
            Some(aborted) => aborted.hides(&batch)?,
            None => batch.header().attributes.is_control(),
        };
        self.bytes = rest;
        Ok(Some((batch, hidden)))
    }
}

/// Record batches on their way to the user: still compressed, not verified.
#[derive(Debug)]
pub(in crate::consumer) struct Share {
    at: TopicPartition,
    batches: Vec<WireBatch>,
    pub(in crate::consumer) first_offset: i64,
    pub(in crate::consumer) next_offset: i64,
    /// Of the last batch, shown or hidden.
    pub(in crate::consumer) leader_epoch: i32,
    high_watermark: i64,
    pub(in crate::consumer) size: usize,
    pub(in crate::consumer) progress: Arc<Progress>,
}

impl Share {
    /// Whether there is nothing in it for the user.
    pub(in crate::consumer) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Verifies and decompresses: on the thread that wants the records. `None`: there is no record for the user.
    /// A damaged batch ends it early, which [`Batch::next_offset`] shows; at the very beginning it is an error.
    pub(in crate::consumer) fn open(
        self,
        check_crcs: bool,
        trouble: &Trouble,
    ) -> Result<Option<Batch>, Error> {
        let Some(first) = self.batches.first() else { return Ok(None) };
        let timestamp_type = first.header().attributes.timestamp_type();
        let mut parts = Vec::with_capacity(self.batches.len());
        let (mut leader_epoch, mut whole_end, mut next_offset) = (-1, self.first_offset, self.next_offset);
        let (mut packed, mut opened) = (0, 0);
        for batch in &self.batches {
            let header = batch.header();
            let sound = if check_crcs { batch.verify_crc() } else { Ok(()) };
            match sound.and_then(|()| batch.records(DECOMPRESSED_MAX)) {
                Ok(records) => {
                    if is_compressed(header) {
                        packed += header.size();
                        opened += records.bytes().len();
                    }
                    parts.push(records);
                }
                Err(e) if parts.is_empty() => {
                    let hint = format!("seek to offset {} to skip the batch", header.next_offset());
                    return Err(at(Error::from(e).hinted(hint), &self.at));
                }
                Err(_) => {
                    next_offset = whole_end;
                    break;
                }
            }
            (leader_epoch, whole_end) = (header.partition_leader_epoch, header.next_offset());
        }
        if packed > 0 {
            self.progress.grew(opened.div_ceil(packed));
        }
        let inner = Inner {
            at: self.at,
            parts,
            first_offset: self.first_offset,
            next_offset,
            high_watermark: self.high_watermark,
            leader_epoch,
            timestamp_type,
            trouble: trouble.clone(),
            told: AtomicBool::new(false),
            progress: self.progress,
        };
        Ok(Some(Batch { inner: Arc::new(inner) }))
    }
}

fn is_compressed(header: &BatchHeader) -> bool {
    header.attributes.compression() != Ok(Compression::None)
}
