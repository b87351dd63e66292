//! What compaction makes of a batch: fewer records at the same offsets.

use bytes::{Bytes, BytesMut};

use super::batch::{Batch, BatchError, checksum};
use super::builder::{length, nullable_len, put_nullable, put_uvarlong, put_varint};
use super::compression::{CompressError, Compression, compress};
use super::header::{CRC_AT, HEADER_LEN, LOG_OVERHEAD, TimestampType};
use super::record::RecordRef;
use crate::wire::varint;

/// The batch with only `kept` of its records, in their order, at their offsets and times.
///
/// Base offset, last offset, producer, epoch, sequence and codec stay, so that nothing moves for readers and the producer's
/// state is as before. With `delete_horizon` the base timestamp becomes the time (ms since 1970) from which compaction may drop
/// the batch's tombstones (KIP-534); a horizon that the batch has stays. Without records, only the header is left, with its
/// largest timestamp.
pub fn retain(
    batch: &Batch,
    kept: &[RecordRef<'_>],
    delete_horizon: Option<i64>,
) -> Result<Bytes, BatchError> {
    let mut header = *batch.header();
    if let Some(horizon) = delete_horizon {
        header.base_timestamp = horizon;
        header.attributes = header.attributes.with_delete_horizon();
    }
    let is_append_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    if !is_append_time && let Some(newest) = kept.iter().map(|record| record.timestamp).max() {
        header.max_timestamp = newest;
    }
    header.record_count =
        i32::try_from(kept.len()).map_err(|_| BatchError::Corrupt("more than 2^31 records"))?;
    let mut records = Vec::new();
    for record in kept {
        put(&mut records, record, header.base_offset, header.base_timestamp);
    }
    let mut out = BytesMut::with_capacity(HEADER_LEN + records.len());
    out.resize(HEADER_LEN, 0);
    match header.attributes.compression()? {
        // A codec's frame around nothing is not written, as Kafka does not.
        _ if records.is_empty() => {}
        Compression::None => out.extend_from_slice(&records),
        codec => compress(codec, None, &records, &mut out)?,
    }
    let size = out.len();
    header.batch_length = i32::try_from(size - LOG_OVERHEAD).map_err(|_| CompressError::TooLarge { size })?;
    header.write(out.first_chunk_mut().expect("room for the header was left at the start"));
    let crc = checksum(&out);
    out[CRC_AT].copy_from_slice(&crc.to_be_bytes());
    Ok(out.freeze())
}

fn put(out: &mut Vec<u8>, record: &RecordRef<'_>, base_offset: i64, base_timestamp: i64) {
    let timestamp_delta = record.timestamp.wrapping_sub(base_timestamp);
    // The iterator that made the record checked that its offset lies in the batch.
    let offset_delta = i32::try_from(record.offset - base_offset).unwrap_or(i32::MAX);
    let headers = record.headers();
    let count = length(headers.len());
    let fields =
        headers.clone().map(|(key, value)| nullable_len(Some(key)) + nullable_len(value)).sum::<usize>();
    let size = 1
        + varint::varlong_len(timestamp_delta)
        + varint::varint_len(offset_delta)
        + nullable_len(record.key)
        + nullable_len(record.value)
        + varint::varint_len(count)
        + fields;
    put_varint(out, length(size));
    out.push(0);
    put_uvarlong(out, varint::zigzag64(timestamp_delta));
    put_varint(out, offset_delta);
    put_nullable(out, record.key);
    put_nullable(out, record.value);
    put_varint(out, count);
    for (key, value) in headers {
        put_nullable(out, Some(key));
        put_nullable(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, Seal};
    use super::*;

    fn batch(compression: Compression) -> Batch {
        let mut builder = BatchBuilder::new(64);
        for i in 0..5_u8 {
            let headers: &[(&str, Option<&[u8]>)] = &[("h", Some(&[i])), ("none", None)];
            builder.push(1_000 + i64::from(i), Some(&[b'k', i]), (i != 3).then_some(&b"value"[..]), headers);
        }
        let seal =
            Seal { compression, producer_id: 7, producer_epoch: 2, base_sequence: 40, ..Seal::default() };
        Batch::split(&mut builder.seal(seal).unwrap()).unwrap().unwrap()
    }

    fn reread(mut bytes: Bytes) -> Batch {
        let batch = Batch::split(&mut bytes).unwrap().unwrap();
        batch.verify_crc().unwrap();
        assert!(bytes.is_empty());
        batch
    }

    #[test]
    fn what_stays_keeps_offset_time_headers_and_sequence_under_every_codec() {
        for compression in Compression::ALL {
            for horizon in [None, Some(99_000)] {
                let before = batch(compression);
                let records = before.records(1 << 20).unwrap();
                let kept: Vec<_> =
                    records.iter().map(Result::unwrap).filter(|record| record.offset % 2 == 1).collect();
                let after = reread(retain(&before, &kept, horizon).unwrap());
                let (old, new) = (before.header(), after.header());
                assert_eq!((new.base_offset, new.last_offset()), (old.base_offset, old.last_offset()));
                assert_eq!((new.producer_id, new.producer_epoch, new.base_sequence), (7, 2, 40));
                assert_eq!((new.last_sequence(), new.record_count, new.max_timestamp), (44, 2, 1_003));
                assert_eq!(new.attributes.compression().unwrap(), compression);
                assert_eq!(new.attributes.has_delete_horizon(), horizon.is_some());
                assert_eq!(new.base_timestamp, horizon.unwrap_or(1_000));
                let left = after.records(1 << 20).unwrap();
                let left: Vec<_> = left.iter().map(Result::unwrap).collect();
                assert_eq!(left.len(), kept.len());
                for (a, b) in left.iter().zip(&kept) {
                    assert_eq!(
                        (a.offset, a.timestamp, a.key, a.value),
                        (b.offset, b.timestamp, b.key, b.value)
                    );
                    assert!(a.headers().eq(b.headers()));
                }
            }
        }
    }

    #[test]
    fn an_emptied_batch_is_a_header_that_keeps_its_last_sequence() {
        for compression in Compression::ALL {
            let after = reread(retain(&batch(compression), &[], None).unwrap());
            assert_eq!((after.bytes().len(), after.header().record_count), (HEADER_LEN, 0));
            assert_eq!((after.header().last_sequence(), after.header().max_timestamp), (44, 1_004));
            assert_eq!(after.records(1 << 20).unwrap().iter().count(), 0);
        }
    }
}
