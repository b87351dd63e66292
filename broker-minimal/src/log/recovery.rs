//! Opening a log: after a clean stop from what the files say, after any other by scanning what may be torn.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use kinglet_protocol::records::files::{parse_segment_file_name, segment_file_name};
use kinglet_protocol::records::{BatchError, BatchHeader};

use super::config::LogConfig;
use super::epochs::Epochs;
use super::error::LogError;
use super::flush::Unflushed;
use super::indexing::Rebuilt;
use super::producers::Producers;
use super::scan::{ScanError, Window};
use super::segment::{INDEX, LOG, SNAPSHOT, Segment, TIME_INDEX};
use super::{Log, checkpoint};
use crate::disk;

/// How much in front of a snapshot is read for batches that producers may retry: five of Kafka's default size from each
/// of a dozen producers.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// What is known of how the log was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The directory has the mark of a clean stop.
    pub clean: bool,
    /// Everything before it was flushed; 0 when nothing is known.
    pub recovery_point: i64,
    /// The first offset that may be read; 0 when nothing is known.
    pub log_start: i64,
    /// Everything before it was compacted; 0 when nothing is known.
    pub first_dirty: i64,
}

/// What opening a log found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Bytes whose checksums were verified.
    pub scanned_bytes: u64,
    /// Bytes behind the last valid batch that were cut off.
    pub truncated_bytes: u64,
    /// Segments behind the cut that were removed.
    pub segments_dropped: usize,
    /// Batches that had been flushed and do not match their checksum now. They stay: what follows them is good, and
    /// consumers see the mismatch.
    pub corrupt_batches: usize,
}

impl Log {
    /// Opens the log of a partition that is there.
    ///
    /// Whatever was flushed or written whole is found again; a torn tail is cut at the last batch with a valid
    /// checksum. Missing or corrupt indexes, epochs and producer snapshots are made anew from the batches.
    pub fn open(
        dir: &Path,
        config: LogConfig,
        recovery: Recovery,
        now_ms: i64,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
        super::swap::finish_swaps(dir).map_err(disk)?;
        let segments = list_segments(dir, config.index_interval_bytes).map_err(disk)?;
        let topic_id = checkpoint::read_topic_id(dir).map_err(disk)?;
        let mut log = Self::assemble(Arc::from(dir), topic_id, config, segments);
        if log.segments.is_empty() {
            let interval = log.config.index_interval_bytes;
            log.segments.push(Segment::create(&log.dir, recovery.log_start, interval).map_err(disk)?);
        }
        let first = recovery.log_start.max(log.segments.first().map_or(0, Segment::base));
        // A process that was killed may have cut the epochs to a later start than it saved.
        let is_whole = |epochs: &Epochs| recovery.clean || epochs.epoch_of(first) >= 0;
        let saved = checkpoint::read_epochs(dir).map_err(disk)?.filter(is_whole);
        let has_epochs = saved.is_some();
        log.epochs = saved.unwrap_or_default();
        let mut report = RecoveryReport::default();
        if !(recovery.clean && has_epochs && log.open_clean()?) {
            log.open_unclean(recovery, has_epochs, &mut report)?;
        }
        let known_start = recovery.log_start.max(log.segments.first().map_or(0, Segment::base));
        if known_start > log.end {
            log.restart_at(known_start)?;
        }
        log.start = known_start;
        log.set_first_dirty(recovery.first_dirty);
        log.truncate_epochs_start()?;
        log.producers.expire(now_ms, log.config.producer_id_expiration_ms);
        log.swept_ms = now_ms;
        log.expired_ms = Some(now_ms);
        log.remove_snapshots().map_err(disk)?;
        if !recovery.clean {
            // What a killed process wrote, cut and removed may not be on disk, and is relied upon from now on.
            log.flush()?;
        }
        Ok((log, report))
    }

    /// `false`: the active segment is not as a clean stop leaves it.
    fn open_clean(&mut self) -> Result<bool, LogError> {
        match self.active_mut().activate() {
            Ok(end) => self.end = end,
            Err(ScanError::Torn { position, reason }) => {
                tracing::warn!(dir = %self.dir.display(), position, %reason, "torn in spite of a clean stop");
                return Ok(false);
            }
            Err(ScanError::Io(source)) => {
                return Err(LogError::Disk { path: self.dir.to_path_buf(), source });
            }
        }
        self.producers = replay_producers(&self.dir, &self.segments, self.end)?;
        self.unflushed = Unflushed::nothing(self.end);
        Ok(true)
    }

    fn open_unclean(
        &mut self,
        recovery: Recovery,
        has_epochs: bool,
        report: &mut RecoveryReport,
    ) -> Result<(), LogError> {
        let dir = Arc::clone(&self.dir);
        let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
        // The segment that ends at the recovery point too: its indexes may not have been flushed.
        let first = self.segment_index(recovery.recovery_point.saturating_sub(1));
        let from = self.segments.get(first).map_or(0, Segment::base);
        let sure = self.segments.get(..first).unwrap_or_default();
        self.epochs.truncate_end(from);
        if !has_epochs {
            for segment in sure {
                each_header(segment, 0, |header| {
                    self.epochs.assign(header.partition_leader_epoch, header.base_offset);
                })?;
            }
        }
        self.producers = replay_producers(&self.dir, sure, from)?;
        self.end = from;
        let mut index = first;
        // A segment that starts before the end of the one in front was made by an append or a cut that did not finish.
        while let Some(segment) = self.segments.get_mut(index).filter(|segment| segment.base() >= self.end) {
            index += 1;
            let walk = Walk { trusted_to: recovery.recovery_point, report };
            let mut on_batch = |header: &BatchHeader| {
                if self.epochs.latest() < Some(header.partition_leader_epoch) {
                    self.epochs.assign(header.partition_leader_epoch, header.base_offset);
                }
                self.producers.record(header);
            };
            let walked = walk.run(segment, &mut on_batch)?;
            self.end = walked.end;
            if walked.is_cut {
                break;
            }
        }
        let dropped = self.segments.split_off(index);
        report.segments_dropped += dropped.len();
        report.truncated_bytes += dropped.iter().map(Segment::size).sum::<u64>();
        super::truncate::remove_from_end(&dir, dropped).map_err(disk)?;
        self.seal_recovered(first).map_err(disk)?;
        checkpoint::write_epochs(&self.dir, &self.epochs).map_err(disk)?;
        self.unflushed.recovery_point = recovery.recovery_point.min(self.end);
        Ok(())
    }

    /// Recovered segments that are not appended to any more end their time index as a roll does.
    fn seal_recovered(&mut self, first: usize) -> io::Result<()> {
        let active = self.segments.len() - 1;
        for segment in self.segments.get_mut(first..active).unwrap_or_default() {
            segment.seal();
            segment.write_indexes()?;
        }
        Ok(())
    }

    /// Keeps the snapshots that start a segment, and the newest.
    pub(super) fn remove_snapshots(&self) -> io::Result<()> {
        let offsets = snapshot_offsets(&self.dir)?;
        let newest = offsets.iter().copied().filter(|&offset| offset <= self.end).max();
        for offset in offsets {
            let starts_segment = self.segments.iter().any(|segment| segment.base() == offset);
            if !starts_segment && Some(offset) != newest {
                disk::remove(&self.dir.join(segment_file_name(offset, SNAPSHOT)))?;
            }
        }
        Ok(())
    }
}

/// The producers' state at `end`, from the newest usable snapshot and the batches behind it.
pub(super) fn replay_producers(dir: &Path, segments: &[Segment], end: i64) -> Result<Producers, LogError> {
    let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
    let mut offsets = snapshot_offsets(dir).map_err(disk)?;
    offsets.retain(|&offset| offset <= end);
    offsets.sort_unstable();
    let mut from = 0;
    let mut producers = Producers::default();
    for offset in offsets.into_iter().rev() {
        let path = dir.join(segment_file_name(offset, SNAPSHOT));
        match Producers::from_snapshot(&std::fs::read(&path).map_err(disk)?) {
            Ok(found) => {
                (producers, from) = (found, offset);
                complete_windows(&mut producers, segments, from)?;
                break;
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "producer snapshot unreadable"),
        }
    }
    for (index, segment) in segments.iter().enumerate() {
        let segment_end = segments.get(index + 1).map_or(end, Segment::base);
        if segment_end <= from {
            continue;
        }
        let start = if from <= segment.base() { Ok(0) } else { segment.position_before(from, 0) };
        let start = start.or_else(|error| skip_torn(segment, error))?;
        each_header(segment, start, |header| {
            if header.base_offset >= from {
                producers.record(header);
            }
        })?;
    }
    Ok(producers)
}

/// Reads the batches right in front of a snapshot: it keeps one per producer, but a producer may retry five.
fn complete_windows(producers: &mut Producers, segments: &[Segment], snapshot: i64) -> Result<(), LogError> {
    let before = segments.partition_point(|segment| segment.base() < snapshot);
    let Some(segment) = before.checked_sub(1).and_then(|index| segments.get(index)) else { return Ok(()) };
    if producers.is_empty() {
        return Ok(());
    }
    let from = segment.position_before(snapshot, WINDOW_BYTES).or_else(|error| skip_torn(segment, error))?;
    let mut replayed = Producers::default();
    each_header(segment, from, |header| {
        if header.base_offset < snapshot {
            replayed.record(header);
        }
    })?;
    producers.complete_from(&replayed);
    Ok(())
}

/// Visits the headers of a segment that is not scanned. One that cannot be read ends the visit, not the start of the
/// broker: readers of that place are told, and everything else is good.
fn each_header(segment: &Segment, from: u64, mut visit: impl FnMut(&BatchHeader)) -> Result<(), LogError> {
    let path = segment.path(LOG);
    let mut scanner = segment.scanner(from, Window::Near).map_err(LogError::disk(&path))?;
    loop {
        match scanner.next() {
            Ok(Some(found)) => visit(&found.header),
            Ok(None) => return Ok(()),
            Err(error) => return skip_torn(segment, error).map(drop),
        }
    }
}

/// Says that a batch is corrupt, and that nothing more of the segment can be visited: its end.
fn skip_torn(segment: &Segment, error: ScanError) -> Result<u64, LogError> {
    let path = segment.path(LOG);
    match error {
        ScanError::Torn { position, reason } => {
            tracing::error!(path = %path.display(), position, %reason, "flushed batch is corrupt");
            Ok(segment.size())
        }
        ScanError::Io(source) => Err(LogError::Disk { path, source }),
    }
}

/// The scan of one segment.
struct Walk<'r> {
    /// Batches before this offset were flushed, so that a wrong checksum is not a torn write.
    trusted_to: i64,
    report: &'r mut RecoveryReport,
}

struct Walked {
    end: i64,
    is_cut: bool,
}

impl Walk<'_> {
    /// Finds the last whole batch, cuts what is behind it, and makes the indexes anew.
    fn run(self, segment: &mut Segment, on_batch: &mut impl FnMut(&BatchHeader)) -> Result<Walked, LogError> {
        let path = segment.path(LOG);
        let disk = |source| LogError::Disk { path: path.clone(), source };
        let mut rebuilt = Rebuilt::new(segment.base(), segment.index_interval());
        let (mut end, mut position) = (segment.base(), 0);
        let mut scanner = segment.scanner(0, Window::Far).map_err(disk)?;
        let torn = loop {
            let found = match scanner.next() {
                Ok(Some(found)) => found,
                Ok(None) => break None,
                Err(ScanError::Torn { position: 0, reason: BatchError::Magic(magic @ 0..=1) })
                    if scanner.looks_like_old_format().map_err(disk)? =>
                {
                    return Err(LogError::OldFormat { path, magic });
                }
                Err(ScanError::Torn { reason, .. }) => break Some(reason.to_string()),
                Err(ScanError::Io(source)) => return Err(disk(source)),
            };
            let header = &found.header;
            // The checksum does not cover the offset: a torn write may have left anything in its place.
            let is_in_range = i32::try_from(header.last_offset().saturating_sub(segment.base())).is_ok();
            if header.base_offset < end || !is_in_range {
                break Some(format!("offset {} where {end} is next", header.base_offset));
            }
            if !scanner.verify_crc(&found).map_err(disk)? {
                if found.header.last_offset() >= self.trusted_to {
                    break Some("checksum does not match".to_owned());
                }
                self.report.corrupt_batches += 1;
                let (offset, position) = (found.header.base_offset, found.position);
                tracing::error!(path = %path.display(), offset, position, "flushed batch is corrupt");
            }
            rebuilt.on_batch(&found);
            on_batch(&found.header);
            (end, position) = (found.header.next_offset(), found.end());
        };
        self.report.scanned_bytes += position;
        if let Some(reason) = &torn {
            let cut = segment.size() - position;
            self.report.truncated_bytes += cut;
            tracing::warn!(path = %path.display(), offset = end, bytes = cut, reason, "torn tail cut off");
            segment.cut(position).map_err(disk)?;
        }
        segment.adopt(rebuilt).map_err(disk)?;
        Ok(Walked { end, is_cut: torn.is_some() })
    }
}

/// The segments of a directory by base offset; what an interrupted change left behind is removed.
fn list_segments(dir: &Path, index_interval: u32) -> io::Result<Vec<Segment>> {
    let shared: Arc<Path> = Arc::from(dir);
    let mut segments = Vec::new();
    let mut indexes = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_leftover(&name) {
            disk::remove(&entry.path())?;
            continue;
        }
        match name.to_str().and_then(parse_segment_file_name) {
            Some((base, LOG)) => {
                segments.push(Segment::existing(&shared, base, entry.metadata()?.len(), index_interval));
            }
            Some((base, INDEX | TIME_INDEX)) => indexes.push((base, entry.path())),
            Some(_) | None => {}
        }
    }
    for (base, path) in indexes {
        if !segments.iter().any(|segment| segment.base() == base) {
            disk::remove(&path)?;
        }
    }
    segments.sort_unstable_by_key(Segment::base);
    Ok(segments)
}

fn is_leftover(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    matches!(extension, Some("deleted" | "cleaned" | "swap" | "tmp"))
}

fn snapshot_offsets(dir: &Path) -> io::Result<Vec<i64>> {
    let mut offsets = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        if let Some((offset, SNAPSHOT)) = entry?.file_name().to_str().and_then(parse_segment_file_name) {
            offsets.push(offset);
        }
    }
    Ok(offsets)
}
