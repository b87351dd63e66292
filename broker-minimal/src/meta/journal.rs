//! The metadata log's file: batches in Kafka's format, each on disk before anybody hears of it. What they mean is not known here.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kinglet_protocol::EncodeError;
use kinglet_protocol::records::files::segment_file_name;
use kinglet_protocol::records::{Batch, BatchBuilder, BatchError, CompressError, Seal};

use super::image::ReplayError;
use super::record::{Record, RecordError};

/// The directory's name, as Kafka has it.
const DIR: &str = "__cluster_metadata-0";
/// There is one voter and it never changes: neither does the epoch.
const EPOCH: i32 = 1;

/// Why the metadata cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetaError {
    #[error("{path}: {source}")]
    Disk { path: PathBuf, source: io::Error },
    #[error("{path}: corrupt at byte {position}, with valid records behind it: {source}")]
    Corrupt { path: PathBuf, position: usize, source: BatchError },
    #[error("{path}, offset {offset}: {source}")]
    Record { path: PathBuf, offset: i64, source: RecordError },
    #[error("{path}, offset {offset}: {source}")]
    Replay { path: PathBuf, offset: i64, source: ReplayError },
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Seal(#[from] CompressError),
    #[error("{0}: writing failed before, restart the broker")]
    Offline(PathBuf),
}

/// The open file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be good.
    len: u64,
    /// Offset of the next record.
    end: i64,
    /// A failed fsync says nothing about what is on disk, and a second one lies: no more is written then.
    is_offline: bool,
}

impl Journal {
    /// Opens or makes the file under `dir` and hands every record in it to `replay`.
    ///
    /// A last batch that was cut off is removed: it was not on disk, so nobody was answered.
    pub(super) fn open(
        dir: &Path,
        mut replay: impl FnMut(&Record) -> Result<(), ReplayError>,
    ) -> Result<Self, MetaError> {
        let folder = dir.join(DIR);
        let path = folder.join(segment_file_name(0, "log"));
        let disk = |source| MetaError::Disk { path: path.clone(), source };
        fs::create_dir_all(&folder).map_err(disk)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(disk)?;
        for parent in [&folder, dir] {
            File::open(parent).and_then(|parent| parent.sync_all()).map_err(disk)?;
        }
        let mut rest = Bytes::from(fs::read(&path).map_err(disk)?);
        let size = rest.len();
        let mut end = 0;
        loop {
            let position = size - rest.len();
            let batch = match next(&mut rest) {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                Err(source) if holds_batch(&rest) => {
                    return Err(MetaError::Corrupt { path, position, source });
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), position, size, %error, "metadata log cut at a torn record");
                    file.set_len(u64::try_from(position).unwrap_or(u64::MAX)).map_err(disk)?;
                    file.sync_data().map_err(disk)?;
                    break;
                }
            };
            let records = batch.records(usize::MAX);
            let records =
                records.map_err(|source| MetaError::Corrupt { path: path.clone(), position, source })?;
            for record in &records {
                let record =
                    record.map_err(|source| MetaError::Corrupt { path: path.clone(), position, source })?;
                let offset = record.offset;
                // Control records are the quorum's own; a null value belongs to nobody.
                let Some(value) = record.value.filter(|_| !batch.header().attributes.is_control()) else {
                    continue;
                };
                let value = Record::decode(records.bytes().slice_ref(value))
                    .map_err(|source| MetaError::Record { path: path.clone(), offset, source })?;
                replay(&value).map_err(|source| MetaError::Replay { path: path.clone(), offset, source })?;
            }
            end = batch.header().next_offset();
        }
        let len = u64::try_from(size - rest.len()).unwrap_or(u64::MAX);
        Ok(Self { path, file, len, end, is_offline: false })
    }

    /// Whether there is no record yet.
    pub(super) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Writes one batch and waits for the disk. On an error nothing was kept.
    pub(super) fn append(&mut self, records: &[Record], now_ms: i64) -> Result<(), MetaError> {
        if self.is_offline {
            return Err(MetaError::Offline(self.path.clone()));
        }
        let mut builder = BatchBuilder::new(64 * records.len());
        for record in records {
            builder.push(now_ms, None, Some(&record.encode()?), &[]);
        }
        let count = i64::from(builder.count());
        let sealed = builder.seal(Seal { partition_leader_epoch: EPOCH, ..Seal::default() })?;
        let mut batch = Vec::from(sealed);
        if let Some(base_offset) = batch.first_chunk_mut() {
            *base_offset = self.end.to_be_bytes();
        }
        let disk = |path: &Path, source| MetaError::Disk { path: path.to_owned(), source };
        if let Err(source) = self.file.write_all_at(&batch, self.len) {
            // Disk full, most likely: what was written goes, and a later change may find room.
            self.is_offline = self.file.set_len(self.len).is_err();
            return Err(disk(&self.path, source));
        }
        if let Err(source) = self.file.sync_data() {
            self.is_offline = true;
            return Err(disk(&self.path, source));
        }
        self.len += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.end += count;
        Ok(())
    }
}

/// The next batch, checked; `rest` stays where it is when there is none that can be used.
fn next(rest: &mut Bytes) -> Result<Option<Batch>, BatchError> {
    let mut behind = rest.clone();
    let Some(batch) = Batch::split(&mut behind)? else { return Ok(None) };
    batch.verify_crc()?;
    *rest = behind;
    Ok(Some(batch))
}

/// Whether a valid batch begins anywhere behind the first byte: then what is broken in front of it is no torn tail.
fn holds_batch(bytes: &Bytes) -> bool {
    (1..bytes.len()).any(|at| matches!(next(&mut bytes.slice(at..)), Ok(Some(_))))
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::Uuid;
    use kinglet_protocol::messages::metadata_records::{RemoveTopicRecord, TopicRecord};

    use super::*;

    fn record(id: u8) -> Record {
        Record::Topic(TopicRecord { name: format!("topic-{id}"), topic_id: Uuid([id; 16]) })
    }

    fn read(dir: &Path) -> Result<(Journal, Vec<Record>), MetaError> {
        let mut records = Vec::new();
        let journal = Journal::open(dir, |record| {
            records.push(record.clone());
            Ok(())
        })?;
        Ok((journal, records))
    }

    fn file(dir: &Path) -> PathBuf {
        dir.join(DIR).join("00000000000000000000.log")
    }

    #[test]
    fn what_was_appended_is_read_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, none) = read(dir.path()).unwrap();
        assert!(journal.is_empty() && none.is_empty());
        journal.append(&[record(1), record(2)], 5).unwrap();
        let gone = Record::RemoveTopic(RemoveTopicRecord { topic_id: Uuid([1; 16]) });
        journal.append(std::slice::from_ref(&gone), 6).unwrap();
        let (journal, records) = read(dir.path()).unwrap();
        assert_eq!((journal.end, records), (3, vec![record(1), record(2), gone]));
    }

    #[test]
    fn a_file_cut_at_any_byte_keeps_every_whole_batch() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = read(dir.path()).unwrap();
        journal.append(&[record(1)], 5).unwrap();
        let first = usize::try_from(journal.len).unwrap();
        journal.append(&[record(2)], 6).unwrap();
        let whole = fs::read(file(dir.path())).unwrap();
        for cut in 0..whole.len() {
            fs::write(file(dir.path()), &whole[..cut]).unwrap();
            let (mut journal, records) = read(dir.path()).unwrap();
            let kept = usize::from(cut >= first);
            assert_eq!(records.len(), kept, "cut at {cut}");
            journal.append(&[record(3)], 7).unwrap();
            let (_, records) = read(dir.path()).unwrap();
            assert_eq!((records.len(), records.last()), (kept + 1, Some(&record(3))), "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_front_of_valid_records_is_not_taken_for_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = read(dir.path()).unwrap();
        journal.append(&[record(1)], 5).unwrap();
        journal.append(&[record(2)], 6).unwrap();
        let mut bytes = fs::read(file(dir.path())).unwrap();
        bytes[70] ^= 1;
        fs::write(file(dir.path()), &bytes).unwrap();
        assert!(matches!(read(dir.path()), Err(MetaError::Corrupt { position: 0, .. })));
        assert_eq!(fs::read(file(dir.path())).unwrap(), bytes, "the file is left as it is");
    }
}
