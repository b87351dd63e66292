//! Records handed to the user: a share of the bytes they arrived in, decoded in place while they are walked.

mod split;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::progress::Progress;
use crate::protocol::messages::fetch::AbortedTransaction;
use crate::protocol::records::control::{ControlRecord, ControlType};
use crate::protocol::records::{
    Batch as WireBatch, BatchError, BatchHeader, Compression, LOG_OVERHEAD, RecordIter, Records,
    TimestampType, peek_size,
};
use crate::{Error, RecordRef, TopicPartition};

/// Wire bytes that go into one [`Batch`], whole record batches though: small ones are put together.
const SHARE: usize = 256 * 1024;
/// What compressed record batches in one [`Batch`] grow to when they are opened; a larger one comes alone. How much they
/// grow is known only of those before.
const OPENED: usize = 1024 * 1024;
/// What compressed records may grow to, for one record batch.
const DECOMPRESSED_MAX: usize = 1 << 30;

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

/// What one partition brought in one answer, not handed out yet.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) index: usize,
    pub(super) generation: u32,
    /// What it counts against the buffer.
    pub(super) size: usize,
    at: TopicPartition,
    /// Where the user goes on.
    pub(super) first_offset: i64,
    high_watermark: i64,
    bytes: Bytes,
    transactions: Option<Aborted>,
    progress: Arc<Progress>,
}

/// Which transactions of a chunk were aborted.
#[derive(Debug)]
pub(super) struct Aborted {
    to_come: VecDeque<AbortedTransaction>,
    open: HashSet<i64>,
}

impl Aborted {
    pub(super) fn new(mut list: Vec<AbortedTransaction>) -> Self {
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
pub(super) type Place = (i64, i32);

/// How far an answer goes: bytes of whole batches, the offset behind them and the leader epoch of the last. It ends in
/// front of a damaged batch; only one at the very beginning is an error, which the next answer will bring.
pub(super) fn extent(bytes: &[u8]) -> Result<(usize, Option<Place>), BatchError> {
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
    pub(super) fn new(
        ask: &super::cursor::Ask,
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
    pub(super) fn take_share(&mut self) -> Result<Option<Share>, Error> {
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
pub(super) struct Share {
    at: TopicPartition,
    batches: Vec<WireBatch>,
    pub(super) first_offset: i64,
    pub(super) next_offset: i64,
    /// Of the last batch, shown or hidden.
    pub(super) leader_epoch: i32,
    high_watermark: i64,
    pub(super) size: usize,
    pub(super) progress: Arc<Progress>,
}

impl Share {
    /// Whether there is nothing in it for the user.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Verifies and decompresses: on the thread that wants the records. `None`: there is no record for the user.
    /// A damaged batch ends it early, which [`Batch::next_offset`] shows; at the very beginning it is an error.
    pub(super) fn open(self, check_crcs: bool, trouble: &Trouble) -> Result<Option<Batch>, Error> {
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

fn at(error: Error, at: &TopicPartition) -> Error {
    error.around(|c| c.topic_partition = Some(at.clone()))
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::BytesMut;

    use super::super::cursor::Ask;
    use super::*;
    use crate::protocol::records::{BatchBuilder, Seal};

    const ABORT: Option<&[u8]> = Some(&[0, 0, 0, 0]);
    const COMMIT: Option<&[u8]> = Some(&[0, 0, 0, 1]);

    /// One record at `offset`: data of a producer, or a marker with this key.
    pub(in super::super) fn one(offset: i64, producer_id: i64, marker: Option<&[u8]>) -> BytesMut {
        let mut builder = BatchBuilder::new(64);
        builder.push(0, marker, Some(&[0; 6]), &[]);
        let seal =
            Seal { producer_id, producer_epoch: 0, base_sequence: 0, transactional: true, ..Seal::default() };
        let mut batch = BytesMut::from(&*builder.seal(seal).expect("it is small"));
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        if marker.is_some() {
            batch[22] |= 0x20;
        }
        batch
    }

    /// So many records from `offset` on.
    pub(in super::super) fn many(offset: i64, count: usize) -> BytesMut {
        let mut builder = BatchBuilder::new(64);
        (0..count).for_each(|_| {
            builder.push(0, Some(b"key"), Some(b"value"), &[("h", Some(b"x"))]);
        });
        let mut batch = BytesMut::from(&*builder.seal(Seal::default()).expect("it is small"));
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        batch
    }

    fn read(log: &[BytesMut], from: i64, aborted: Option<Aborted>) -> (Vec<i64>, i64) {
        let bytes = Bytes::from(log.concat());
        let ask = Ask::from(from);
        let mut chunk = Chunk::new(&ask, bytes, 100, aborted, Progress::new(Arc::default()));
        let (mut offsets, mut next) = (Vec::new(), from);
        while let Some(share) = chunk.take_share().expect("it is sound") {
            next = share.next_offset;
            let batch = share.open(false, &Trouble::default()).expect("it is sound");
            offsets.extend(batch.iter().flat_map(Batch::iter).map(|record| record.offset));
        }
        assert_eq!(chunk.size, 0);
        (offsets, next)
    }

    #[test]
    fn aborted_transactions_are_hidden_from_those_who_read_committed() {
        let log = [
            one(0, 7, None),
            one(1, 8, None),
            one(2, 7, ABORT),
            one(3, 7, None),
            one(4, 8, COMMIT),
            one(5, 7, COMMIT),
        ];
        let aborted = AbortedTransaction { producer_id: 7, first_offset: 0 };
        assert_eq!(read(&log, 0, Some(Aborted::new(vec![aborted]))), (vec![1, 3], 6));
        assert_eq!(read(&log, 0, None), (vec![0, 1, 3], 6), "markers are for nobody");
    }

    #[test]
    fn the_position_moves_behind_what_is_not_shown() {
        assert_eq!(read(&[one(4, 7, COMMIT)], 4, None), (vec![], 5));
        assert_eq!(read(&[one(4, 7, None), one(9, 7, None)], 5, None), (vec![9], 10));
    }

    #[test]
    fn an_answer_counts_up_to_its_last_whole_batch() {
        let log = [one(0, 7, None), one(1, 7, None)].concat();
        let half = log.len() / 2;
        assert_eq!(extent(&log), Ok((log.len(), Some((2, -1)))));
        for cut in half..log.len() {
            assert_eq!(extent(&log[..cut]), Ok((half, Some((1, -1)))), "{cut}");
        }
        assert_eq!(extent(&log[..half - 1]), Ok((0, None)));
        let mut bad = log;
        bad[half + 8..half + 12].copy_from_slice(&1i32.to_be_bytes());
        assert_eq!(extent(&bad), Ok((half, Some((1, -1)))), "what lies in front of the damage is whole");
        assert!(extent(&bad[half..]).is_err(), "a length that would go round in circles");
    }

    fn chunk(log: &[BytesMut], aborted: Option<Aborted>) -> Chunk {
        Chunk::new(&Ask::from(0), Bytes::from(log.concat()), 100, aborted, Progress::new(Arc::default()))
    }

    #[test]
    fn records_in_front_of_a_damaged_batch_reach_the_user() {
        let mut bad = one(1, 7, None);
        *bad.last_mut().unwrap() ^= 1;
        let share = chunk(&[one(0, 7, None), bad.clone()], None).take_share().unwrap().unwrap();
        let batch = share.open(true, &Trouble::default()).unwrap().unwrap();
        let offsets: Vec<_> = batch.iter().map(|record| record.offset).collect();
        assert_eq!((offsets, batch.next_offset()), (vec![0], 1));
        let share = chunk(&[bad, one(2, 7, None)], None).take_share().unwrap().unwrap();
        let error = share.open(true, &Trouble::default()).unwrap_err();
        assert_eq!(error.hint(), Some("seek to offset 2 to skip the batch"));
    }

    #[test]
    fn a_damaged_marker_is_an_error_once_all_in_front_of_it_is_taken() {
        let mut marker = one(1, 7, ABORT);
        // Compressed with nothing that exists.
        marker[22] |= 7;
        let mut chunk = chunk(&[one(0, 7, None), marker], Some(Aborted::new(Vec::new())));
        assert_eq!(chunk.take_share().unwrap().unwrap().next_offset, 1);
        assert!(chunk.take_share().is_err());
        assert_eq!(chunk.first_offset, 1);
    }
}
