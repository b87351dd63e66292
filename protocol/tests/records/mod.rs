//! Records with everything owned, and batches of them, for the tests about records.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use bytes::{Bytes, BytesMut};
use kinglet_protocol::records::{
    Batch, BatchBuilder, BatchError, BatchHeader, RecordRef, Seal, set_producer,
};

pub(crate) const LIMIT: usize = 8 << 20;

/// A record with everything owned, to compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Owned {
    pub(crate) fn of(record: &RecordRef<'_>) -> Self {
        let headers = record.headers();
        Self {
            timestamp: record.timestamp,
            key: record.key.map(Vec::from),
            value: record.value.map(Vec::from),
            headers: headers
                .map(|(k, v)| (String::from_utf8(k.to_vec()).unwrap(), v.map(Vec::from)))
                .collect(),
        }
    }

    pub(crate) fn push_to(&self, builder: &mut BatchBuilder) -> u32 {
        let headers: Vec<_> = self.headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        let (before, bound) = (builder.len(), BatchBuilder::upper_bound(key, value, &headers));
        let index = builder.push(self.timestamp, key, value, &headers);
        assert!(builder.len() - before <= bound, "a record passed its upper bound");
        index
    }
}

pub(crate) fn sealed(records: &[Owned], seal: Seal) -> Bytes {
    let mut builder = BatchBuilder::new(16 << 10);
    for (i, record) in records.iter().enumerate() {
        assert_eq!(usize::try_from(record.push_to(&mut builder)).unwrap(), i);
    }
    builder.seal(seal).unwrap()
}

pub(crate) fn only_batch(mut bytes: Bytes) -> Batch {
    let batch = Batch::split(&mut bytes).unwrap().unwrap();
    assert!(bytes.is_empty());
    batch
}

pub(crate) fn decoded(batch: &Batch) -> Result<Vec<(i64, Owned)>, BatchError> {
    batch.records(LIMIT)?.iter().map(|r| r.map(|r| (r.offset, Owned::of(&r)))).collect()
}

/// Overwrites header fields and makes length and checksum true again.
pub(crate) fn patched(batch: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut batch = BytesMut::from(batch);
    let mut header = only_batch(batch.clone().freeze()).header().to_owned();
    header.batch_length = i32::try_from(batch.len()).unwrap() - 12;
    change(&mut header);
    header.write(batch.first_chunk_mut().unwrap());
    // Sets the checksum as well.
    set_producer(&mut batch, header.producer_id, header.producer_epoch, header.base_sequence);
    batch.freeze()
}

pub(crate) fn samples() -> Vec<Owned> {
    let record = |i: i64| Owned {
        timestamp: 1_700_000_000_000 + i * 7 % 50,
        key: (i % 3 != 0).then(|| format!("key-{i}").into_bytes()),
        value: (i % 5 != 0).then(|| format!("value {i} {}", "x".repeat(10)).into_bytes()),
        headers: (0..i % 3).map(|h| (format!("h{h}"), (h == 0).then(|| vec![7; 3]))).collect(),
    };
    (0..12).map(record).collect()
}
