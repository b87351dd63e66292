//! Makes the shards follow the metadata: opens the logs at start, then creates, changes and deletes them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kinglet_protocol::Uuid;
use kinglet_protocol::records::files::OffsetEntry;
use tokio::sync::oneshot;

use super::command::{Checkpoint, NewReplica, Open};
use super::{Command, PartitionId, Shards, Stopped};
use crate::clock;
use crate::config::{Config, topic_log_config};
use crate::log::{self, Checkpoints, DirError, FoundPartition, LogDir, LogDirs, LogError, RecoveryReport};
use crate::meta::image::{Image, Topic};

/// The metadata log's directory: it looks like a partition's, but no shard owns it.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// A partition's log could not be opened or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("{topic}-{partition}: {source}")]
    Log { topic: String, partition: i32, source: LogError },
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("there is no log directory")]
    NoDir,
}

/// The log directories and the shards that use them.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) shards: Arc<Shards>,
    config: Arc<Config>,
    dirs: Arc<LogDirs>,
    /// Held while the checkpoint files are written.
    saving: Arc<Mutex<()>>,
}

/// What opening all logs came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Opened {
    pub(crate) partitions: usize,
    pub(crate) scanned_bytes: u64,
    pub(crate) truncated_bytes: u64,
}

type Opening = (String, i32, oneshot::Receiver<Result<RecoveryReport, LogError>>);

impl Storage {
    pub(crate) fn new(shards: Arc<Shards>, config: Arc<Config>, dirs: LogDirs) -> Self {
        Self { shards, config, dirs: Arc::new(dirs), saving: Arc::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Opens every partition of the image; a partition without a directory gets one. Blocks.
    pub(crate) fn open_all(&self, image: &Image) -> Result<Opened, StorageError> {
        let found = self.dirs.scan()?;
        let mut found: HashMap<(String, i32), FoundPartition> = found
            .into_iter()
            .filter(|partition| partition.topic != METADATA_TOPIC)
            .map(|partition| ((partition.topic.clone(), partition.partition), partition))
            .collect();
        let mut opening = Vec::new();
        for topic in image.topics.values() {
            for index in indexes(topic, 0) {
                let found = found.remove(&(topic.name.clone(), index));
                opening.push(self.open(topic, index, found)?);
            }
        }
        for stray in found.values() {
            if image.was_removed(stray.topic_id) {
                // A kill came between the deletion in the metadata and that of the files.
                log::remove_partition(&stray.path, stray.topic_id)?;
            } else {
                tracing::warn!(path = %stray.path.display(), "no topic in the metadata owns this directory, left alone");
            }
        }
        let mut all = Opened::default();
        for report in wait(opening)? {
            all.partitions += 1;
            all.scanned_bytes += report.scanned_bytes;
            all.truncated_bytes += report.truncated_bytes;
        }
        Ok(all)
    }

    /// Follows a change of the metadata. Blocks until the shards have followed; called by the metadata's thread.
    pub(crate) fn on_change(&self, old: &Image, new: &Image) -> Result<(), StorageError> {
        let mut opening = Vec::new();
        let mut deleting = Vec::new();
        for topic in old.topics.values().filter(|topic| new.topic_by_id(topic.id).is_none()) {
            for index in indexes(topic, 0) {
                deleting.push(self.delete(topic, index)?);
            }
        }
        if !deleting.is_empty() {
            for done in deleting {
                done.blocking_recv().map_err(|_| Stopped)?;
            }
            // The next topic of that name must not be recovered by the offsets of this one.
            self.save_checkpoints()?;
        }
        for topic in new.topics.values() {
            let before = old.topic_by_id(topic.id);
            if before.is_some_and(|before| Arc::ptr_eq(before, topic)) {
                continue;
            }
            let known = before.map_or(0, |before| before.partitions.len());
            if before.is_some_and(|before| before.configs != topic.configs) {
                self.configure(topic, known)?;
            }
            for index in indexes(topic, known) {
                opening.push(self.open(topic, index, None)?);
            }
        }
        wait(opening).map(drop)
    }

    fn open(
        &self,
        topic: &Topic,
        index: i32,
        found: Option<FoundPartition>,
    ) -> Result<Opening, StorageError> {
        let partition = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index));
        let (dir, recovery) = match found {
            Some(found) => (found.path, Some(found.recovery)),
            None => (
                self.place(topic, index, partition.map(|partition| partition.dir_of(self.config.node_id)))?,
                None,
            ),
        };
        let (reply, answer) = oneshot::channel();
        let id = PartitionId { topic: topic.id, index };
        let what = NewReplica {
            id,
            topic: topic.name.clone(),
            dir,
            config: topic_log_config(&self.config, &topic.configs),
            leader_epoch: partition.map_or(0, |partition| partition.leader_epoch),
        };
        let open = Open { what, recovery, now_ms: clock::now_ms(), reply };
        self.shards.send_blocking(id, Command::Open(Box::new(open)))?;
        Ok((topic.name.clone(), index, answer))
    }

    /// Where the metadata says that the partition lies; in the first directory when that one is gone from `log.dirs`.
    fn place(&self, topic: &Topic, index: i32, wanted: Option<Uuid>) -> Result<PathBuf, StorageError> {
        let dirs = self.dirs.dirs();
        let chosen = dirs.iter().find(|dir| Some(dir.id()) == wanted).or(dirs.first());
        let dir = chosen.ok_or(StorageError::NoDir)?;
        Ok(dir.path().join(format!("{}-{index}", topic.name)))
    }

    fn delete(&self, topic: &Topic, index: i32) -> Result<oneshot::Receiver<()>, Stopped> {
        let id = PartitionId { topic: topic.id, index };
        let (done, deleted) = oneshot::channel();
        self.shards.send_blocking(id, Command::Delete { id, done })?;
        Ok(deleted)
    }

    fn configure(&self, topic: &Topic, known: usize) -> Result<(), Stopped> {
        for index in indexes(topic, 0).take(known) {
            let id = PartitionId { topic: topic.id, index };
            let config = topic_log_config(&self.config, &topic.configs);
            self.shards.send_blocking(id, Command::Configure { id, config })?;
        }
        Ok(())
    }

    /// Asks the shards where their partitions stand and saves it. Blocks.
    pub(crate) fn save_checkpoints(&self) -> Result<(), StorageError> {
        // One at a time, the question included: what was asked first must not be written last.
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.save(&self.shards.checkpoints_blocking()?)?;
        Ok(())
    }

    fn save(&self, checkpoints: &[Checkpoint]) -> Result<(), DirError> {
        let by_dir = by_dir(checkpoints);
        let none = Checkpoints::default();
        self.dirs.dirs().iter().try_for_each(|dir| dir.save(by_dir.get(dir.path()).unwrap_or(&none)))
    }

    /// Saves for the last time and marks the stop as clean, where every log was closed.
    pub(crate) fn finish(&self, closed: &[Checkpoint], all_closed: bool) -> Result<(), DirError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.save(closed)?;
        if !all_closed {
            tracing::warn!("not every log was closed: the next start checks them");
            return Ok(());
        }
        self.dirs.dirs().iter().try_for_each(LogDir::mark_clean)
    }
}

/// The partitions of a topic from `from` on. Kafka numbers them with 32 bits.
fn indexes(topic: &Topic, from: usize) -> impl Iterator<Item = i32> {
    (from..topic.partitions.len()).filter_map(|index| i32::try_from(index).ok())
}

fn wait(opening: Vec<Opening>) -> Result<Vec<RecoveryReport>, StorageError> {
    let mut reports = Vec::with_capacity(opening.len());
    for (topic, partition, answer) in opening {
        let opened = answer.blocking_recv().map_err(|_| Stopped)?;
        reports.push(opened.map_err(|source| StorageError::Log { topic, partition, source })?);
    }
    Ok(reports)
}

fn by_dir(checkpoints: &[Checkpoint]) -> BTreeMap<&Path, Checkpoints> {
    let mut by_dir: BTreeMap<&Path, Checkpoints> = BTreeMap::new();
    for at in checkpoints {
        let entry = |offset| OffsetEntry { topic: at.topic.clone(), partition: at.index, offset };
        let files = by_dir.entry(&at.dir).or_default();
        files.recovery_points.push(entry(at.recovery_point));
        files.log_starts.extend(at.log_start_offset.map(entry));
        files.high_watermarks.push(entry(at.high_watermark));
        files.first_dirty.extend(at.first_dirty.map(entry));
    }
    by_dir
}
