//! Cutting a log: at its end when a new leader has other records, at its start when records are deleted.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::LogError;
use super::segment::{INDEX, LOG, Place, SNAPSHOT, Segment, TIME_INDEX};
use super::{Log, checkpoint};
use crate::disk;

impl Log {
    /// Drops all records from `offset` on; a batch that holds it goes as a whole. The caller has removed the
    /// clean-shutdown mark, so that a crash in between ends in recovery.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        if offset >= self.end {
            // A leader that wrote nothing has said where its epoch began: that is a part of the log that goes.
            return self.truncate_epochs_end();
        }
        if offset < self.start {
            return self.restart_at(offset.max(0));
        }
        let dir = Arc::clone(&self.dir);
        let keep = self.segment_index(offset) + 1;
        let gone = self.segments.split_off(keep);
        self.remove_from_end(gone)?;
        let active = self.active_mut();
        let cut = match active.find(offset).map_err(LogError::scan(&*dir))? {
            Place::Batch(found) => found.position,
            Place::End => active.size(),
        };
        match active.truncate(cut) {
            Ok(end) => self.end = end,
            Err(error) => {
                self.go_offline("cut", &io::Error::other(error.to_string()));
                return Err(LogError::scan(&*dir)(error));
            }
        }
        self.after_truncation()
    }

    /// Drops everything and goes on at `offset`, as a follower does whose leader has nothing older.
    pub fn restart_at(&mut self, offset: i64) -> Result<(), LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        let dir = Arc::clone(&self.dir);
        let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
        // First, or a crash would leave the old ones, a gap, and the new one.
        let gone = self.segments.drain(..).collect();
        self.remove_from_end(gone)?;
        let segment = Segment::create(&self.dir, offset, self.config.index_interval_bytes);
        let segment = segment.map_err(|source| {
            self.go_offline("restart", &source);
            disk(source)
        })?;
        self.segments.push(segment);
        (self.start, self.end) = (offset, offset);
        // Nothing is here that any leader wrote.
        self.epochs.truncate_end(0);
        checkpoint::write_epochs(&self.dir, &self.epochs).map_err(disk)?;
        self.after_truncation()
    }

    /// Records before `offset` may not be read any more; whole segments of them go. `offset` past the end counts as
    /// the end. Returns the first offset of the log.
    pub fn delete_records_before(&mut self, offset: i64, now_ms: i64) -> Result<i64, LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        self.start = self.start.max(offset.min(self.end));
        let gone = self.segments.iter().skip(1).take_while(|next| next.base() <= self.start).count();
        if gone > 0 {
            self.drop_oldest(gone, now_ms)?;
        } else {
            self.truncate_epochs_start()?;
        }
        Ok(self.start)
    }

    fn remove_from_end(&mut self, segments: Vec<Segment>) -> Result<(), LogError> {
        remove_from_end(&self.dir, segments).map_err(|source| {
            self.go_offline("removal of segments", &source);
            LogError::Disk { path: self.dir.to_path_buf(), source }
        })
    }

    fn after_truncation(&mut self) -> Result<(), LogError> {
        self.recent.clear();
        self.unflushed.on_truncate(self.end);
        self.cleaner.first_dirty = self.cleaner.first_dirty.min(self.active().base());
        self.truncate_epochs_end()?;
        self.remove_snapshots().map_err(LogError::disk(&*self.dir))?;
        // Segments and producers that went must not be back after a power cut, behind what is appended now.
        self.sync_names()?;
        self.producers = super::recovery::replay_producers(&self.dir, &self.segments, self.end)?;
        Ok(())
    }

    fn truncate_epochs_end(&mut self) -> Result<(), LogError> {
        if self.epochs.truncate_end(self.end) {
            checkpoint::write_epochs(&self.dir, &self.epochs).map_err(LogError::disk(&*self.dir))?;
            self.unflushed.epochs = true;
        }
        Ok(())
    }
}

/// Removes the files of segments that end the log, from the last one on, each on disk before the next: no crash leaves a gap.
pub(super) fn remove_from_end(dir: &Path, segments: Vec<Segment>) -> io::Result<()> {
    for segment in segments.into_iter().rev() {
        remove(&segment)?;
        disk::sync_path(dir)?;
    }
    Ok(())
}

fn remove(segment: &Segment) -> io::Result<()> {
    for extension in [LOG, INDEX, TIME_INDEX, SNAPSHOT] {
        match disk::remove(&segment.path(extension)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
