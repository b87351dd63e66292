//! Makes the shards follow the metadata: opens the logs at start, then creates, changes and deletes them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinglet_protocol::Uuid;
use kinglet_protocol::records::files::OffsetEntry;
use tokio::sync::oneshot;

use super::command::{Checkpoint, NewReplica, Open};
use super::configs::Live;
use super::strays::{Strays, tell_unowned};
use super::{Command, PartitionId, Shards, Stopped};
use crate::clock;
use crate::config::{Config, topic_log_config, topic_min_insync_replicas};
use crate::log::{self, Checkpoints, DirError, FoundPartition, LogDir, LogDirs, LogError, RecoveryReport};
use crate::meta::image::{Image, PartitionImage, Topic};
use crate::replica::throttle::Throttles;
use crate::replica::{Settings, as_known, eligible};

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
    /// The configuration of the start.
    pub(super) started: Arc<Config>,
    pub(super) live: Live,
    pub(crate) throttles: Arc<Throttles>,
    dirs: Arc<LogDirs>,
    /// What this process registers with; `None` for a broker that is alone, which nobody else can have replaced.
    incarnation: Option<Uuid>,
    /// Held while the checkpoint files are written.
    saving: Arc<Mutex<()>>,
    /// Directories that were there at the start and that the metadata had no partition for, as far as it was known then.
    unclaimed: Arc<Mutex<Strays>>,
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
        Self {
            shards,
            throttles: Arc::new(Throttles::new(&config)),
            live: Live::new(Arc::clone(&config)),
            started: config,
            dirs: Arc::new(dirs),
            incarnation: None,
            saving: Arc::default(),
            unclaimed: Arc::default(),
        }
    }

    /// For a broker of a cluster: it leads nothing before the metadata has reached the registration with this id.
    pub(crate) fn registering_as(mut self, incarnation: Uuid) -> Self {
        self.incarnation = Some(incarnation);
        self
    }

    /// Writes down in new directories which cluster they belong to.
    pub(crate) fn join(&self, cluster_id: &str) -> Result<(), DirError> {
        self.dirs.join(cluster_id)
    }

    pub(super) fn log_dirs(&self) -> &[LogDir] {
        self.dirs.dirs()
    }

    /// Opens every partition of the image that has a replica here; one without a directory gets it. Blocks.
    pub(crate) fn open_all(&self, image: &Image) -> Result<Opened, StorageError> {
        self.follow_configs(&Image::default(), image);
        self.throttles.follow(image, self.started.node_id);
        let found = self.dirs.scan()?;
        let mut found: Strays = found
            .into_iter()
            .filter(|partition| partition.topic != METADATA_TOPIC)
            .map(|partition| ((partition.topic.clone(), partition.partition), partition))
            .collect();
        let mut opening = Vec::new();
        for topic in image.topics.values() {
            for (index, state) in self.here(topic) {
                let found = found.remove(&(topic.name.clone(), index));
                opening.push(self.open(image, topic, (index, state), found)?);
            }
        }
        for stray in found.values() {
            if image.was_removed(stray.topic_id) {
                // A kill came between the deletion in the metadata and that of the files.
                log::remove_partition(&stray.path, stray.topic_id)?;
            }
        }
        found.retain(|_, stray| !image.was_removed(stray.topic_id));
        if self.is_registered(image) {
            tell_unowned(&found);
        }
        // Newer metadata than this start knows may own them.
        *self.unclaimed() = found;
        let mut all = Opened::default();
        for report in wait(opening)? {
            all.partitions += 1;
            all.scanned_bytes += report.scanned_bytes;
            all.truncated_bytes += report.truncated_bytes;
        }
        // A log that was being cut may end before its saved recovery point: what is appended now must not pass for flushed.
        self.save_checkpoints()?;
        Ok(all)
    }

    /// Follows a change of the metadata. Blocks until the shards have followed; called by the metadata's thread.
    pub(crate) fn on_change(&self, old: &Image, new: &Image) -> Result<(), StorageError> {
        let mut opening = Vec::new();
        let mut deleting = Vec::new();
        for topic in old.topics.values() {
            let now = new.topic_by_id(topic.id);
            if now.is_some_and(|now| Arc::ptr_eq(now, topic)) {
                continue;
            }
            for (index, _) in self.here(topic) {
                if !now.and_then(|now| partition(now, index)).is_some_and(|state| self.is_here(state)) {
                    deleting.push(self.delete(topic, index)?);
                }
            }
        }
        if !deleting.is_empty() {
            for done in deleting {
                done.blocking_recv().map_err(|_| Stopped)?;
            }
            // The next topic of that name must not be recovered by the offsets of this one.
            self.save_checkpoints()?;
        }
        let is_reconfigured = self.follow_configs(old, new);
        self.throttles.follow(new, self.started.node_id);
        let brokers = changed_brokers(old, new);
        for topic in new.topics.values() {
            let before = old.topic_by_id(topic.id);
            let is_same = before.is_some_and(|before| Arc::ptr_eq(before, topic));
            if is_same && brokers.is_empty() && !is_reconfigured {
                continue;
            }
            let has_other_configs =
                is_reconfigured || before.is_some_and(|before| before.configs != topic.configs);
            for (index, state) in self.here(topic) {
                let known = before.and_then(|before| partition(before, index));
                let Some(known) = known.filter(|known| self.is_here(known)) else {
                    let found = self.claim(topic, index);
                    opening.push(self.open(new, topic, (index, state), found)?);
                    continue;
                };
                if has_other_configs {
                    self.configure(topic, index)?;
                }
                let leads = state.leader == self.started.node_id;
                let is_affected = leads && state.replicas.iter().any(|id| brokers.contains(id));
                if known != state || is_affected {
                    self.tell(new, PartitionId { topic: topic.id, index }, state)?;
                }
            }
        }
        wait(opening)?;
        // Behind those that claim theirs.
        self.delete_strays(old, new);
        Ok(())
    }

    /// How many partitions have a replica here.
    pub(crate) fn count(&self, image: &Image) -> usize {
        image.topics.values().map(|topic| self.here(topic).count()).sum()
    }

    /// The partitions of a topic that have a replica here.
    fn here<'t>(&self, topic: &'t Topic) -> impl Iterator<Item = (i32, &'t PartitionImage)> + use<'t> {
        let me = self.started.node_id;
        (0..).zip(&topic.partitions).filter(move |(_, state)| state.replicas.contains(&me))
    }

    fn is_here(&self, state: &PartitionImage) -> bool {
        state.replicas.contains(&self.started.node_id)
    }

    /// A directory of this partition that was there before the metadata named it.
    fn claim(&self, topic: &Topic, index: i32) -> Option<FoundPartition> {
        let mut unclaimed = self.unclaimed();
        let key = (topic.name.clone(), index);
        let is_ours = unclaimed.get(&key).is_some_and(|found| found.topic_id == topic.id);
        if is_ours { unclaimed.remove(&key) } else { None }
    }

    pub(super) fn unclaimed(&self) -> MutexGuard<'_, Strays> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a partition who leads and who is in sync.
    fn tell(&self, image: &Image, id: PartitionId, state: &PartitionImage) -> Result<(), Stopped> {
        let boxed = Box::new(self.known(image, state));
        let command = if boxed.leader == self.started.node_id {
            Command::Lead { id, state: boxed, eligible: eligible(image, state) }
        } else {
            Command::Follow { id, state: boxed }
        };
        self.shards.send_blocking(id, command)
    }

    fn open(
        &self,
        image: &Image,
        topic: &Topic,
        (index, state): (i32, &PartitionImage),
        found: Option<FoundPartition>,
    ) -> Result<Opening, StorageError> {
        let high_watermark = found.as_ref().map_or(0, |found| found.high_watermark);
        let (dir, recovery) = match found {
            Some(found) => (found.path, Some(found.recovery)),
            None => (self.place(topic, index, Some(state.dir_of(self.started.node_id)))?, None),
        };
        let (reply, answer) = oneshot::channel();
        let id = PartitionId { topic: topic.id, index };
        let what = NewReplica {
            id,
            topic: topic.name.clone(),
            dir,
            config: topic_log_config(&self.config(), &topic.configs),
            settings: self.settings(topic),
            node_id: self.started.node_id,
            high_watermark,
            state: self.known(image, state),
            eligible: eligible(image, state),
        };
        let open = Open { what, recovery, now_ms: clock::now_ms(), reply };
        self.shards.send_blocking(id, Command::Open(Box::new(open)))?;
        Ok((topic.name.clone(), index, answer))
    }

    fn known(&self, image: &Image, state: &PartitionImage) -> PartitionImage {
        as_known(state, self.started.node_id, self.is_registered(image))
    }

    /// Whether the image has this life of the broker.
    pub(super) fn is_registered(&self, image: &Image) -> bool {
        let registered = image.broker(self.started.node_id).map(|broker| broker.incarnation);
        self.incarnation.is_none() || registered == self.incarnation
    }

    fn settings(&self, topic: &Topic) -> Settings {
        Settings {
            min_insync_replicas: topic_min_insync_replicas(&self.config(), &topic.configs),
            lag_time_max: self.started.replica_lag_time_max,
        }
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

    fn configure(&self, topic: &Topic, index: i32) -> Result<(), Stopped> {
        let id = PartitionId { topic: topic.id, index };
        let config = topic_log_config(&self.config(), &topic.configs);
        self.shards.send_blocking(id, Command::Configure { id, config, settings: self.settings(topic) })
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
    pub(crate) fn finish(
        &self,
        closed: &[Checkpoint],
        all_closed: bool,
        broker_epoch: i64,
    ) -> Result<(), DirError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.save(closed)?;
        if !all_closed {
            tracing::warn!("not every log was closed: the next start checks them");
            return Ok(());
        }
        self.dirs.dirs().iter().try_for_each(|dir| LogDir::mark_clean(dir, broker_epoch))
    }
}

fn partition(topic: &Topic, index: i32) -> Option<&PartitionImage> {
    topic.partitions.get(usize::try_from(index).ok()?)
}

/// Brokers that came, went, or are not what they were.
fn changed_brokers(old: &Image, new: &Image) -> HashSet<i32> {
    let differs = |id: &&i32| match (old.brokers.get(id), new.brokers.get(id)) {
        (Some(old), Some(new)) => !Arc::ptr_eq(old, new) && old != new,
        _ => true,
    };
    old.brokers.keys().chain(new.brokers.keys()).filter(differs).copied().collect()
}

fn wait(opening: Vec<Opening>) -> Result<Vec<RecoveryReport>, StorageError> {
    let mut reports = Vec::with_capacity(opening.len());
    for (topic, partition, answer) in opening {
        let opened = answer.blocking_recv().map_err(|_| Stopped)?;
        reports.push(opened.map_err(|source| StorageError::Log { topic, partition, source })?);
    }
    Ok(reports)
}

pub(super) fn by_dir(checkpoints: &[Checkpoint]) -> BTreeMap<&Path, Checkpoints> {
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
