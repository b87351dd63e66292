//! What a log tells its readers.

use std::collections::BTreeMap;

use super::*;

/// One record as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) epoch: i32,
    pub(super) timestamp: i64,
    pub(super) key: String,
    pub(super) value: String,
}

pub(super) fn records_of(batch: &Batch) -> Vec<Record> {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let records = batch.records(1 << 20).expect("records");
    let record = |record: kinglet_protocol::records::RecordRef<'_>| Record {
        epoch: batch.header().partition_leader_epoch,
        timestamp: record.timestamp,
        key: text(record.key),
        value: text(record.value),
    };
    records.iter().map(|found| record(found.expect("a record"))).collect()
}

/// Every batch that a reader gets from an offset on, whole and with the right checksum.
pub(super) fn batches_from(log: &Log, mut offset: i64) -> Vec<Batch> {
    let mut found = Vec::new();
    while offset < log.end {
        let slice =
            log.read(offset, 1 << 20, i64::MAX, FirstBatch::Always).expect("the offset is in the log");
        let mut bytes = load(&slice);
        if bytes.is_empty() {
            break;
        }
        while let Some(batch) = Batch::split(&mut bytes).expect("whole batches") {
            batch.verify_crc().expect("no garbage");
            offset = batch.header().next_offset();
            found.push(batch);
        }
    }
    found
}

pub(super) fn read_all(log: &Log) -> BTreeMap<i64, Record> {
    let mut all = BTreeMap::new();
    for batch in batches_from(log, log.start) {
        let records = batch.records(1 << 20).expect("records");
        let offsets: Vec<i64> = records.iter().map(|record| record.expect("a record").offset).collect();
        all.extend(offsets.into_iter().zip(records_of(&batch)).filter(|(offset, _)| *offset >= log.start));
    }
    all
}
