//! Log directories that have failed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use kinglet_protocol::Uuid;

use super::storage::Storage;
use crate::log::LogDir;

impl Storage {
    /// Ids of the log directories that have failed.
    pub(crate) fn failed_dirs(&self) -> Vec<Uuid> {
        let failed = self.shards.failed_dirs();
        let failed = failed.borrow();
        self.log_dirs().iter().filter(|dir| failed.contains(dir.path())).map(LogDir::id).collect()
    }

    /// Whether no log directory is left that could be used.
    pub(crate) fn are_all(&self, failed: &BTreeSet<PathBuf>) -> bool {
        self.log_dirs().iter().all(|dir| failed.contains(dir.path()))
    }

    /// Lets go of everything in directories in which a log has failed, until the shards end: others are to lead it. Only where there
    /// are others: a broker alone serves what it can.
    pub(crate) async fn fail_dirs(self: Arc<Self>) {
        let mut failed = self.shards.failed_dirs();
        let mut gone = BTreeSet::new();
        while failed.changed().await.is_ok() {
            let now = failed.borrow_and_update().clone();
            for dir in now.difference(&gone) {
                tracing::error!(dir = %dir.display(), "log directory failed");
                self.shards.fail_dir(dir).await;
            }
            gone = now;
        }
    }
}
