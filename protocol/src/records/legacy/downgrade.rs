//! Batches to message sets: for peers that know nothing newer.

use bytes::{Bytes, BytesMut};

use super::MessageFormat;
use super::message::Head;
use crate::records::batch::{Batch, BatchError};
use crate::records::compression::{Compression, compress, compress_for_v0};
use crate::records::header::TimestampType;
use crate::records::record::RecordRef;

/// What a message is larger than its record, at most: for the first allocation.
const GROWTH: usize = 34;

/// Converts whole batches to one message set.
///
/// Codecs, offsets and timestamps stay; with [`MessageFormat::V0`] timestamps go, and headers go always. Control
/// batches are left out. Records below `from_offset` are left out of uncompressed batches; of compressed ones a reader
/// gets all and skips what it has, as with any batch. A record keeps its offset even where compaction left gaps.
///
/// `limit` bounds what one batch takes uncompressed, before and after. zstd is [`BatchError::TooOldFor`]. The checksums
/// of the batches are not compared.
pub fn from_batches(
    mut bytes: Bytes,
    format: MessageFormat,
    from_offset: i64,
    limit: usize,
) -> Result<Bytes, BatchError> {
    let mut set = Vec::new();
    while let Some(batch) = Batch::split(&mut bytes)? {
        put_batch(&batch, format, from_offset, limit, &mut set)?;
    }
    Ok(Bytes::from(set))
}

/// Converts one batch, as [`from_batches`] does. Empty if it has nothing that an old peer could read.
pub fn from_batch(
    batch: &Batch,
    format: MessageFormat,
    from_offset: i64,
    limit: usize,
) -> Result<Bytes, BatchError> {
    let mut set = Vec::new();
    put_batch(batch, format, from_offset, limit, &mut set)?;
    Ok(Bytes::from(set))
}

fn put_batch(
    batch: &Batch,
    format: MessageFormat,
    from_offset: i64,
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let header = batch.header();
    if header.attributes.is_control() {
        return Ok(());
    }
    let codec = header.attributes.compression()?;
    if codec == Compression::Zstd {
        return Err(BatchError::TooOldFor(codec));
    }
    let records = batch.records(limit)?;
    let timestamp_type = header.attributes.timestamp_type();
    let mut messages = Packer { format, timestamp_type, base_offset: 0, limit, start: out.len() };
    if codec == Compression::None {
        out.reserve(batch.bytes().len().min(limit));
        for record in &records {
            let record = record?;
            if record.offset >= from_offset {
                messages.put(&record, out)?;
            }
        }
        return Ok(());
    }
    let mut inside = Vec::with_capacity((records.bytes().len().saturating_add(GROWTH)).min(limit));
    messages.start = 0;
    let mut last: Option<(i64, i64)> = None;
    for record in &records {
        let record = record?;
        if last.is_none() && format == MessageFormat::V1 {
            messages.base_offset = record.offset;
        }
        messages.put(&record, &mut inside)?;
        let max_timestamp = last.map_or(record.timestamp, |(_, most)| most.max(record.timestamp));
        last = Some((record.offset, max_timestamp));
    }
    // Compaction may leave a batch without records.
    let Some((offset, timestamp)) = last else { return Ok(()) };
    let mut packed = BytesMut::with_capacity(inside.len() / 4);
    match format {
        MessageFormat::V0 => compress_for_v0(codec, &inside, &mut packed)?,
        MessageFormat::V1 => compress(codec, None, &inside, &mut packed)?,
    }
    Head { format, offset, codec, timestamp, timestamp_type }.put(None, Some(&packed), out)
}

/// Writes the records of one batch as messages.
struct Packer {
    format: MessageFormat,
    timestamp_type: TimestampType,
    /// What the offsets count from: inside a wrapper of v1 they are relative.
    base_offset: i64,
    limit: usize,
    /// Where in the output the batch starts.
    start: usize,
}

impl Packer {
    fn put(&self, record: &RecordRef<'_>, out: &mut Vec<u8>) -> Result<(), BatchError> {
        let head = Head {
            format: self.format,
            offset: record.offset.wrapping_sub(self.base_offset),
            codec: Compression::None,
            timestamp: record.timestamp,
            timestamp_type: self.timestamp_type,
        };
        head.put(record.key, record.value, out)?;
        if out.len() - self.start > self.limit {
            return Err(BatchError::TooLarge { limit: self.limit });
        }
        Ok(())
    }
}
