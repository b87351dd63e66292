//! Whose a directory is now: one process at a time, and its id stands there.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use super::dirs::{DirError, disk};

/// Kafka's name for it. Kafka leaves the file empty.
const LOCK: &str = ".lock";
/// More than the digits of any process id.
const PID_LEN_MAX: u64 = 20;

/// Held as long as the directory is used; the system drops it when the process ends, however that happens.
#[derive(Debug)]
pub struct DirLock(File);

impl DirLock {
    /// Locks a directory that is there, and writes down by whom.
    pub fn take(dir: &Path) -> Result<Self, DirError> {
        let path = dir.join(LOCK);
        let file = File::options().create(true).append(true).open(&path).map_err(disk(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DirError::InUse(dir.to_path_buf())),
            Err(TryLockError::Error(source)) => return Err(DirError::Disk { path, source }),
        }
        let mut lock = Self(file);
        // What a process that was killed has left is no longer true. A disk that is full stops no start for the sake of a number.
        let _unsaid = lock.0.set_len(0).and_then(|()| writeln!(lock.0, "{}", std::process::id()));
        Ok(lock)
    }

    /// The process that uses a directory; `None` if none does.
    pub fn holder(dir: &Path) -> Result<Option<i32>, DirError> {
        let path = dir.join(LOCK);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DirError::Disk { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(DirError::Disk { path, source }),
        }
        let mut text = String::new();
        (&mut file).take(PID_LEN_MAX).read_to_string(&mut text).map_err(disk(&path))?;
        let pid = text.trim().parse().ok().filter(|pid| *pid > 0);
        pid.map(Some).ok_or_else(|| DirError::InUse(dir.to_path_buf()))
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // The lock itself says that nobody is here; the number is for those who look at the file alone.
        let _still_there = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_as_long_as_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(DirLock::holder(dir.path()).unwrap(), None);
        std::fs::write(dir.path().join(LOCK), "4711\n").unwrap();
        assert_eq!(DirLock::holder(dir.path()).unwrap(), None, "one that was killed is no holder");
        let lock = DirLock::take(dir.path()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(DirLock::holder(dir.path()).unwrap(), Some(own));
        assert!(matches!(DirLock::take(dir.path()), Err(DirError::InUse(_))));
        drop(lock);
        assert_eq!(DirLock::holder(dir.path()).unwrap(), None);
        assert_eq!(std::fs::read_to_string(dir.path().join(LOCK)).unwrap(), "");
    }
}
