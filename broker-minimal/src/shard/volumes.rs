//! The log directories and the volumes that they are on.

use std::path::PathBuf;

use super::storage::Storage;

/// A log directory with its volume.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) path: PathBuf,
    /// As it is told to clients: absolute.
    pub(crate) shown: String,
    /// -1 where the system does not say.
    pub(crate) total_bytes: i64,
    pub(crate) usable_bytes: i64,
}

impl Storage {
    /// The log directories, each as it is and as it is told to clients.
    pub(crate) fn dirs(&self) -> Vec<(PathBuf, String)> {
        let dirs = self.log_dirs().iter().map(|dir| dir.path().to_path_buf());
        let shown = |path: PathBuf| {
            let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            (path, absolute.display().to_string())
        };
        dirs.map(shown).collect()
    }

    /// The log directories with their volumes. Blocks.
    pub(crate) fn volumes(&self) -> Vec<Volume> {
        let volume = |(path, shown): (PathBuf, String)| {
            let (total_bytes, usable_bytes) = match rustix::fs::statvfs(&path) {
                Ok(volume) => {
                    (bytes(volume.f_blocks, volume.f_frsize), bytes(volume.f_bavail, volume.f_frsize))
                }
                Err(error) => {
                    tracing::debug!(path = shown, %error, "the volume does not say its size");
                    (-1, -1)
                }
            };
            Volume { path, shown, total_bytes, usable_bytes }
        };
        self.dirs().into_iter().map(volume).collect()
    }
}

fn bytes(blocks: u64, size: u64) -> i64 {
    i64::try_from(blocks.saturating_mul(size)).unwrap_or(i64::MAX)
}
