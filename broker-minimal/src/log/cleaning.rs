//! One pass of compaction over a partition: reads its closed segments, writes `.cleaned` ones beside them.
//!
//! It runs on a thread that may block, beside the shard that owns the log: it touches no file but its own, and what it reads
//! is never written again. Only the owner puts the result in its place (`swap.rs`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kinglet_protocol::records::files::segment_file_name;
use kinglet_protocol::records::{Batch, BatchError, BatchHeader, Records, retain};

use super::compact::{OffsetMap, Part, Rules, Verdict, groups, is_compacted, judge};
use super::indexing::Rebuilt;
use super::scan::{Found, ScanError, Scanner, Window};
use super::segment::{INDEX, LOG, TIME_INDEX};
use crate::disk;

/// A batch may not unpack to more than this; no larger one is taken on a compacted topic.
const UNPACK_LIMIT: usize = 64 * 1024 * 1024;
const WRITE_BUFFER: usize = 256 * 1024;

/// Why a partition is not cleaned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// The disk refused.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A batch cannot be read. It stays where it is, and so does everything else.
    #[error("{}: at position {position}: {reason}", path.display())]
    Corrupt {
        /// The segment.
        path: PathBuf,
        /// Where the batch starts.
        position: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Retention or the topic's deletion took segments away meanwhile: the next pass sees what is left.
    #[error("the log has changed meanwhile")]
    Changed,
    /// The broker stops.
    #[error("stopped")]
    Stopped,
}

/// What a pass needs to know; made by the log.
#[derive(Debug)]
pub struct CleanJob {
    pub(super) dir: Arc<Path>,
    pub(super) parts: Vec<Part>,
    pub(super) first_dirty: i64,
    pub(super) dirty_ppm: u32,
    pub(super) now_ms: i64,
    pub(super) segment_bytes: u32,
    pub(super) index_interval: u32,
    pub(super) delete_retention_ms: i64,
    pub(super) producers: HashMap<i64, i64>,
}

/// What bounds a pass.
#[derive(Clone, Copy, Debug)]
pub struct CleanLimits {
    /// `log.cleaner.dedupe.buffer.size`.
    pub buffer_bytes: u64,
    /// Secret numbers that keys are hashed with.
    pub seeds: [u64; 2],
}

/// A cleaned segment, on disk as `.cleaned`, that may take the place of others.
#[derive(Debug)]
pub struct Cleaned {
    pub(super) sources: Vec<Part>,
    pub(super) size: u64,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    /// Everything before it is clean.
    pub end: i64,
    /// Bytes of the segments that were looked at.
    pub bytes_before: u64,
    /// Bytes of what became of them.
    pub bytes_after: u64,
    /// Records that went.
    pub records_dropped: u64,
}

impl CleanJob {
    /// The share of bytes that were never cleaned, in millionths: the dirtiest log goes first.
    pub fn dirty_ppm(&self) -> u32 {
        self.dirty_ppm
    }

    /// Cleans from the oldest segment on. Each result is given to `swap` before the next is made: what a tombstone deletes
    /// must be gone before the tombstone goes. `is_stopped` is asked at each batch.
    pub fn run(
        mut self,
        limits: CleanLimits,
        is_stopped: &dyn Fn() -> bool,
        swap: &mut dyn FnMut(Cleaned) -> Result<(), CleanError>,
    ) -> Result<CleanReport, CleanError> {
        let map = self.map(limits, is_stopped)?;
        let rules = Rules {
            now_ms: self.now_ms,
            delete_retention_ms: self.delete_retention_ms,
            producers: std::mem::take(&mut self.producers),
        };
        let mut report = CleanReport { end: map.end(), ..CleanReport::default() };
        let covered = self.parts.partition_point(|part| part.base < map.end());
        let parts = self.parts.get(..covered).unwrap_or_default();
        for group in groups(parts, self.segment_bytes) {
            let sources = parts.get(group).unwrap_or_default();
            let Some(first) = sources.first() else { continue };
            let mut writer = Writer::create(&self.dir, first.base, self.index_interval)?;
            let written = self.clean(sources, &mut writer, &map, &rules, is_stopped, &mut report);
            let merged = match written {
                Ok(merged) => merged,
                Err(error) => {
                    remove_cleaned(&self.dir, first.base);
                    return Err(error);
                }
            };
            report.bytes_before += sources.iter().map(|part| part.size).sum::<u64>();
            report.bytes_after += writer.size;
            let (merged, emptied) = sources.split_at(merged);
            if merged.len() == 1 && !writer.has_changed {
                remove_cleaned(&self.dir, first.base);
            } else {
                let size = writer.finish(&self.modified(merged))?;
                swap(Cleaned { sources: merged.to_vec(), size })?;
            }
            for part in emptied.iter().filter(|part| part.size > 0) {
                let writer = Writer::create(&self.dir, part.base, self.index_interval)?;
                let size = writer.finish(&self.modified(&[*part]))?;
                swap(Cleaned { sources: vec![*part], size })?;
            }
        }
        Ok(report)
    }

    fn map(&self, limits: CleanLimits, is_stopped: &dyn Fn() -> bool) -> Result<OffsetMap, CleanError> {
        let mut map = OffsetMap::new(self.first_dirty, limits.buffer_bytes, limits.seeds);
        for part in self.parts.iter().filter(|part| part.end > self.first_dirty) {
            let source = Source::open(&self.dir, part)?;
            let mut scanner = source.scanner();
            while let Some(found) = scanner.next().map_err(|error| source.scan(error))? {
                if is_stopped() {
                    return Err(CleanError::Stopped);
                }
                if found.header.next_offset() <= map.end() {
                    continue;
                }
                let records = if is_compacted(&found.header) { Some(source.load(&found)?.1) } else { None };
                let added = map.add(&found.header, records.as_ref());
                if !added.map_err(|error| source.corrupt(found.position, &error))? {
                    return Ok(map);
                }
            }
            map.complete(part.end);
        }
        Ok(map)
    }

    /// Writes what stays of the sources; returns how many of them the result stands for. Those at the end of which nothing
    /// stays are not among them: a start after a crash tells by the last offset of the result what it replaces.
    fn clean(
        &self,
        sources: &[Part],
        writer: &mut Writer,
        map: &OffsetMap,
        rules: &Rules,
        is_stopped: &dyn Fn() -> bool,
        report: &mut CleanReport,
    ) -> Result<usize, CleanError> {
        let mut merged = 1;
        for (index, part) in sources.iter().enumerate() {
            let before = writer.size;
            let source = Source::open(&self.dir, part)?;
            let mut scanner = source.scanner();
            while let Some(found) = scanner.next().map_err(|error| source.scan(error))? {
                if is_stopped() {
                    return Err(CleanError::Stopped);
                }
                source.clean(&found, writer, map, rules, report)?;
            }
            if writer.size > before {
                merged = index + 1;
            }
        }
        Ok(merged)
    }

    /// When the newest of them was last written: retention counts from it when records have no time.
    fn modified(&self, parts: &[Part]) -> Vec<PathBuf> {
        parts.iter().map(|part| self.dir.join(segment_file_name(part.base, LOG))).collect()
    }
}

/// A segment that is read.
struct Source {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Source {
    fn open(dir: &Path, part: &Part) -> Result<Self, CleanError> {
        let path = dir.join(segment_file_name(part.base, LOG));
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file, size: part.size }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CleanError::Changed),
            Err(source) => Err(CleanError::Disk { path, source }),
        }
    }

    fn scanner(&self) -> Scanner<'_> {
        Scanner::new(&self.file, 0, self.size, Window::Far)
    }

    fn scan(&self, error: ScanError) -> CleanError {
        match error {
            ScanError::Torn { position, reason } => self.corrupt(position, &reason),
            ScanError::Io(source) => CleanError::Disk { path: self.path.clone(), source },
        }
    }

    fn corrupt(&self, position: u64, reason: &BatchError) -> CleanError {
        CleanError::Corrupt { path: self.path.clone(), position, reason: reason.to_string() }
    }

    fn bytes(&self, found: &Found) -> Result<Batch, CleanError> {
        let mut bytes = vec![0; found.header.size()];
        let read = self.file.read_exact_at(&mut bytes, found.position);
        read.map_err(|source| CleanError::Disk { path: self.path.clone(), source })?;
        let batch = Batch::split(&mut Bytes::from(bytes)).and_then(|batch| {
            let batch = batch.ok_or(BatchError::Corrupt("no batch"))?;
            batch.verify_crc().map(|()| batch)
        });
        batch.map_err(|error| self.corrupt(found.position, &error))
    }

    fn load(&self, found: &Found) -> Result<(Batch, Records), CleanError> {
        let batch = self.bytes(found)?;
        let records = batch.records(UNPACK_LIMIT).map_err(|error| self.corrupt(found.position, &error))?;
        Ok((batch, records))
    }

    fn clean(
        &self,
        found: &Found,
        writer: &mut Writer,
        map: &OffsetMap,
        rules: &Rules,
        report: &mut CleanReport,
    ) -> Result<(), CleanError> {
        if !is_compacted(&found.header) || found.header.base_offset >= map.end() {
            return writer.put(self.bytes(found)?.bytes());
        }
        let (batch, records) = self.load(found)?;
        let corrupt = |error: BatchError| self.corrupt(found.position, &error);
        let (kept, horizon) = match judge(&found.header, &records, map, rules).map_err(corrupt)? {
            Verdict::Untouched => return writer.put(batch.bytes()),
            Verdict::Removed => {
                report.records_dropped += u64::try_from(records.count()).unwrap_or(0);
                writer.has_changed = true;
                return Ok(());
            }
            Verdict::Emptied => (Vec::new(), None),
            Verdict::Retained { kept, horizon } => (kept, horizon),
        };
        report.records_dropped += u64::try_from(records.count() - kept.len()).unwrap_or(0);
        writer.has_changed = true;
        writer.put(&retain(&batch, &kept, horizon).map_err(corrupt)?)
    }
}

/// A cleaned segment that is written.
struct Writer {
    dir: PathBuf,
    base: i64,
    log: BufWriter<disk::NewFile>,
    rebuilt: Rebuilt,
    size: u64,
    /// Something is not as it was.
    has_changed: bool,
}

impl Writer {
    fn create(dir: &Path, base: i64, index_interval: u32) -> Result<Self, CleanError> {
        let path = cleaned_path(dir, base, LOG);
        let file = disk::NewFile::create(&path).map_err(|source| CleanError::Disk { path, source })?;
        let log = BufWriter::with_capacity(WRITE_BUFFER, file);
        let rebuilt = Rebuilt::new(base, index_interval);
        Ok(Self { dir: dir.to_path_buf(), base, log, rebuilt, size: 0, has_changed: false })
    }

    fn put(&mut self, batch: &Bytes) -> Result<(), CleanError> {
        let path = || cleaned_path(&self.dir, self.base, LOG);
        let header = BatchHeader::parse(batch).map_err(|error| CleanError::Corrupt {
            path: path(),
            position: self.size,
            reason: error.to_string(),
        })?;
        let found = Found { header, position: self.size };
        if i32::try_from(found.end()).is_err() {
            let source = io::ErrorKind::FileTooLarge.into();
            return Err(CleanError::Disk { path: path(), source });
        }
        self.log.write_all(batch).map_err(|source| CleanError::Disk { path: path(), source })?;
        self.rebuilt.on_batch(&found);
        self.size = found.end();
        Ok(())
    }

    /// Waits until all three files are on disk; on failure nothing of them is left.
    fn finish(self, sources: &[PathBuf]) -> Result<u64, CleanError> {
        let (dir, base, size) = (self.dir.clone(), self.base, self.size);
        self.sync(sources).inspect_err(|_| remove_cleaned(&dir, base)).map(|()| size)
    }

    fn sync(mut self, sources: &[PathBuf]) -> Result<(), CleanError> {
        self.rebuilt.seal();
        let failed = |extension: &str| {
            let path = cleaned_path(&self.dir, self.base, extension);
            move |source| CleanError::Disk { path, source }
        };
        let log = self.log.into_inner().map_err(|error| failed(LOG)(error.into_error()))?;
        let modified = sources.iter().filter_map(|path| path.metadata().ok()?.modified().ok()).max();
        if let Some(modified) = modified {
            log.file().set_modified(modified).map_err(failed(LOG))?;
        }
        disk::sync(log.file()).map_err(failed(LOG))?;
        let offsets: Vec<u8> = self.rebuilt.offsets.iter().flat_map(|entry| entry.encode()).collect();
        let times: Vec<u8> = self.rebuilt.times.iter().flat_map(|entry| entry.encode()).collect();
        for (extension, bytes) in [(INDEX, offsets), (TIME_INDEX, times)] {
            let write = || {
                let file = disk::create(&cleaned_path(&self.dir, self.base, extension))?;
                disk::write_all(&file, &bytes, 0)?;
                disk::sync(&file)
            };
            write().map_err(failed(extension))?;
        }
        Ok(())
    }
}

pub(super) fn cleaned_path(dir: &Path, base: i64, extension: &str) -> PathBuf {
    dir.join(segment_file_name(base, &format!("{extension}.cleaned")))
}

/// Removes what an unfinished pass wrote. What stays is removed by the next start, or written over by the next pass.
pub(super) fn remove_cleaned(dir: &Path, base: i64) {
    for extension in [LOG, INDEX, TIME_INDEX] {
        let _ = disk::remove(&cleaned_path(dir, base, extension));
    }
}
