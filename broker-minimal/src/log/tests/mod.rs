//! The log through its own API, on real files.

mod cleaner;
mod copy;
mod crash;
mod dirs;
mod recovery;
mod store;
mod sync_errors;
mod upkeep;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kinglet_protocol::Uuid;
use kinglet_protocol::records::{Batch, BatchBuilder, Compression, Seal};

use super::*;

/// The broker's time in these tests.
const NOW: i64 = 1_700_000_000_000;
const ID: Uuid = Uuid([7; 16]);

/// A temporary data directory with one partition.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a temporary directory") }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("words-0")
    }

    fn create(&self, config: LogConfig) -> Log {
        Log::create(&self.dir(), ID, config).expect("a new log")
    }

    fn open(&self, config: LogConfig, recovery: Recovery) -> (Log, RecoveryReport) {
        Log::open(&self.dir(), config, recovery, NOW).expect("the log opens")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir()).expect("the partition's directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

const CLEAN: Recovery = Recovery { clean: true, recovery_point: 0, log_start: 0, first_dirty: 0 };
const CRASHED: Recovery = Recovery { clean: false, recovery_point: 0, log_start: 0, first_dirty: 0 };

/// A batch as a producer sends it: these values, the first at `timestamp`, each a millisecond later.
fn batch_at(timestamp: i64, values: &[&str]) -> Batch {
    sealed(timestamp, values, Seal { compression: Compression::None, ..Seal::default() })
}

fn batch(values: &[&str]) -> Batch {
    batch_at(NOW, values)
}

/// A batch of an idempotent producer.
fn batch_of(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&str]) -> Batch {
    let seal = Seal {
        compression: Compression::None,
        producer_id,
        producer_epoch,
        base_sequence,
        ..Seal::default()
    };
    sealed(NOW, values, seal)
}

fn sealed(timestamp: i64, values: &[&str], seal: Seal) -> Batch {
    let mut builder = BatchBuilder::new(64);
    for (value, at) in values.iter().zip(timestamp..) {
        builder.push(at, None, Some(value.as_bytes()), &[]);
    }
    let mut bytes = builder.seal(seal).expect("a batch without compression");
    Batch::split(&mut bytes).expect("a valid batch").expect("one batch")
}

/// A batch of one record of `size` bytes.
fn batch_of_size(size: usize) -> Batch {
    batch(&["x".repeat(size).as_str()])
}

fn append(log: &mut Log, batch: Batch) -> Appended {
    log.append(&[batch], 0, NOW).expect("the append succeeds")
}

/// The bytes of a slice.
fn load(slice: &FileSlice) -> Bytes {
    let mut bytes = vec![0; slice.len];
    slice.file.read_exact_at(&mut bytes, slice.position).expect("the slice is in the file");
    Bytes::from(bytes)
}

/// Offset and value of every record from `offset` on, over all segments.
fn records(log: &Log, mut offset: i64) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    while offset < log.end_offset() {
        let slice =
            log.read(offset, usize::MAX, i64::MAX, FirstBatch::Always).expect("the offset is in the log");
        let mut bytes = load(&slice);
        while let Some(batch) = Batch::split(&mut bytes).expect("whole batches") {
            batch.verify_crc().expect("the checksum matches");
            for record in batch.records(1 << 20).expect("records").iter() {
                let record = record.expect("a record");
                if record.offset >= offset {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                    found.push((record.offset, value));
                }
            }
            offset = batch.header().next_offset();
        }
    }
    found
}

fn values(log: &Log) -> Vec<String> {
    records(log, log.start_offset()).into_iter().map(|(_, value)| value).collect()
}

fn write_file(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the file is written");
}
