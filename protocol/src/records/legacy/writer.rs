//! Writes the batch that messages become. Its offsets may have gaps, which those of a producer never have: that is why it
//! is not the producer's builder.

use bytes::{Bytes, BytesMut};

use super::message::{Message, NO_TIMESTAMP};
use crate::records::batch::{BatchError, checksum};
use crate::records::builder::{length, nullable_len, put_nullable, put_uvarlong, put_varint};
use crate::records::compression::{Compression, compress};
use crate::records::header::{Attributes, BatchHeader, CRC_AT, HEADER_LEN, LOG_OVERHEAD, TimestampType};
use crate::wire::varint;

/// Where a run of uncompressed messages ends: readers take batches one by one.
const RUN_SIZE: usize = 1 << 20;
/// Varints of a record at their longest, as `builder.rs` counts them.
const MAX_RECORD_OVERHEAD: usize = 36;

/// A batch under construction.
pub(super) struct Writer {
    base_offset: i64,
    append_time: Option<i64>,
    base_timestamp: i64,
    max_timestamp: i64,
    last_offset_delta: i32,
    pub(super) count: i32,
    buf: Vec<u8>,
}

impl Writer {
    pub(super) fn new(base_offset: i64, append_time: Option<i64>) -> Self {
        let buf = vec![0; HEADER_LEN];
        let (base_timestamp, max_timestamp) = (NO_TIMESTAMP, NO_TIMESTAMP);
        Self { base_offset, append_time, base_timestamp, max_timestamp, last_offset_delta: -1, count: 0, buf }
    }

    /// Whether a message can follow in this batch.
    pub(super) fn takes(&self, message: &Message) -> bool {
        let delta = message.offset.checked_sub(self.base_offset);
        self.append_time == append_time(message)
            && delta.is_some_and(|delta| i32::try_from(delta).is_ok())
            && self.buf.len() < RUN_SIZE
    }

    pub(super) fn push(&mut self, offset: i64, message: &Message) -> Result<(), BatchError> {
        let delta = offset.checked_sub(self.base_offset).and_then(|delta| i32::try_from(delta).ok());
        let Some(delta) = delta.filter(|delta| offset >= 0 && *delta > self.last_offset_delta) else {
            return Err(BatchError::Corrupt("offsets of messages that do not rise, or rise too far"));
        };
        if self.count == 0 {
            (self.base_timestamp, self.max_timestamp) = (message.timestamp, message.timestamp);
        }
        let timestamp_delta = message.timestamp.wrapping_sub(self.base_timestamp);
        self.put_record(timestamp_delta, delta, message)?;
        self.max_timestamp = self.max_timestamp.max(message.timestamp);
        self.last_offset_delta = delta;
        self.count += 1;
        Ok(())
    }

    fn put_record(&mut self, timestamp_delta: i64, delta: i32, message: &Message) -> Result<(), BatchError> {
        let (key, value) = (message.key.as_deref(), message.value.as_deref());
        let len = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
        let most = len(key).saturating_add(len(value)).saturating_add(MAX_RECORD_OVERHEAD);
        if i32::try_from(most.saturating_add(self.buf.len())).is_err() {
            return Err(BatchError::TooLarge { limit: MAX_BATCH_SIZE });
        }
        // Attributes and header count are a byte each.
        let size = 2
            + varint::varlong_len(timestamp_delta)
            + varint::varint_len(delta)
            + nullable_len(key)
            + nullable_len(value);
        self.buf.reserve(most);
        put_varint(&mut self.buf, length(size));
        self.buf.push(0);
        put_uvarlong(&mut self.buf, varint::zigzag64(timestamp_delta));
        put_varint(&mut self.buf, delta);
        put_nullable(&mut self.buf, key);
        put_nullable(&mut self.buf, value);
        put_varint(&mut self.buf, 0);
        Ok(())
    }

    pub(super) fn seal(self, codec: Compression, level: Option<i32>) -> Result<Bytes, BatchError> {
        let header = self.header(codec);
        let mut batch = if codec == Compression::None {
            self.buf
        } else {
            let mut packed = BytesMut::with_capacity(HEADER_LEN + self.buf.len() / 4);
            packed.resize(HEADER_LEN, 0);
            compress(codec, level, self.buf.get(HEADER_LEN..).unwrap_or_default(), &mut packed)?;
            packed.to_vec()
        };
        let batch_length = i32::try_from(batch.len() - LOG_OVERHEAD)
            .map_err(|_| BatchError::TooLarge { limit: MAX_BATCH_SIZE })?;
        let header = BatchHeader { batch_length, ..header };
        header.write(batch.first_chunk_mut().expect("room for the header was left at the start"));
        let crc = checksum(&batch);
        batch[CRC_AT].copy_from_slice(&crc.to_be_bytes());
        Ok(Bytes::from(batch))
    }

    fn header(&self, codec: Compression) -> BatchHeader {
        let timestamp_type = match self.append_time {
            Some(_) => TimestampType::LogAppendTime,
            None => TimestampType::CreateTime,
        };
        BatchHeader {
            base_offset: self.base_offset,
            batch_length: 0,
            partition_leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: Attributes::default().with_compression(codec).with_timestamp_type(timestamp_type),
            last_offset_delta: self.last_offset_delta.max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: self.count,
        }
    }
}

/// What fits the length field of a batch.
const MAX_BATCH_SIZE: usize = i32::MAX as usize;

/// The broker's time, if it is what the message carries: one batch has only one.
pub(super) fn append_time(message: &Message) -> Option<i64> {
    (message.timestamp_type == Some(TimestampType::LogAppendTime)).then_some(message.timestamp)
}
