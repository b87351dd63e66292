//! Cutting a log: at its end when a new leader has other records, at its start when records are deleted.

use std::sync::Arc;

use super::error::LogError;
use super::segment::{INDEX, LOG, Place, SNAPSHOT, Segment, TIME_INDEX};
use super::{Log, checkpoint};

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
        let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
        let keep = self.segment_index(offset) + 1;
        // From the end on: a crash then leaves no gap in the middle.
        while self.segments.len() > keep
            && let Some(segment) = self.segments.pop()
        {
            remove(&segment).map_err(disk)?;
        }
        let active = self.active_mut();
        let cut = match active.find(offset).map_err(LogError::scan(&*dir))? {
            Place::Batch(found) => found.position,
            Place::End => active.size(),
        };
        self.end = active.truncate(cut).map_err(LogError::scan(&*dir))?;
        self.after_truncation()
    }

    /// Drops everything and goes on at `offset`, as a follower does whose leader has nothing older.
    pub fn restart_at(&mut self, offset: i64) -> Result<(), LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        let dir = Arc::clone(&self.dir);
        let disk = |source| LogError::Disk { path: dir.to_path_buf(), source };
        let segment = Segment::create(&self.dir, offset, self.config.index_interval_bytes).map_err(disk)?;
        for old in self.segments.iter().rev().filter(|old| old.base() != offset) {
            remove(old).map_err(disk)?;
        }
        self.segments = vec![segment];
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

    fn after_truncation(&mut self) -> Result<(), LogError> {
        self.recent.clear();
        self.unflushed.on_truncate(self.end);
        self.cleaner.first_dirty = self.cleaner.first_dirty.min(self.active().base());
        self.truncate_epochs_end()?;
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

/// Removes the files of a segment.
pub(super) fn remove(segment: &Segment) -> std::io::Result<()> {
    for extension in [LOG, INDEX, TIME_INDEX, SNAPSHOT] {
        match std::fs::remove_file(segment.path(extension)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
