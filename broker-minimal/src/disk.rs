//! Every change that logs and checkpoints make to a disk, each a call of the system: tests record them here, fail them, and play what
//! a killed process or a power cut leaves of them. Outside of tests nothing is between the caller and the system.
//!
//! What was written is on disk after its file was synced, a name after its directory was, and neither before. Reading goes past this.

#[cfg(test)]
pub(crate) mod recording;
#[cfg(not(test))]
#[path = "disk/unwatched.rs"]
mod recording;
#[cfg(test)]
pub(crate) mod tree;

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use recording::Kind;

/// Makes a file, or empties one.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    recording::allow(Kind::Name)?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    recording::opened(path, &file);
    recording::cut(&file, 0);
    Ok(file)
}

/// Opens a file to write in it; makes it if there is none.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    recording::allow(Kind::Name)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    recording::opened(path, &file);
    Ok(file)
}

/// One vectored write, which may write less than everything.
pub(crate) fn write_some(file: &File, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
    recording::allow(Kind::Write)?;
    let written = rustix::io::pwritev(file, slices, position)?;
    recording::wrote(file, slices, written, position);
    Ok(written)
}

/// Writes everything.
pub(crate) fn write_all(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    recording::allow(Kind::Write)?;
    file.write_all_at(bytes, position)?;
    recording::wrote(file, &[IoSlice::new(bytes)], bytes.len(), position);
    Ok(())
}

pub(crate) fn set_len(file: &File, len: u64) -> io::Result<()> {
    recording::allow(Kind::Write)?;
    file.set_len(len)?;
    recording::cut(file, len);
    Ok(())
}

/// Waits until the disk has the file's content.
pub(crate) fn sync(file: &File) -> io::Result<()> {
    recording::sync(file).unwrap_or_else(|| file.sync_data())
}

/// Waits until the disk has what is at the path: a file's content, or the names in a directory.
pub(crate) fn sync_path(path: &Path) -> io::Result<()> {
    recording::sync_path(path).unwrap_or_else(|| File::open(path)?.sync_all())
}

pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    recording::allow(Kind::Name)?;
    std::fs::create_dir(path)?;
    recording::made_dir(path);
    Ok(())
}

/// Gives what is at a path the name of another, which goes. Both are in one directory.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    recording::allow(Kind::Name)?;
    std::fs::rename(from, to)?;
    recording::renamed(from, to);
    Ok(())
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    recording::allow(Kind::Name)?;
    std::fs::remove_file(path)?;
    recording::removed(path);
    Ok(())
}

pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    recording::allow(Kind::Name)?;
    std::fs::remove_dir_all(path)?;
    recording::removed(path);
    Ok(())
}

/// A new file, written from its start to its end.
pub(crate) struct NewFile {
    file: File,
    position: u64,
}

impl NewFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: create(path)?, position: 0 })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = write_some(&self.file, &[IoSlice::new(bytes)], self.position)?;
        self.position += u64::try_from(written).map_err(io::Error::other)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
