//! What was fetched from a registry, once for each machine: a folder each in `KINGLET_CACHE`, else in `~/.cache/kinglet`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::RunError;

/// How long a registry may take.
pub(crate) const DOWNLOAD_LIMIT: Duration = Duration::from_secs(10 * 60);

/// The cache's folder of that name, which need not be there.
pub(crate) fn folder(name: &str) -> Result<PathBuf, String> {
    let cache = match (std::env::var_os("KINGLET_CACHE"), std::env::home_dir()) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => home.join(".cache/kinglet"),
        (None, None) => return Err("neither KINGLET_CACHE nor a home folder is known".to_owned()),
    };
    Ok(cache.join(name))
}

/// Sees to it that `dir` has a folder `part`: unless what is there `is_whole`, it goes, and `fill` makes a new one at the path it
/// is given. Tests that come at once wait for each other.
pub(crate) fn fill(
    dir: &Path,
    part: &str,
    is_whole: impl FnOnce(&Path) -> bool,
    fill: impl FnOnce(&Path) -> Result<(), FillError>,
) -> Result<(), FillError> {
    fs::create_dir_all(dir)?;
    // The lock goes with the file.
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    let whole = dir.join(part);
    if whole.is_dir() && is_whole(&whole) {
        return Ok(());
    }
    let partial = dir.join(format!("{part}.partial"));
    for old in [&whole, &partial] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    fill(&partial)?;
    // Only a whole folder gets the name that counts.
    Ok(fs::rename(&partial, &whole)?)
}

/// Why a folder of the cache was not filled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}
