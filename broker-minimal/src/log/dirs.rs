//! The data directories of a broker (`log.dirs`): whose they are, who uses them now, and how they were left.
//!
//! Which topics should exist is not known here.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kinglet_protocol::Uuid;
use kinglet_protocol::records::files::{self, FileError, MetaProperties, OffsetEntry};

use super::checkpoint;
use super::dir_lock::DirLock;
use super::recovery::Recovery;

const META: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
const LOG_STARTS: &str = "log-start-offset-checkpoint";
const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
const FIRST_DIRTY: &str = "cleaner-offset-checkpoint";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirError {
    /// The disk refused.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The directory, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another broker runs on it.
    #[error("{}: another broker uses this directory", .0.display())]
    InUse(PathBuf),
    /// It belongs to another broker or cluster.
    #[error("{}: {key} is {found} here, expected {expected}", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// `node.id` or `cluster.id`.
        key: &'static str,
        /// What `meta.properties` says.
        found: String,
        /// What the broker's configuration or its other directories say.
        expected: String,
    },
    /// A file in it makes no sense.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line.
        source: FileError,
    },
}

/// A partition that has a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The topic's id; zero when the directory does not say.
    pub topic_id: Uuid,
    /// Its directory, to be opened.
    pub path: PathBuf,
    /// How it was left.
    pub recovery: Recovery,
    /// The high watermark when it was last saved, 0 if it was not.
    pub high_watermark: i64,
}

/// The offsets of one partition that outlive a stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// Everything before it is flushed.
    pub recovery_points: Vec<OffsetEntry>,
    /// First offsets that may be read.
    pub log_starts: Vec<OffsetEntry>,
    /// What is committed.
    pub high_watermarks: Vec<OffsetEntry>,
    /// What is compacted.
    pub first_dirty: Vec<OffsetEntry>,
}

/// All data directories of this broker, locked for it.
#[derive(Debug)]
pub struct LogDirs {
    node_id: i32,
    /// Set once it is known: new directories of a cluster that forms have none yet.
    cluster_id: OnceLock<String>,
    dirs: Vec<LogDir>,
}

/// One data directory.
#[derive(Debug)]
pub struct LogDir {
    path: PathBuf,
    id: Uuid,
    /// `meta.properties` is to be written.
    is_new: bool,
    /// The mark was there when the broker started, with this broker epoch in it; -1 for none.
    clean_epoch: Option<i64>,
    /// Held as long as the broker runs.
    _lock: DirLock,
}

impl LogDirs {
    /// Locks the directories, formats those that are new, and takes their marks of a clean stop away.
    ///
    /// Without a `cluster_id` it is that of the directories, and a new one if all are new. `new_id` draws random ids.
    pub fn open(
        paths: &[PathBuf],
        node_id: i32,
        cluster_id: Option<&str>,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Result<Self, DirError> {
        let dirs = Self::lock(paths, node_id, cluster_id, |_| new_id())?;
        let cluster_id = dirs.cluster_id().map_or_else(|| new_id().to_string(), str::to_owned);
        dirs.join(&cluster_id)?;
        Ok(dirs)
    }

    /// As [`LogDirs::open`], but directories that are new stay without a cluster until [`LogDirs::join`]. `new_id` is told which
    /// directory is to have an id.
    pub fn lock(
        paths: &[PathBuf],
        node_id: i32,
        cluster_id: Option<&str>,
        mut new_id: impl FnMut(&Path) -> Uuid,
    ) -> Result<Self, DirError> {
        let mut locked = Vec::new();
        for path in paths {
            std::fs::create_dir_all(path).map_err(disk(path))?;
            locked.push((path, DirLock::take(path)?, read_meta(path)?));
        }
        let found = locked.iter().find_map(|(_, _, meta)| meta.as_ref().map(|meta| meta.cluster_id.clone()));
        let cluster_id = cluster_id.map(str::to_owned).or(found);
        let mut dirs = Vec::new();
        for (path, lock, meta) in locked {
            let known =
                meta.map(|meta| check(path, meta, node_id, cluster_id.as_deref())).transpose()?.flatten();
            let (id, is_new) = known.map_or_else(|| (new_id(path), true), |id| (id, false));
            let clean_epoch = take_clean_mark(path)?;
            dirs.push(LogDir { path: path.clone(), id, is_new, clean_epoch, _lock: lock });
        }
        Ok(Self { node_id, cluster_id: cluster_id.map(OnceLock::from).unwrap_or_default(), dirs })
    }

    /// Writes down which cluster the new directories belong to.
    pub fn join(&self, cluster_id: &str) -> Result<(), DirError> {
        let known = self.cluster_id.get_or_init(|| cluster_id.to_owned());
        for dir in &self.dirs {
            if known != cluster_id {
                let (found, expected) = (known.clone(), cluster_id.to_owned());
                return Err(DirError::Foreign { path: dir.path.clone(), key: "cluster.id", found, expected });
            }
            if dir.is_new {
                dir.format(self.node_id, cluster_id)?;
            }
        }
        Ok(())
    }

    /// The cluster these directories belong to; `None` when all are new.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.get().map(String::as_str)
    }

    /// The broker epoch of the last life here, if that ended cleanly in all directories; else -1 (KIP-966).
    pub fn clean_epoch(&self) -> i64 {
        self.dirs.iter().map(|dir| dir.clean_epoch.unwrap_or(-1)).min().unwrap_or(-1)
    }

    /// The directories, in the order of the configuration.
    pub fn dirs(&self) -> &[LogDir] {
        &self.dirs
    }

    /// All partitions that are there. What deletions left behind is removed, what is not known is left alone.
    pub fn scan(&self) -> Result<Vec<FoundPartition>, DirError> {
        let mut all = Vec::new();
        for dir in &self.dirs {
            all.extend(dir.scan()?);
        }
        Ok(all)
    }
}

impl LogDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's own id (KIP-858).
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Whether the last broker here stopped cleanly.
    pub fn was_clean(&self) -> bool {
        self.clean_epoch.is_some()
    }

    fn format(&self, node_id: i32, cluster_id: &str) -> Result<(), DirError> {
        let (directory_id, cluster_id) = (Some(self.id), cluster_id.to_owned());
        let meta = MetaProperties { node_id, directory_id, cluster_id };
        let path = self.path.join(META);
        checkpoint::replace_durably(&path, meta.write().as_bytes()).map_err(disk(&path))
    }

    /// Saves the offsets of the partitions that lie here, each file as a whole.
    pub fn save(&self, checkpoints: &Checkpoints) -> Result<(), DirError> {
        let files = [
            (RECOVERY_POINTS, &checkpoints.recovery_points),
            (LOG_STARTS, &checkpoints.log_starts),
            (HIGH_WATERMARKS, &checkpoints.high_watermarks),
            (FIRST_DIRTY, &checkpoints.first_dirty),
        ];
        for (name, entries) in files {
            let path = self.path.join(name);
            let text = files::write_offsets(entries.iter());
            checkpoint::replace_durably(&path, text.as_bytes()).map_err(disk(&path))?;
        }
        Ok(())
    }

    /// Marks a clean stop, after all logs were closed and the offsets saved.
    ///
    /// `broker_epoch` is that of the life that ends, as Kafka writes it; -1 says that there is none.
    pub fn mark_clean(&self, broker_epoch: i64) -> Result<(), DirError> {
        let path = self.path.join(CLEAN_SHUTDOWN);
        let text = format!("{{\"version\":0,\"brokerEpoch\":\"{broker_epoch}\"}}");
        checkpoint::replace_durably(&path, text.as_bytes()).map_err(disk(&path))
    }

    fn scan(&self) -> Result<Vec<FoundPartition>, DirError> {
        let recovery_points = self.load(RECOVERY_POINTS)?;
        let log_starts = self.load(LOG_STARTS)?;
        let high_watermarks = self.load(HIGH_WATERMARKS)?;
        let first_dirty = self.load(FIRST_DIRTY)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(disk(&self.path))? {
            let entry = entry.map_err(disk(&self.path))?;
            let path = entry.path();
            if !entry.file_type().map_err(disk(&path))?.is_dir() {
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with("-delete") {
                crate::disk::remove_dir_all(&path).map_err(disk(&path))?;
                continue;
            }
            let Some((topic, partition)) = parse_name(&name) else {
                tracing::warn!(path = %path.display(), "not a partition's directory, left alone");
                continue;
            };
            let key = (topic.to_owned(), partition);
            let saved = |of: &HashMap<_, i64>| of.get(&key).copied().unwrap_or(0);
            found.push(FoundPartition {
                recovery: Recovery {
                    clean: self.was_clean(),
                    recovery_point: saved(&recovery_points),
                    log_start: saved(&log_starts),
                    first_dirty: saved(&first_dirty),
                },
                high_watermark: saved(&high_watermarks),
                topic_id: checkpoint::read_topic_id(&path).map_err(disk(&path))?,
                topic: key.0,
                partition,
                path,
            });
        }
        Ok(found)
    }

    /// A checkpoint that makes no sense is as one that is missing: recovery then starts earlier.
    fn load(&self, name: &str) -> Result<HashMap<(String, i32), i64>, DirError> {
        let path = self.path.join(name);
        let Some(text) = checkpoint::read_text(&path).map_err(disk(&path))? else {
            return Ok(HashMap::new());
        };
        let entries = files::parse_offsets(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "checkpoint unreadable");
            Vec::new()
        });
        Ok(entries.into_iter().map(|entry| ((entry.topic, entry.partition), entry.offset)).collect())
    }
}

/// Removes the directory of a partition whose topic is gone, by way of a name that the next start removes too.
pub fn remove_partition(path: &Path, topic_id: Uuid) -> Result<(), DirError> {
    let doomed = checkpoint::doomed_dir(path, topic_id);
    crate::disk::rename(path, &doomed).map_err(disk(path))?;
    crate::disk::remove_dir_all(&doomed).map_err(disk(&doomed))
}

pub(super) fn disk(path: &Path) -> impl Fn(io::Error) -> DirError {
    let path = path.to_path_buf();
    move |source| DirError::Disk { path: path.clone(), source }
}

fn read_meta(dir: &Path) -> Result<Option<MetaProperties>, DirError> {
    let path = dir.join(META);
    let Some(text) = checkpoint::read_text(&path).map_err(disk(&path))? else { return Ok(None) };
    MetaProperties::parse(&text).map(Some).map_err(|source| DirError::Malformed { path, source })
}

/// Checks that a directory is ours; returns its id, if it has one.
fn check(
    dir: &Path,
    meta: MetaProperties,
    node_id: i32,
    cluster_id: Option<&str>,
) -> Result<Option<Uuid>, DirError> {
    let foreign = |key, found: String, expected: String| {
        Err(DirError::Foreign { path: dir.to_path_buf(), key, found, expected })
    };
    if let Some(cluster_id) = cluster_id.filter(|id| *id != meta.cluster_id) {
        return foreign("cluster.id", meta.cluster_id, cluster_id.to_owned());
    }
    if meta.node_id != node_id {
        return foreign("node.id", meta.node_id.to_string(), node_id.to_string());
    }
    Ok(meta.directory_id)
}

/// The mark goes before anything is written, and the disk is waited for: if it came back after a power cut, torn
/// files would pass for clean ones.
fn take_clean_mark(dir: &Path) -> Result<Option<i64>, DirError> {
    let path = dir.join(CLEAN_SHUTDOWN);
    let text = checkpoint::read_text(&path).map_err(disk(&path))?;
    match crate::disk::remove(&path) {
        Ok(()) => crate::disk::sync_path(dir).map_err(disk(dir))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DirError::Disk { path: dir.to_path_buf(), source }),
    }
    Ok(Some(text.as_deref().and_then(broker_epoch).unwrap_or(-1)))
}

/// The number in `{"version":0,"brokerEpoch":"17"}`. Kafka before 3.8 left the file empty.
fn broker_epoch(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let number = rest.trim_start_matches([' ', ':', '"']);
    number.split(|c: char| c != '-' && !c.is_ascii_digit()).next()?.parse().ok()
}

/// `<topic>-<partition>`; topics have dashes of their own.
fn parse_name(name: &str) -> Option<(&str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
    (!topic.is_empty()).then_some((topic, partition))
}
