//! Every touch of the disk that the quorum makes, in one place, so that tests can count and fail each of them.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files of one directory. What was written is on disk after `sync`, a new name after `sync_dir`, and not before.
pub(super) trait Disk: Send + Sync + 'static {
    /// The whole file; `None` when there is none.
    fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>>;

    /// Writes at a position; makes the file if there is none.
    fn write(&self, name: &'static str, at: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file at a length; makes it if there is none.
    fn cut(&self, name: &'static str, len: u64) -> io::Result<()>;

    fn sync(&self, name: &'static str) -> io::Result<()>;

    /// Gives a file the name of another, which goes.
    fn rename(&self, from: &'static str, to: &'static str) -> io::Result<()>;

    fn sync_dir(&self) -> io::Result<()>;

    /// For messages.
    fn path(&self, name: &'static str) -> PathBuf;
}

/// Replaces a file in one step: after a crash it is the old one or the new one, whole.
pub(super) fn replace(
    disk: &dyn Disk,
    aside: &'static str,
    name: &'static str,
    bytes: &[u8],
) -> io::Result<()> {
    disk.cut(aside, 0)?;
    disk.write(aside, 0, bytes)?;
    disk.sync(aside)?;
    disk.rename(aside, name)?;
    disk.sync_dir()
}

/// A directory of the file system.
pub(super) struct Directory {
    path: PathBuf,
    /// Kept open: an error of writing back is told once, to those who had the file open then.
    files: Mutex<HashMap<&'static str, Arc<File>>>,
}

impl Directory {
    /// Makes the directory if there is none.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), files: Mutex::default() })
    }

    fn file(&self, name: &'static str) -> io::Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(name) {
            return Ok(Arc::clone(file));
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(self.path.join(name))?;
        let file = Arc::new(file);
        files.insert(name, Arc::clone(&file));
        Ok(file)
    }
}

impl Disk for Directory {
    fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &'static str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all_at(bytes, at)
    }

    fn cut(&self, name: &'static str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn sync(&self, name: &'static str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn rename(&self, from: &'static str, to: &'static str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.remove(to);
        if let Some(file) = files.remove(from) {
            files.insert(to, file);
        }
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn path(&self, name: &'static str) -> PathBuf {
        self.path.join(name)
    }
}
