//! The two sparse indexes of a segment: offset to position, and time to offset.
//!
//! Nothing here keeps a file open. New entries wait in memory until the segment is flushed; those on disk are read
//! when a lookup needs them and can be forgotten again. A crash loses only entries behind the recovery point, which
//! recovery writes anew.

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use kinglet_protocol::records::files::{OffsetIndexEntry, TimeIndexEntry};

use super::scan::ScanError;
use crate::disk;

/// One entry of fixed size.
pub(super) trait Entry: Copy {
    const LEN: usize;
    fn put(self, out: &mut Vec<u8>);
    fn entries(file: &[u8]) -> Vec<Self>;
    /// Whether it may stand behind `before`: both of its numbers rise.
    fn follows(&self, before: &Self) -> bool;
}

impl Entry for OffsetIndexEntry {
    const LEN: usize = Self::LEN;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.encode());
    }

    fn entries(file: &[u8]) -> Vec<Self> {
        Self::entries(file).collect()
    }

    fn follows(&self, before: &Self) -> bool {
        self.relative_offset > before.relative_offset && self.position > before.position
    }
}

impl Entry for TimeIndexEntry {
    const LEN: usize = Self::LEN;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.encode());
    }

    fn entries(file: &[u8]) -> Vec<Self> {
        Self::entries(file).collect()
    }

    fn follows(&self, before: &Self) -> bool {
        self.timestamp > before.timestamp && self.relative_offset >= before.relative_offset
    }
}

/// Why an index file is not used; it is then rebuilt from the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("the entries do not rise, or the last one is torn")]
    Corrupt,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// One index of one segment.
#[derive(Debug)]
pub(super) struct Index<E> {
    /// How many entries the file holds; known once they were read or written.
    on_disk: usize,
    /// Those entries, while someone looks them up.
    loaded: OnceCell<Vec<E>>,
    /// Entries that are not in the file yet.
    pending: Vec<E>,
    newest: Option<E>,
}

impl<E: Entry> Index<E> {
    /// The index of a new segment, or of one whose file is read when it is needed.
    pub(super) fn new() -> Self {
        Self { on_disk: 0, loaded: OnceCell::new(), pending: Vec::new(), newest: None }
    }

    /// Reads the file, so that entries can be appended; they stay in memory only when looked up.
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let entries = read(path)?;
        let newest = entries.last().copied();
        Ok(Self { on_disk: entries.len(), loaded: OnceCell::new(), pending: Vec::new(), newest })
    }

    /// An index with these entries, whose file is written anew.
    pub(super) fn rebuilt(path: &Path, entries: Vec<E>) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(entries.len() * E::LEN);
        entries.iter().for_each(|entry| entry.put(&mut bytes));
        super::checkpoint::replace(path, &bytes)?;
        let newest = entries.last().copied();
        Ok(Self { on_disk: entries.len(), loaded: OnceCell::from(entries), pending: Vec::new(), newest })
    }

    /// The last entry of a file, read alone.
    pub(super) fn newest_on_disk(path: &Path) -> Result<Option<E>, IndexError> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let entry_len = u64::try_from(E::LEN).map_err(io::Error::other)?;
        let Some(from) = len.checked_sub(entry_len) else { return Ok(None) };
        if len % entry_len != 0 {
            return Err(IndexError::Corrupt);
        }
        let mut bytes = vec![0; E::LEN];
        file.read_exact_at(&mut bytes, from)?;
        Ok(E::entries(&bytes).first().copied())
    }

    /// The newest entry of an index that is appended to.
    pub(super) fn newest(&self) -> Option<&E> {
        self.newest.as_ref()
    }

    /// Appends an entry unless it does not rise: Kafka's tools call such an index corrupt.
    pub(super) fn push(&mut self, entry: E) {
        if self.newest.is_none_or(|newest| entry.follows(&newest)) {
            self.pending.push(entry);
            self.newest = Some(entry);
        }
    }

    /// The last entry for which `is_before` holds, as it does for none behind one where it does not.
    pub(super) fn last_where(
        &self,
        path: &Path,
        is_before: impl Fn(&E) -> bool,
    ) -> Result<Option<E>, IndexError> {
        if self.pending.first().is_some_and(&is_before) {
            return Ok(last_where(&self.pending, is_before));
        }
        if self.loaded.get().is_none() {
            // A second value cannot be there: this was just checked, and the index belongs to one thread.
            let _ = self.loaded.set(read(path)?);
        }
        Ok(last_where(self.loaded.get().map_or(&[][..], Vec::as_slice), is_before))
    }

    /// Gives the index these entries instead of an unreadable file, for lookups.
    pub(super) fn load_from(&self, entries: Vec<E>) {
        // Whoever loaded first has the same entries.
        let _ = self.loaded.set(entries);
    }

    /// Frees the memory of what can be read again.
    pub(super) fn forget(&mut self) {
        self.loaded.take();
    }

    /// Writes pending entries to the file, without waiting for the disk. After an error they are still pending.
    pub(super) fn write_pending(&mut self, path: &Path) -> io::Result<()> {
        if self.pending.is_empty() && self.on_disk > 0 {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.pending.len() * E::LEN);
        self.pending.iter().for_each(|entry| entry.put(&mut bytes));
        let file = disk::open(path)?;
        let position = u64::try_from(self.on_disk * E::LEN).map_err(io::Error::other)?;
        if let Err(error) = disk::write_all(&file, &bytes, position) {
            // Half an entry would make the whole index unreadable.
            disk::set_len(&file, position)?;
            return Err(error);
        }
        self.on_disk += self.pending.len();
        if let Some(loaded) = self.loaded.get_mut() {
            loaded.append(&mut self.pending);
        }
        self.pending = Vec::new();
        Ok(())
    }
}

fn last_where<E: Copy>(entries: &[E], is_before: impl Fn(&E) -> bool) -> Option<E> {
    let count = entries.partition_point(is_before);
    count.checked_sub(1).and_then(|index| entries.get(index)).copied()
}

fn read<E: Entry>(path: &Path) -> Result<Vec<E>, IndexError> {
    let bytes = std::fs::read(path)?;
    if bytes.len() % E::LEN != 0 {
        return Err(IndexError::Corrupt);
    }
    let entries = E::entries(&bytes);
    let rising = entries.windows(2).all(|pair| match pair {
        [before, entry] => entry.follows(before),
        _ => true,
    });
    if rising { Ok(entries) } else { Err(IndexError::Corrupt) }
}

impl From<ScanError> for IndexError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => Self::Io(error),
            ScanError::Torn { .. } => Self::Corrupt,
        }
    }
}
