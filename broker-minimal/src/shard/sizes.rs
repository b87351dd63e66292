//! How much the partitions of this broker take on its disks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::oneshot;

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
pub(crate) type SizesByDir = BTreeMap<PathBuf, Vec<ReplicaSize>>;

impl Worker {
    pub(super) fn sizes(&self) -> SizesByDir {
        let mut sizes = SizesByDir::new();
        for (id, replica) in &self.replicas {
            let dir = replica.log.dir().parent().map(PathBuf::from).unwrap_or_default();
            let size =
                ReplicaSize { topic: replica.topic.clone(), index: id.index, bytes: replica.log.size() };
            sizes.entry(dir).or_default().push(size);
        }
        sizes
    }
}

impl Shards {
    /// What lies in each log directory.
    pub(crate) async fn sizes(&self) -> Result<SizesByDir, Stopped> {
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
