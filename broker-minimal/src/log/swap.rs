//! Putting cleaned segments in the place of those they were made from, so that a crash at any point loses nothing.
//!
//! As Kafka does it: all of a `.cleaned` segment is on disk before its files are named `.swap`, indexes first; with the name of
//! its log, the swap is decided. Then the old files become `.deleted`, and the new ones get their names, the log last. A start
//! removes what is not decided and finishes what is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use kinglet_protocol::records::files::{parse_segment_file_name, segment_file_name};

use super::Log;
use super::cleaning::{CleanError, CleanJob, CleanReport, Cleaned, cleaned_path, remove_cleaned};
use super::compact::{Dirt, Part};
use super::error::LogError;
use super::scan::{ScanError, Scanner, Window};
use super::segment::{INDEX, LOG, SNAPSHOT, Segment, TIME_INDEX};
use crate::disk;

/// How long a partition is left alone after the disk refused.
const HOLD_MS: i64 = 5 * 60 * 1000;

/// Where the cleaner stands with a log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CleanerState {
    /// Everything before it is clean.
    pub(super) first_dirty: i64,
    /// It is not cleaned before this time.
    held_until_ms: i64,
}

impl Log {
    /// What a pass of the cleaner would do now; `None` when the log is not compacted, or not dirty enough.
    ///
    /// For a log without closed segments that are dirty, this touches no file.
    pub fn plan_cleaning(&self, now_ms: i64, high_watermark: i64) -> Result<Option<CleanJob>, LogError> {
        if !self.config.compact || self.is_offline || now_ms < self.cleaner.held_until_ms {
            return Ok(None);
        }
        let (parts, is_overdue) = self.cleanable(now_ms, high_watermark)?;
        let dirt = Dirt::of(&parts, self.cleaner.first_dirty);
        let is_due = is_overdue || dirt.ppm() > self.config.min_cleanable_dirty_ppm;
        if dirt.dirty == 0 || !is_due {
            return Ok(None);
        }
        Ok(Some(CleanJob {
            dir: Arc::clone(&self.dir),
            parts,
            first_dirty: self.cleaner.first_dirty,
            dirty_ppm: dirt.ppm(),
            now_ms,
            segment_bytes: self.config.segment_bytes,
            index_interval: self.config.index_interval_bytes,
            delete_retention_ms: self.config.delete_retention_ms,
            producers: self.producers.last_offsets(),
        }))
    }

    /// Closed segments that are flushed, committed and old enough, from the oldest on; and whether one waits for longer than
    /// `max.compaction.lag.ms`.
    fn cleanable(&self, now_ms: i64, high_watermark: i64) -> Result<(Vec<Part>, bool), LogError> {
        let bound = high_watermark.min(self.recovery_point());
        let (min_lag, max_lag) = (self.config.min_compaction_lag_ms, self.config.max_compaction_lag_ms);
        let mut parts = Vec::new();
        let mut is_overdue = false;
        for pair in self.segments.windows(2) {
            let [segment, next] = pair else { break };
            if next.base() > bound {
                break;
            }
            let scan = |error| LogError::scan(segment.path(LOG))(error);
            let is_dirty = next.base() > self.cleaner.first_dirty;
            if is_dirty && min_lag > 0 {
                let newest_ms = segment.newest().map_err(scan)?.timestamp;
                if newest_ms > now_ms.saturating_sub(min_lag) {
                    break;
                }
            }
            if is_dirty && max_lag < i64::MAX {
                is_overdue |= segment.born_ms(now_ms).map_err(scan)? < now_ms.saturating_sub(max_lag);
            }
            parts.push(Part { base: segment.base(), end: next.base(), size: segment.size() });
        }
        Ok((parts, is_overdue))
    }

    /// Puts a cleaned segment in the place of its sources. Readers that have their files go on reading them.
    ///
    /// [`CleanError::Changed`] if they are not in the log any more.
    pub fn swap_in(&mut self, cleaned: &Cleaned, now_ms: i64) -> Result<(), CleanError> {
        let Some(first) = cleaned.sources.first().copied() else { return Ok(()) };
        let from = self.segments.partition_point(|segment| segment.base() < first.base);
        let to = from + cleaned.sources.len();
        // The active segment is never a source, so there is one behind the last of them.
        let there = self.segments.get(from..=to).unwrap_or_default();
        let is_same = there.len() == cleaned.sources.len() + 1
            && there.windows(2).zip(&cleaned.sources).all(|(pair, source)| match pair {
                [segment, next] => {
                    let (base, end, size) = (segment.base(), next.base(), segment.size());
                    Part { base, end, size } == *source
                }
                _ => false,
            });
        if self.is_offline || !is_same {
            remove_cleaned(&self.dir, first.base);
            return Err(CleanError::Changed);
        }
        let disk =
            |source| CleanError::Disk { path: self.dir.join(segment_file_name(first.base, LOG)), source };
        if let Err(source) = decide(&self.dir, first.base) {
            undo(&self.dir, first.base);
            return Err(disk(source));
        }
        // Only when the disk has it may what they replace go.
        if let Err(source) = disk::sync_path(&self.dir) {
            let error = disk(io::Error::new(source.kind(), source.to_string()));
            self.go_offline("flush of the directory", &source);
            return Err(error);
        }
        let old = self.segments.get(from..to).unwrap_or_default();
        match replace(&self.dir, first.base, old) {
            Ok(paths) => self.doom(paths, now_ms),
            Err(source) => {
                // The swap is decided: the next start finishes it. Until then no name is sure.
                let error = disk(io::Error::new(source.kind(), source.to_string()));
                self.go_offline("swap of a cleaned segment", &source);
                return Err(error);
            }
        }
        let segment =
            Segment::existing(&self.dir, first.base, cleaned.size, self.config.index_interval_bytes);
        self.segments.splice(from..to, [segment]);
        Ok(())
    }

    /// Takes the end of a pass. A partition with a batch that cannot be read is not tried again before the next start.
    pub fn on_cleaned(&mut self, result: Result<CleanReport, CleanError>, now_ms: i64) {
        match result {
            Ok(report) => self.set_first_dirty(report.end),
            Err(CleanError::Corrupt { .. }) => self.hold_cleaning(),
            Err(CleanError::Disk { .. }) => self.cleaner.held_until_ms = now_ms.saturating_add(HOLD_MS),
            Err(CleanError::Changed | CleanError::Stopped) => {}
        }
    }

    /// Everything before `end` is clean, but for the active segment.
    pub(super) fn set_first_dirty(&mut self, end: i64) {
        self.cleaner.first_dirty = self.cleaner.first_dirty.max(end.min(self.active().base()));
    }

    /// Leaves the log alone until the next start: its segments cannot be read.
    pub fn hold_cleaning(&mut self) {
        self.cleaner.held_until_ms = i64::MAX;
    }

    /// What the cleaner's checkpoint says of a compacted log that was cleaned.
    pub fn first_dirty_offset(&self) -> Option<i64> {
        let first_dirty = self.cleaner.first_dirty;
        (self.config.compact && first_dirty > 0).then_some(first_dirty)
    }
}

/// Names the files `.swap`.
fn decide(dir: &Path, base: i64) -> io::Result<()> {
    for extension in [TIME_INDEX, INDEX, LOG] {
        disk::rename(&cleaned_path(dir, base, extension), &swap_path(dir, base, extension))?;
    }
    Ok(())
}

fn undo(dir: &Path, base: i64) {
    // The log first: without it nothing is decided. What cannot be removed now is removed, or finished, by the next start.
    for extension in [LOG, INDEX, TIME_INDEX] {
        let _ = disk::remove(&swap_path(dir, base, extension));
    }
    remove_cleaned(dir, base);
}

/// The old names become `.deleted`, which are returned, and the new ones are put in their place.
fn replace(dir: &Path, base: i64, old: &[Segment]) -> io::Result<Vec<std::path::PathBuf>> {
    let mut deleted = Vec::new();
    for segment in old {
        // The producers at the start of the first one are still those at the start of the new one.
        let snapshot = (segment.base() != base).then_some(SNAPSHOT);
        for extension in [LOG, INDEX, TIME_INDEX].into_iter().chain(snapshot) {
            let to = segment.path(&format!("{extension}.deleted"));
            if rename_if_there(&segment.path(extension), &to)? {
                deleted.push(to);
            }
        }
    }
    put_in_place(dir, base)?;
    Ok(deleted)
}

/// The names of what is replaced are gone; on disk too, or a power cut could leave both. The new ones are there when this returns, or
/// the next start could find two swaps of the same records.
fn put_in_place(dir: &Path, base: i64) -> io::Result<()> {
    disk::sync_path(dir)?;
    for extension in [INDEX, TIME_INDEX, LOG] {
        rename_if_there(&swap_path(dir, base, extension), &dir.join(segment_file_name(base, extension)))?;
    }
    disk::sync_path(dir)
}

/// Finishes the swaps that were decided, at a start, before the segments are listed.
pub(super) fn finish_swaps(dir: &Path) -> io::Result<()> {
    let mut files: Vec<(i64, String)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some((base, extension)) = name.to_str().and_then(parse_segment_file_name) {
            files.push((base, extension.to_owned()));
        }
    }
    let has =
        |base: i64, name: &str| files.iter().any(|(other, extension)| *other == base && extension == name);
    for (base, extension) in &files {
        match extension.as_str() {
            "log.swap" => {
                let path = swap_path(dir, *base, LOG);
                let (next, is_whole) = end_of(&path, *base)?;
                if !is_whole && has(*base, LOG) {
                    // It was whole when it was named: the disk has changed it, and what it replaces is still there.
                    tracing::error!(path = %path.display(), "cleaned segment is corrupt, the old ones stay");
                    continue;
                }
                tracing::info!(dir = %dir.display(), base, next, "swap of a cleaned segment finished");
                for (replaced, extension) in
                    files.iter().filter(|(other, _)| (base + 1..next).contains(other))
                {
                    if [LOG, INDEX, TIME_INDEX, SNAPSHOT].contains(&extension.as_str()) {
                        disk::remove(&dir.join(segment_file_name(*replaced, extension)))?;
                    }
                }
                // An index that is not `.swap` any more has its name already, or a power cut took it and left the old one, which does
                // not fit: it is made anew either way.
                for index in [INDEX, TIME_INDEX] {
                    if !swap_path(dir, *base, index).try_exists()? {
                        remove_if_there(&dir.join(segment_file_name(*base, index)))?;
                    }
                }
                put_in_place(dir, *base)?;
            }
            // Its log has its name already, which a power cut may have kept without this: the old index does not fit it.
            "index.swap" | "timeindex.swap" if !has(*base, "log.swap") && !has(*base, "log.cleaned") => {
                for stale in [INDEX, TIME_INDEX].into_iter().filter(|stale| has(*base, stale)) {
                    remove_if_there(&dir.join(segment_file_name(*base, stale)))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The offset behind the last batch of a segment's file, and whether that is the end of the file.
fn end_of(path: &Path, base: i64) -> io::Result<(i64, bool)> {
    let file = std::fs::File::open(path)?;
    let mut scanner = Scanner::new(&file, 0, file.metadata()?.len(), Window::Far);
    let mut end = base;
    loop {
        match scanner.next() {
            Ok(Some(found)) => end = found.header.next_offset(),
            Ok(None) => return Ok((end, true)),
            Err(ScanError::Torn { .. }) => return Ok((end, false)),
            Err(ScanError::Io(error)) => return Err(error),
        }
    }
}

fn swap_path(dir: &Path, base: i64, extension: &str) -> std::path::PathBuf {
    dir.join(segment_file_name(base, &format!("{extension}.swap")))
}

/// `false`: there is no such file.
fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    match disk::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match disk::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
