//! What happens by time: flushing to disk, retention, deleting dropped segments, closing unused files.
//!
//! Waiting for the disk is a value, [`FlushJob`], so that the owner may run it on another thread and go on appending.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kinglet_protocol::records::files::segment_file_name;

use super::error::LogError;
use super::retention::{Limits, Retention, SegmentAge};
use super::segment::{INDEX, LOG, SNAPSHOT, TIME_INDEX};
use super::{Log, checkpoint};
use crate::disk;

/// A record is to be flushed in the background after this time, or when this much is unflushed, if `flush.ms` and
/// `flush.messages` do not say less. A power cut takes 100 ms at most: the owner looks every 20 ms, and the disk gets the rest.
const BACKGROUND_MS: i64 = 60;
const BACKGROUND_BYTES: u64 = 1024 * 1024;
/// A flush that is so much behind its time is not put off any more.
const LATE_MS: i64 = 1_000;
/// Files that were not used for this long are closed, and their indexes forgotten.
const SWEEP_MS: i64 = 60_000;
/// How often producers are forgotten whose last record is old enough, as Kafka's `producer.id.expiration.check.interval.ms`. Theirs
/// may be old times: whoever writes what happened long ago is forgotten then, though it goes on, and its last retry not recognised.
const PRODUCERS_MS: i64 = 600_000;

/// What is not known to be on disk.
#[derive(Debug)]
pub(super) struct Unflushed {
    pub(super) recovery_point: i64,
    pub(super) bytes: u64,
    pub(super) records: i64,
    /// When the first of it was appended.
    since_ms: Option<i64>,
    /// The epoch checkpoint was written.
    pub(super) epochs: bool,
    /// Files were made: the directory has to be flushed for their names to be there after a power cut.
    pub(super) names: bool,
    is_running: bool,
    /// Counts truncations: a flush that began before one says nothing about what came after.
    generation: u64,
}

impl Unflushed {
    /// Files of which nothing is known to be on disk behind `recovery_point`.
    pub(super) fn new(recovery_point: i64) -> Self {
        Self {
            recovery_point,
            bytes: 0,
            records: 0,
            since_ms: None,
            epochs: true,
            names: true,
            is_running: false,
            generation: 0,
        }
    }

    /// After a clean stop, which waits for nothing of a log that was never written to.
    pub(super) fn nothing(end: i64) -> Self {
        let was_written = end > 0;
        Self { epochs: !was_written, names: !was_written, ..Self::new(end) }
    }

    pub(super) fn on_append(&mut self, bytes: u64, records: i64, now_ms: i64) {
        self.bytes += bytes;
        self.records += records;
        self.since_ms.get_or_insert(now_ms);
    }

    pub(super) fn on_truncate(&mut self, end: i64) {
        self.recovery_point = self.recovery_point.min(end);
        self.generation += 1;
        // A flush under way counts for nothing any more, so neither does what it was given.
        self.epochs |= self.is_running;
        self.names |= self.is_running;
        self.is_running = false;
    }

    /// What a flush was to bring to the disk is still to be brought there.
    fn on_refused(&mut self) {
        self.epochs = true;
        self.names = true;
        self.is_running = false;
        self.since_ms.get_or_insert(0);
    }

    /// How long the first of it has waited.
    fn age_ms(&self, now_ms: i64) -> Option<i64> {
        self.since_ms.map(|since_ms| now_ms.saturating_sub(since_ms))
    }

    fn is_due(&self, now_ms: i64, flush_ms: i64) -> bool {
        let Some(age_ms) = self.age_ms(now_ms) else { return false };
        !self.is_running && (age_ms >= flush_ms.min(BACKGROUND_MS) || self.bytes >= BACKGROUND_BYTES)
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let refused = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(refused, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}

/// Everything that has to reach the disk for the log to survive a power cut up to an offset.
#[derive(Debug)]
pub struct FlushJob {
    logs: Vec<Arc<File>>,
    paths: Vec<PathBuf>,
    end: i64,
    generation: u64,
}

impl FlushJob {
    /// Waits for the disk. May run on any thread; its result must be given to [`Log::on_flushed`] whatever it is.
    pub fn run(&self) -> io::Result<()> {
        for log in &self.logs {
            disk::sync(log)?;
        }
        for path in &self.paths {
            match disk::sync_path(path) {
                // Retention or the topic's deletion was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced?,
            }
        }
        Ok(())
    }

    /// The recovery point once this is done.
    pub fn end_offset(&self) -> i64 {
        self.end
    }
}

/// Renamed files of a dropped segment.
#[derive(Debug)]
pub(super) struct Doomed {
    due_ms: i64,
    paths: Vec<PathBuf>,
}

impl Log {
    /// Does what time asks for, but for retention and flushes: deletion, forgetting producers, closing files.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        self.remove_doomed(now_ms);
        if now_ms.saturating_sub(self.swept_ms) >= SWEEP_MS {
            self.swept_ms = now_ms;
            self.segments.iter_mut().for_each(|segment| segment.forget_if_unused());
        }
        let expired_ms = *self.expired_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(expired_ms) >= PRODUCERS_MS {
            self.expired_ms = Some(now_ms);
            self.producers.expire(now_ms, self.config.producer_id_expiration_ms);
        }
        Ok(())
    }

    /// Whether a flush will be due when nothing else happens: [`Log::is_flush_due`] wants to be asked every 20 ms then.
    pub fn has_unflushed(&self) -> bool {
        self.unflushed.since_ms.is_some() && !self.is_offline
    }

    /// Whether it is time for [`Log::start_flush`].
    pub fn is_flush_due(&self, now_ms: i64) -> bool {
        self.unflushed.is_due(now_ms, self.config.flush_ms) && !self.is_offline
    }

    /// Whether a flush was put off for so long that the log's owner should wait for the disk itself.
    pub fn is_flush_late(&self, now_ms: i64) -> bool {
        self.unflushed.age_ms(now_ms).is_some_and(|age_ms| age_ms >= LATE_MS)
    }

    /// Waits until everything appended is on disk.
    pub fn flush(&mut self) -> Result<(), LogError> {
        if self.unflushed.is_running {
            // What that flush was given may not be on disk yet, and nobody waits for it here.
            self.unflushed.epochs = true;
            self.unflushed.names = true;
        }
        let job = self.start_flush()?;
        let result = job.run();
        self.on_flushed(&job, result)
    }

    /// Collects what a flush has to wait for. While one runs, no other is due.
    pub fn start_flush(&mut self) -> Result<FlushJob, LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        let mut job = FlushJob {
            logs: Vec::new(),
            paths: Vec::new(),
            end: self.end,
            generation: self.unflushed.generation,
        };
        // The segment that ends at the recovery point was active when it was flushed, so that its indexes were not.
        let first = self.segment_index(self.unflushed.recovery_point.saturating_sub(1));
        let active = self.segments.len() - 1;
        for (index, segment) in self.segments.iter_mut().enumerate().skip(first) {
            // Lookups have these entries in memory, and recovery makes those anew that never reach the disk.
            if let Err(error) = segment.write_indexes() {
                tracing::warn!(dir = %self.dir.display(), %error, "index entries wait for the next flush");
            }
            job.logs.push(Arc::clone(segment.file().map_err(LogError::disk(&*self.dir))?));
            if index < active {
                job.paths.extend([segment.path(INDEX), segment.path(TIME_INDEX)]);
            }
        }
        if self.unflushed.epochs {
            job.paths.push(checkpoint::epochs_path(&self.dir));
        }
        if self.unflushed.names {
            job.paths.push(checkpoint::topic_id_path(&self.dir));
            job.paths.push(self.dir.to_path_buf());
            job.paths.extend(self.dir.parent().map(Path::to_path_buf));
        }
        let generation = self.unflushed.generation;
        let recovery_point = self.unflushed.recovery_point;
        self.unflushed = Unflushed {
            epochs: false,
            names: false,
            is_running: true,
            generation,
            ..Unflushed::new(recovery_point)
        };
        Ok(job)
    }

    /// Takes the result of a flush. An error takes the log offline: what the disk dropped is not written again by a
    /// second attempt, which would then seem to succeed.
    pub fn on_flushed(&mut self, job: &FlushJob, result: io::Result<()>) -> Result<(), LogError> {
        if let Err(source) = result {
            if is_out_of_descriptors(&source) {
                // Nothing was dropped: the same is flushed again when there are descriptors.
                self.unflushed.on_refused();
            } else {
                self.go_offline("flush", &source);
            }
            return Err(LogError::Disk { path: self.dir.to_path_buf(), source });
        }
        if job.generation == self.unflushed.generation {
            self.unflushed.is_running = false;
            self.unflushed.recovery_point = self.unflushed.recovery_point.max(job.end);
        }
        Ok(())
    }

    /// Flushes everything, with the producers' state, so that the next start has nothing to scan.
    pub fn close(mut self) -> Result<i64, LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        if self.end == 0 {
            // Nothing was ever written: whatever of these files a power cut takes is made again, and a broker with many such
            // partitions would wait for the disk several times for each.
            return Ok(self.end);
        }
        self.active_mut().seal();
        self.write_snapshot();
        self.unflushed.names = true;
        let mut job = self.start_flush()?;
        job.paths.push(self.dir.join(segment_file_name(self.end, SNAPSHOT)));
        job.paths.extend([self.active().path(INDEX), self.active().path(TIME_INDEX)]);
        let result = job.run();
        self.on_flushed(&job, result)?;
        for doomed in self.doomed.drain(..) {
            remove_all(&doomed.paths);
        }
        Ok(self.end)
    }

    /// Deletes the partition: its directory gets a name that the next start removes, and is removed now.
    pub fn delete(self) -> Result<(), LogError> {
        let doomed = checkpoint::doomed_dir(&self.dir, self.topic_id);
        disk::rename(&self.dir, &doomed).map_err(LogError::disk(&*self.dir))?;
        disk::remove_dir_all(&doomed).map_err(LogError::disk(&doomed))
    }

    /// Drops whole segments below `high_watermark` that time or size no longer keeps, and says how many: the log may start
    /// at a later offset then.
    pub fn retain(&mut self, now_ms: i64, high_watermark: i64) -> Result<usize, LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        let limits = Limits {
            retention_ms: self.config.retention_ms,
            retention_bytes: self.config.retention_bytes,
            log_start: self.start,
            high_watermark,
            delete: self.config.delete,
        };
        let mut retention = Retention::new(limits, self.size());
        let mut count = 0;
        // One after the other: to know a segment's age may mean to read its index.
        for (index, segment) in self.segments.iter().enumerate() {
            let end_offset = self.segments.get(index + 1).map_or(self.end, |next| next.base());
            // A segment without timestamps, or one that cannot be read, is as old as its file.
            let newest = segment.newest().ok().map(|newest| newest.timestamp).filter(|newest| *newest >= 0);
            let newest_ms = newest.unwrap_or_else(|| modified_ms(&segment.path(LOG), now_ms));
            let is_active = index + 1 == self.segments.len();
            let age = SegmentAge { end_offset, size: segment.size(), newest_ms, is_active };
            if !retention.takes(&age, now_ms) {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        if count == self.segments.len() {
            self.roll()?;
        }
        self.drop_oldest(count, now_ms)?;
        Ok(count)
    }

    /// Takes the oldest segments out of the log. Their files stay for a while for readers that still send them.
    ///
    /// The disk is waited for: they must not be back after a power cut, nor be gone while the segment behind them is not there.
    pub(super) fn drop_oldest(&mut self, count: usize, now_ms: i64) -> Result<(), LogError> {
        if self.unflushed.names {
            self.sync_names()?;
        }
        let dropped: Vec<_> = self.segments.drain(..count).collect();
        self.start = self.start.max(self.segments.first().map_or(self.end, |first| first.base()));
        let mut paths = Vec::new();
        // The oldest is gone on disk before the next goes: no crash leaves a gap.
        for segment in &dropped {
            for extension in [LOG, INDEX, TIME_INDEX, SNAPSHOT] {
                let from = segment.path(extension);
                let to = segment.path(&format!("{extension}.deleted"));
                match disk::rename(&from, &to) {
                    Ok(()) => paths.push(to),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(source) => return Err(LogError::Disk { path: from, source }),
                }
            }
            self.sync_names()?;
        }
        self.doom(paths, now_ms);
        self.truncate_epochs_start()
    }

    /// Waits until the disk has the names of the log's files; as any flush, it is not tried again if that fails.
    pub(super) fn sync_names(&mut self) -> Result<(), LogError> {
        disk::sync_path(&self.dir).map_err(|source| {
            self.go_offline("flush of the directory", &source);
            LogError::Disk { path: self.dir.to_path_buf(), source }
        })
    }

    /// Removes files when nobody is likely to open them any more.
    pub(super) fn doom(&mut self, paths: Vec<PathBuf>, now_ms: i64) {
        let due_ms = now_ms.saturating_add(self.config.file_delete_delay_ms);
        self.doomed.push(Doomed { due_ms, paths });
    }

    /// The epoch history begins where the log does.
    pub(super) fn truncate_epochs_start(&mut self) -> Result<(), LogError> {
        if self.epochs.truncate_start(self.start) {
            checkpoint::write_epochs(&self.dir, &self.epochs).map_err(LogError::disk(&*self.dir))?;
            self.unflushed.epochs = true;
        }
        Ok(())
    }

    fn remove_doomed(&mut self, now_ms: i64) {
        self.doomed.retain(|doomed| {
            let is_due = doomed.due_ms <= now_ms;
            if is_due {
                remove_all(&doomed.paths);
            }
            !is_due
        });
    }
}

fn remove_all(paths: &[PathBuf]) {
    for path in paths {
        // A segment that was cleaned twice in this time left one name for both.
        if let Err(error) = disk::remove(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "dropped segment stays until the next start");
        }
    }
}

/// When the file was last written, for records without timestamps; `now` if the system does not say.
fn modified_ms(path: &Path, now_ms: i64) -> i64 {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).ok();
    let since_1970 = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since_1970.and_then(|age| i64::try_from(age.as_millis()).ok()).unwrap_or(now_ms)
}
