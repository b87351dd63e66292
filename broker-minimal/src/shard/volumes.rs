//! The volumes that log directories are on.

use std::path::Path;

/// How large a volume is, and how much of that can be used; -1 where nobody knows, as in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) total_bytes: i64,
    pub(crate) usable_bytes: i64,
}

impl Volume {
    /// Nobody knows.
    pub(crate) const UNKNOWN: Self = Self { total_bytes: -1, usable_bytes: -1 };

    /// The one that a directory is on. Blocks.
    pub(crate) fn of(path: &Path) -> Self {
        match rustix::fs::statvfs(path) {
            Ok(volume) => Self {
                total_bytes: bytes(volume.f_blocks, volume.f_frsize),
                usable_bytes: bytes(volume.f_bavail, volume.f_frsize),
            },
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "the volume does not say its size");
                Self::UNKNOWN
            }
        }
    }
}

fn bytes(blocks: u64, size: u64) -> i64 {
    i64::try_from(blocks.saturating_mul(size)).unwrap_or(i64::MAX)
}
