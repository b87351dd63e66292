//! What lies in this broker's log directories, and how much it takes there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::storage::Storage;
use super::worker::Worker;
use super::{Command, Shards, Stopped};

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplicaSize {
    pub(crate) topic: String,
    pub(crate) index: i32,
    pub(crate) bytes: u64,
}

/// The log directory of each, and what lies there.
pub(super) type SizesByDir = BTreeMap<PathBuf, Vec<ReplicaSize>>;

/// A log directory.
#[derive(Debug, Clone)]
pub(crate) struct DirContents {
    pub(crate) path: PathBuf,
    /// As it is told to clients: absolute.
    pub(crate) shown: String,
    /// A log in it has failed.
    pub(crate) has_failed: bool,
    /// Without those whose logs have failed.
    pub(crate) replicas: Vec<ReplicaSize>,
}

impl Worker {
    pub(super) fn sizes(&self) -> SizesByDir {
        let mut sizes = SizesByDir::new();
        for (id, replica) in self.replicas.iter().filter(|(_, replica)| !replica.log.is_offline()) {
            let dir = replica.log.dir().parent().map(PathBuf::from).unwrap_or_default();
            let size =
                ReplicaSize { topic: replica.topic.clone(), index: id.index, bytes: replica.log.size() };
            sizes.entry(dir).or_default().push(size);
        }
        sizes
    }
}

impl Shards {
    async fn sizes(&self) -> Result<SizesByDir, Stopped> {
        let mut all = SizesByDir::new();
        for index in 0..self.count() {
            let (reply, answer) = oneshot::channel();
            self.send_to(index, Command::Sizes { reply }).await?;
            for (dir, sizes) in answer.await.map_err(|_| Stopped)? {
                all.entry(dir).or_default().extend(sizes);
            }
        }
        Ok(all)
    }
}

impl Storage {
    /// Every log directory with what lies in it.
    pub(crate) async fn contents(&self) -> Result<Vec<DirContents>, Stopped> {
        let mut sizes = self.shards.sizes().await?;
        let failed = self.shards.failed_dirs();
        let failed = failed.borrow();
        let contents = |dir: &crate::log::LogDir| {
            let path = dir.path().to_path_buf();
            let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
            let replicas = sizes.remove(&path).unwrap_or_default();
            DirContents { has_failed: failed.contains(&path), shown, replicas, path }
        };
        Ok(self.log_dirs().iter().map(contents).collect())
    }
}
