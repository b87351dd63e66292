//! Record batches of format v2.

use bytes::{Bytes, BytesMut};
use kinglet_protocol::records::control::ControlRecord;
use kinglet_protocol::records::legacy::{MessageFormat, from_batch};
use kinglet_protocol::records::{
    Batch, BatchBuilder, Compression, Depth, HEADER_LEN, RecordRef, Records, Seal, TimestampType, peek_size,
    set_log_append_time, set_producer, validate,
};

use super::legacy::{Plain, comes_back};
use super::{LIMIT, PACKING, UNPACKING, bounded, tell, unpacking};

/// Flags, then batches behind each other. The flags: 1 gives each batch its right checksum, 2 converts to messages of v1
/// instead of v0, 4 packs with the codec's default level instead of its fastest.
pub fn batch(data: &[u8]) {
    let [flags, batches @ ..] = data else { return };
    let mut rest = BytesMut::from(batches);
    if flags & 1 != 0 {
        mend(&mut rest);
    }
    let mut rest = rest.freeze();
    loop {
        let before = rest.clone();
        match bounded(rest.len(), 0, || Batch::split(&mut rest)) {
            Ok(Some(batch)) => one(&batch, *flags),
            Ok(None) => return,
            Err(error) => {
                assert_eq!(rest, before, "after an error nothing is taken");
                assert_ne!(error.code(), 0);
                return tell(&error);
            }
        }
    }
}

/// Gives every whole batch the checksum of its bytes, which no mutation would find.
pub(crate) fn mend(batches: &mut [u8]) {
    let mut rest = batches;
    while let Some(size) = peek_size(rest).filter(|size| *size <= rest.len()) {
        let (batch, behind) = rest.split_at_mut(size);
        let crc = crc_fast::crc32_iscsi(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        rest = behind;
    }
}

fn one(batch: &Batch, flags: u8) {
    let len = batch.bytes().len();
    let mut header = [0; HEADER_LEN];
    batch.header().write(&mut header);
    assert_eq!(batch.bytes()[..HEADER_LEN], header, "a header comes back");
    let unpacking = unpacking(batch.header().attributes.compression().ok(), LIMIT);
    let is_valid = [Depth::Header, Depth::Crc, Depth::Records].map(|depth| {
        bounded(len, unpacking, || validate(batch, depth, LIMIT)).inspect_err(|error| tell(error)).is_ok()
    });
    assert!(is_valid.is_sorted_by(|shallow, deep| shallow >= deep), "depths only add");
    let records = match bounded(len, unpacking, || batch.records(LIMIT)) {
        Ok(records) => records,
        Err(error) => return tell(&error),
    };
    assert!(records.bytes().len() <= LIMIT.max(len), "the limit holds");
    let read = bounded(len, 0, || walk(&records, batch.header().attributes.is_control()));
    let Some(count) = read else { return assert!(!is_valid[2], "a valid batch is read") };
    assert_eq!(count, records.count());
    rebuild(batch, &records, flags);
    convert(batch, &records, flags);
}

/// Reads every record; how many, or `None` after an error.
fn walk(records: &Records, is_control: bool) -> Option<usize> {
    let mut count = 0;
    for record in records {
        let record = record.inspect_err(|error| tell(error)).ok()?;
        let headers = record.headers();
        assert_eq!(headers.len(), record.headers().count(), "what was checked is whole");
        if is_control && let Err(error) = ControlRecord::decode(&record) {
            tell(&error);
        }
        count += 1;
    }
    Some(count)
}

/// Builds a batch of the same records, as far as a producer can.
fn rebuild(batch: &Batch, records: &Records, flags: u8) {
    let mut builder = BatchBuilder::new(512);
    for record in records.iter().flatten() {
        let headers: Option<Vec<_>> =
            record.headers().map(|(key, value)| Some((std::str::from_utf8(key).ok()?, value))).collect();
        let Some(headers) = headers else { return };
        let (before, most) = (builder.len(), BatchBuilder::upper_bound(record.key, record.value, &headers));
        let index = builder.push(record.timestamp, record.key, record.value, &headers);
        assert!(builder.len() - before <= most, "a record passed its upper bound");
        assert_eq!(index + 1, builder.count());
    }
    assert_eq!(builder.is_empty(), records.count() == 0);
    let header = batch.header();
    let compression = header.attributes.compression().expect("its records were unpacked");
    let seal = Seal {
        compression,
        level: compression.levels().map(|levels| *levels.start()).filter(|_| flags & 4 == 0),
        transactional: header.attributes.is_transactional(),
        partition_leader_epoch: header.partition_leader_epoch,
        ..Seal::default()
    };
    let mut built = BytesMut::from(builder.seal(seal).expect("the codec is built in"));
    set_producer(&mut built, header.producer_id, header.producer_epoch, header.base_sequence);
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        set_log_append_time(&mut built, header.max_timestamp);
    }
    let built = only(built.freeze());
    built.verify_crc().expect("it was sealed");
    let ours = built.header();
    assert_eq!(ours.has_producer_id(), header.has_producer_id());
    assert_eq!(ours.attributes.timestamp_type(), header.attributes.timestamp_type());
    let again = built.records(LIMIT).expect("it was packed from as many bytes");
    assert_eq!(again.count(), records.count());
    for (index, (again, record)) in again.iter().zip(records).enumerate() {
        let (again, record) = (again.expect("it was pushed"), record.expect("it was read"));
        assert_eq!(usize::try_from(again.offset).ok(), Some(index));
        assert!(is_same(&again, &record), "{again:?} of {record:?}");
    }
}

fn is_same(a: &RecordRef<'_>, b: &RecordRef<'_>) -> bool {
    (a.timestamp, a.key, a.value) == (b.timestamp, b.key, b.value) && a.headers().eq(b.headers())
}

/// Converts to messages of an old format and compares what they say.
fn convert(batch: &Batch, records: &Records, flags: u8) {
    let format = if flags & 2 == 0 { MessageFormat::V0 } else { MessageFormat::V1 };
    let len = batch.bytes().len();
    let attributes = batch.header().attributes;
    let set = match bounded(len, UNPACKING + PACKING, || from_batch(batch, format, i64::MIN, 8 * LIMIT)) {
        Ok(set) => set,
        Err(error) => {
            assert_eq!(attributes.compression(), Ok(Compression::Zstd), "{error}");
            return tell(&error);
        }
    };
    if attributes.is_control() {
        return assert!(set.is_empty(), "old peers know no control records");
    }
    let plain: Vec<_> = records.iter().flatten().map(|record| Plain::of(&record)).collect();
    comes_back(&plain, set, format);
}

fn only(mut bytes: Bytes) -> Batch {
    let batch = Batch::split(&mut bytes).expect("a batch").expect("a whole one");
    assert!(bytes.is_empty());
    batch
}
