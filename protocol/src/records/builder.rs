//! Builds a batch in the buffer that goes on the wire. When a batch is full or due is the accumulator's decision.

use bytes::{Bytes, BytesMut};

use super::batch::checksum;
use super::compression::{CompressError, Compression, compress};
use super::header::{
    ATTRIBUTES_AT, Attributes, BatchHeader, CRC_AT, HEADER_LEN, LOG_OVERHEAD, MAX_TIMESTAMP_AT, PRODUCER_AT,
    TimestampType,
};
use crate::wire::varint;

/// The first allocation of a builder: partitions that get a record now and then should not cost a whole batch.
const START_CAPACITY: usize = 1024;
/// Varints of a record at their longest: length 5, attributes 1, timestamp 10, offset 5, key 5, value 5, headers 5.
const MAX_RECORD_OVERHEAD: usize = 36;
/// Length varints of key and value at their longest.
const MAX_HEADER_OVERHEAD: usize = 10;
const RECORD_FITS: &str = "a record is below 2 GiB: callers bound it by max.request.size before they push";

/// A batch under construction.
///
/// Each record is encoded as it is pushed, with one copy of key and value. Memory follows the data: the buffer
/// starts small and doubles up to the hint given at the start.
#[derive(Debug)]
pub struct BatchBuilder {
    buf: Vec<u8>,
    capacity_hint: usize,
    count: u32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// What [`BatchBuilder::seal`] writes besides the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Codec of the records.
    pub compression: Compression,
    /// Level of the codec; `None` is Kafka's default.
    pub level: Option<i32>,
    /// Id of an idempotent producer, else -1.
    pub producer_id: i64,
    /// Epoch of the producer id, else -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, else -1.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// The leader's epoch; -1 from a producer, as the leader writes its own.
    pub partition_leader_epoch: i32,
}

impl Default for Seal {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            level: None,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            transactional: false,
            partition_leader_epoch: -1,
        }
    }
}

impl BatchBuilder {
    /// An empty batch that is expected to grow to `capacity_hint` bytes (`batch.size`); it may grow past it.
    pub fn new(capacity_hint: usize) -> Self {
        let mut buf = Vec::with_capacity(capacity_hint.clamp(HEADER_LEN, START_CAPACITY));
        buf.resize(HEADER_LEN, 0);
        Self { buf, capacity_hint, count: 0, base_timestamp: -1, max_timestamp: -1 }
    }

    /// Appends a record and returns its index in the batch. `timestamp` is in ms since 1970.
    ///
    /// # Panics
    ///
    /// If the record takes 2 GiB or more, or the batch already holds `i32::MAX` records.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> u32 {
        let index = self.count;
        if index == 0 {
            (self.base_timestamp, self.max_timestamp) = (timestamp, timestamp);
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = i32::try_from(index).expect("a batch holds fewer than 2^31 records");
        // The length goes in front of the record, so the size is summed up before anything is written.
        let size = 1
            + varint::varlong_len(timestamp_delta)
            + varint::varint_len(offset_delta)
            + nullable_len(key)
            + nullable_len(value)
            + varint::varint_len(length(headers.len()))
            + headers.iter().map(|(k, v)| nullable_len(Some(k.as_bytes())) + nullable_len(*v)).sum::<usize>();
        self.reserve(varint::varint_len(length(size)) + size);

        put_varint(&mut self.buf, length(size));
        // A record has attributes of its own, none of which is in use.
        self.buf.push(0);
        put_uvarlong(&mut self.buf, varint::zigzag64(timestamp_delta));
        put_varint(&mut self.buf, offset_delta);
        put_nullable(&mut self.buf, key);
        put_nullable(&mut self.buf, value);
        put_varint(&mut self.buf, length(headers.len()));
        for (key, value) in headers {
            put_nullable(&mut self.buf, Some(key.as_bytes()));
            put_nullable(&mut self.buf, *value);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        index
    }

    /// Bytes that a record takes at most, for deciding whether it still fits.
    pub fn upper_bound(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) -> usize {
        let bytes = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
        let headers = headers.iter().map(|(k, v)| MAX_HEADER_OVERHEAD + k.len() + bytes(*v)).sum::<usize>();
        MAX_RECORD_OVERHEAD + bytes(key) + bytes(value) + headers
    }

    /// Bytes so far, the batch header included; before compression.
    pub fn len(&self) -> usize {
        self.buf.len()
    }

    /// Bytes of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Bytes of memory that it will hold besides, when `more` bytes follow.
    #[inline]
    pub fn growth(&self, more: usize) -> usize {
        let capacity = self.buf.capacity();
        if more <= capacity - self.buf.len() { 0 } else { self.capacity_for(more) - capacity }
    }

    /// Records so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether no record was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Compresses the records and writes header and checksum: the batch as it goes on the wire.
    pub fn seal(self, seal: Seal) -> Result<Bytes, CompressError> {
        let header = self.header(&seal);
        if seal.compression == Compression::None {
            let mut batch = self.buf;
            write_header(&mut batch, header)?;
            return Ok(Bytes::from(batch));
        }
        // A quarter is what text compresses to; the codecs grow the buffer if it is not enough.
        let mut batch = BytesMut::with_capacity(HEADER_LEN + self.buf.len() / 4);
        batch.resize(HEADER_LEN, 0);
        compress(seal.compression, seal.level, self.buf.get(HEADER_LEN..).unwrap_or_default(), &mut batch)?;
        write_header(&mut batch, header)?;
        // Codecs ask for the worst case. A batch may wait long for its turn: it should hold what it is.
        let is_roomy = batch.capacity() / 2 > batch.len();
        Ok(if is_roomy { Bytes::copy_from_slice(&batch) } else { batch.freeze() })
    }

    fn header(&self, seal: &Seal) -> BatchHeader {
        let attributes = Attributes::default().with_compression(seal.compression);
        let record_count = i32::try_from(self.count).expect("a batch holds fewer than 2^31 records");
        BatchHeader {
            base_offset: 0,
            batch_length: 0,
            partition_leader_epoch: seal.partition_leader_epoch,
            magic: 2,
            crc: 0,
            attributes: if seal.transactional { attributes.with_transactional() } else { attributes },
            last_offset_delta: (record_count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: seal.producer_id,
            producer_epoch: seal.producer_epoch,
            base_sequence: seal.base_sequence,
            record_count,
        }
    }

    #[inline]
    fn reserve(&mut self, more: usize) {
        if self.buf.capacity() - self.buf.len() < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.buf.reserve_exact(self.capacity_for(more) - self.buf.len());
    }

    fn capacity_for(&self, more: usize) -> usize {
        let need = self.buf.len() + more;
        let doubled = self.buf.capacity() * 2;
        // Up to the hint and no further, if that is enough: a full batch should not hold twice its size.
        let target = if need <= self.capacity_hint { doubled.min(self.capacity_hint) } else { doubled };
        target.max(need)
    }
}

/// Gives a sealed batch another producer id, epoch and sequence, and a new checksum: what a producer needs when
/// it sends a batch again under a new epoch.
///
/// # Panics
///
/// If `batch` is shorter than a batch header.
pub fn set_producer(batch: &mut BytesMut, id: i64, epoch: i16, sequence: i32) {
    let mut fields = [0; 14];
    fields[..8].copy_from_slice(&id.to_be_bytes());
    fields[8..10].copy_from_slice(&epoch.to_be_bytes());
    fields[10..].copy_from_slice(&sequence.to_be_bytes());
    batch[PRODUCER_AT].copy_from_slice(&fields);
    set_checksum(batch);
}

/// Stamps a batch with the broker's clock (`message.timestamp.type=LogAppendTime`), in ms since 1970, and gives
/// it a new checksum.
///
/// # Panics
///
/// If `batch` is shorter than a batch header.
pub fn set_log_append_time(batch: &mut BytesMut, timestamp: i64) {
    let mut attributes = [0; 2];
    attributes.copy_from_slice(&batch[ATTRIBUTES_AT]);
    let attributes =
        Attributes(i16::from_be_bytes(attributes)).with_timestamp_type(TimestampType::LogAppendTime);
    batch[ATTRIBUTES_AT].copy_from_slice(&attributes.0.to_be_bytes());
    batch[MAX_TIMESTAMP_AT].copy_from_slice(&timestamp.to_be_bytes());
    set_checksum(batch);
}

/// Completes the header with length and checksum, over the room that was left for it.
fn write_header(batch: &mut [u8], mut header: BatchHeader) -> Result<(), CompressError> {
    let size = batch.len();
    header.batch_length = i32::try_from(size - LOG_OVERHEAD).map_err(|_| CompressError::TooLarge { size })?;
    header.write(batch.first_chunk_mut().expect("room for the header was left at the start"));
    set_checksum(batch);
    Ok(())
}

fn set_checksum(batch: &mut [u8]) {
    let crc = checksum(batch);
    batch[CRC_AT].copy_from_slice(&crc.to_be_bytes());
}

#[inline]
pub(super) fn length(len: usize) -> i32 {
    i32::try_from(len).expect(RECORD_FITS)
}

/// Bytes of a nullable field with its length.
#[inline]
pub(super) fn nullable_len(field: Option<&[u8]>) -> usize {
    match field {
        Some(field) => varint::varint_len(length(field.len())) + field.len(),
        None => varint::varint_len(-1),
    }
}

#[inline]
pub(super) fn put_nullable(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        Some(field) => {
            put_varint(out, length(field.len()));
            out.extend_from_slice(field);
        }
        None => put_varint(out, -1),
    }
}

#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, n: i32) {
    put_uvarlong(out, u64::from(varint::zigzag32(n)));
}

/// One and two bytes are written apart: nearly every number of a record is that short, and an append of a length
/// the compiler knows is a store where any other is a call.
#[inline]
pub(super) fn put_uvarlong(out: &mut Vec<u8>, n: u64) {
    let low = n.to_le_bytes()[0];
    if n < 1 << 7 {
        out.push(low);
    } else if n < 1 << 14 {
        out.extend_from_slice(&[low | 0x80, (n >> 7).to_le_bytes()[0]]);
    } else {
        let mut bytes = [0; 10];
        let len = varint::encode_uvarlong(n, &mut bytes);
        out.extend_from_slice(&bytes[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_data_up_to_the_hint() {
        let hint = 16 << 10;
        let mut builder = BatchBuilder::new(hint);
        assert!(builder.buf.capacity() <= START_CAPACITY);
        builder.push(0, None, Some(&[0; 2_000]), &[]);
        assert!(builder.buf.capacity() < hint / 2);
        while builder.len() + BatchBuilder::upper_bound(None, Some(&[0; 100]), &[]) <= hint {
            builder.push(0, None, Some(&[0; 100]), &[]);
        }
        assert_eq!(builder.buf.capacity(), hint, "a full batch takes what the hint says");
        builder.push(0, None, Some(&[0; 100_000]), &[]);
        assert!(builder.buf.capacity() >= builder.len(), "and may pass it");
    }

    #[test]
    fn a_packed_batch_does_not_keep_the_room_its_codec_asked_for() {
        for compression in Compression::ALL {
            let mut builder = BatchBuilder::new(1 << 20);
            builder.push(0, None, Some(&[0; 1 << 19]), &[]);
            let batch = builder.seal(Seal { compression, ..Seal::default() }).unwrap();
            let size = batch.len();
            let capacity = BytesMut::from(batch).capacity();
            assert!(capacity <= 2 * size, "{compression}: {size} bytes hold {capacity}");
        }
    }
}
