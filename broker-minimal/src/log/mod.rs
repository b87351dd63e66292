//! One partition's records on disk, in Kafka's own format: segments, indexes, epochs, producers.
//!
//! A log knows offsets and bytes. It does not know who waits for an ack, what is committed (its callers pass the
//! high watermark in), or what time it is. It belongs to one shard thread and blocks on the disk.
//! `docs/STORAGE.md` describes the files.

mod append;
mod checkpoint;
mod cleaning;
mod compact;
mod config;
mod copy;
mod dir_lock;
mod dirs;
pub(crate) mod epochs;
mod error;
mod flush;
mod index;
mod indexing;
mod lookup;
pub(crate) mod producers;
mod read;
mod recent;
mod recovery;
mod retention;
mod scan;
mod segment;
mod swap;
#[cfg(test)]
mod tests;
mod truncate;

use std::path::Path;
use std::sync::Arc;

use kinglet_protocol::Uuid;

pub use append::Appended;
pub use cleaning::{CleanError, CleanJob, CleanLimits, CleanReport, Cleaned};
pub use config::LogConfig;
pub use dir_lock::DirLock;
pub use dirs::{Checkpoints, DirError, FoundPartition, LogDir, LogDirs, remove_partition};
pub use error::{AppendError, LogError, ReadError};
pub use flush::FlushJob;
pub use lookup::{SegmentStart, TimestampOffset};
pub use producers::{Duplicate, ProducerError};
pub use read::{FileSlice, FirstBatch};
pub use recovery::{Recovery, RecoveryReport};

use epochs::Epochs;
use flush::Unflushed;
use producers::Producers;
use recent::Recent;
use segment::Segment;
use swap::CleanerState;

use crate::disk;

/// The log of one partition.
#[derive(Debug)]
pub struct Log {
    dir: Arc<Path>,
    topic_id: Uuid,
    config: LogConfig,
    /// Never empty, by rising base offset; the last one is appended to.
    segments: Vec<Segment>,
    /// Records before it may not be read any more.
    start: i64,
    /// Offset of the next record.
    end: i64,
    epochs: Epochs,
    producers: Producers,
    recent: Recent,
    cleaner: CleanerState,
    unflushed: Unflushed,
    /// Files of dropped segments, renamed, with the time at which they go.
    doomed: Vec<flush::Doomed>,
    /// When files that nobody uses were last closed.
    swept_ms: i64,
    /// When old producers were last forgotten, or this log began.
    expired_ms: Option<i64>,
    /// A disk error left files in a state that is not known.
    is_offline: bool,
}

impl Log {
    /// Makes the directory of a new partition. It is not waited for until it is on disk: the first flush does that.
    pub fn create(dir: &Path, topic_id: Uuid, config: LogConfig) -> Result<Self, LogError> {
        disk::create_dir(dir).map_err(LogError::disk(dir))?;
        let dir: Arc<Path> = Arc::from(dir);
        let segment = checkpoint::write_topic_id(&dir, topic_id)
            .and_then(|()| Segment::create(&dir, 0, config.index_interval_bytes));
        match segment {
            Ok(segment) => Ok(Self::assemble(dir, topic_id, config, vec![segment])),
            Err(source) => {
                // The next attempt shall find the name free. If this fails too, that attempt says so.
                let _ = disk::remove_dir_all(&dir);
                Err(LogError::Disk { path: dir.to_path_buf(), source })
            }
        }
    }

    fn assemble(dir: Arc<Path>, topic_id: Uuid, config: LogConfig, segments: Vec<Segment>) -> Self {
        Self {
            dir,
            topic_id,
            config,
            segments,
            start: 0,
            end: 0,
            epochs: Epochs::default(),
            producers: Producers::default(),
            recent: Recent::default(),
            cleaner: CleanerState::default(),
            unflushed: Unflushed::new(0),
            doomed: Vec::new(),
            swept_ms: 0,
            expired_ms: None,
            is_offline: false,
        }
    }

    /// The partition's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The topic's id; zero when `partition.metadata` is not there.
    pub fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    /// The settings in force.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, for what is appended and retained from now on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// First offset that may be read.
    pub fn start_offset(&self) -> i64 {
        self.start
    }

    /// The start offset where the files alone do not tell it: records before it are still in them.
    pub fn start_in_segment(&self) -> Option<i64> {
        let base = self.segments.first().map_or(0, Segment::base);
        (self.start > base).then_some(self.start)
    }

    /// Offset of the next record.
    pub fn end_offset(&self) -> i64 {
        self.end
    }

    /// The idempotent producers that are remembered, by id.
    pub(crate) fn producers(&self) -> Vec<producers::ActiveProducer> {
        self.producers.active()
    }

    /// Records before it survive a power cut.
    pub fn recovery_point(&self) -> i64 {
        self.unflushed.recovery_point
    }

    /// Bytes of all segments, without indexes.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether a disk error took the log offline; only a restart brings it back.
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// The newest leader epoch, -1 when nothing was written under one.
    pub fn latest_epoch(&self) -> i32 {
        self.epochs.latest().unwrap_or(-1)
    }

    /// The epoch that wrote `offset`, -1 when that is not known.
    pub fn epoch_of(&self, offset: i64) -> i32 {
        self.epochs.epoch_of(offset)
    }

    /// The largest epoch not above `epoch` and the offset where it ends; `(-1, -1)` if that cannot be said
    /// (KIP-101, KIP-279).
    pub fn epoch_end_offset(&self, epoch: i32) -> (i32, i64) {
        self.epochs.end_offset(epoch, self.end)
    }

    fn active(&self) -> &Segment {
        self.segments.last().expect("a log has an active segment")
    }

    fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has an active segment")
    }

    /// Which segment holds `offset`: the last one whose base is not behind it.
    fn segment_index(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.base() <= offset).saturating_sub(1)
    }
}
