//! One segment: a `.log` file of batches and its two indexes.
//!
//! A segment knows bytes and batch headers; epochs, producers and retention belong to the log. Its file is opened
//! when it is first used and closed again by [`Segment::forget_if_unused`].

use std::cell::{Cell, OnceCell};
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kinglet_protocol::records::files::{OffsetIndexEntry, TimeIndexEntry, segment_file_name};

use super::index::{Index, IndexError};
use super::indexing::{Indexing, Newest, Rebuilt};
use super::scan::{Found, ScanError, Scanner, Window};
use crate::disk;

/// Where an offset lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In this batch, the first that ends at or behind the offset.
    Batch(Found),
    /// Behind the last batch of the segment.
    End,
}

/// One segment; the last of a log is appended to.
#[derive(Debug)]
pub(super) struct Segment {
    dir: Arc<Path>,
    base: i64,
    size: u64,
    /// Shared with connections that send from it.
    file: OnceCell<Arc<File>>,
    offsets: Index<OffsetIndexEntry>,
    times: Index<TimeIndexEntry>,
    indexing: Indexing,
    /// Read when first asked for, unless the segment is appended to.
    newest: Cell<Option<Newest>>,
    /// What `segment.ms` counts from: the first batch's timestamp, or when it was first written to.
    born_ms: Cell<Option<i64>>,
    /// Used since [`Segment::forget_if_unused`] looked.
    is_used: Cell<bool>,
    /// How many more bytes the disk takes, for tests of a full disk.
    #[cfg(test)]
    pub(super) room: Option<u64>,
}

impl Segment {
    /// Makes the files of a new segment.
    pub(super) fn create(dir: &Arc<Path>, base: i64, index_interval: u32) -> io::Result<Self> {
        let segment = Self::existing(dir, base, 0, index_interval);
        segment.newest.set(Some(segment.indexing.newest()));
        match segment.create_files() {
            Ok(()) => Ok(segment),
            Err(error) => {
                // Left behind, it would be taken for the end of the log at the next start. What cannot be removed was
                // not made, as on a disk that is read-only.
                let _ = disk::remove(&segment.path(LOG));
                Err(error)
            }
        }
    }

    fn create_files(&self) -> io::Result<()> {
        let file = disk::create(&self.path(LOG))?;
        // The segment is new: nobody has opened its file.
        let _ = self.file.set(Arc::new(file));
        disk::create(&self.path(INDEX))?;
        disk::create(&self.path(TIME_INDEX))?;
        Ok(())
    }

    /// A segment whose files are there and are read when needed. It cannot be appended to yet.
    pub(super) fn existing(dir: &Arc<Path>, base: i64, size: u64, index_interval: u32) -> Self {
        Self {
            dir: Arc::clone(dir),
            base,
            size,
            file: OnceCell::new(),
            offsets: Index::new(),
            times: Index::new(),
            indexing: Indexing::new(base, index_interval),
            newest: Cell::new(None),
            born_ms: Cell::new(None),
            is_used: Cell::new(true),
            #[cfg(test)]
            room: None,
        }
    }

    pub(super) fn base(&self) -> i64 {
        self.base
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn index_interval(&self) -> u32 {
        self.indexing.interval()
    }

    pub(super) fn path(&self, extension: &str) -> PathBuf {
        self.dir.join(segment_file_name(self.base, extension))
    }

    /// Reads what appending needs: the ends of the indexes, which are rebuilt when they do not fit the file.
    ///
    /// Returns the offset behind the last batch.
    pub(super) fn activate(&mut self) -> Result<i64, ScanError> {
        match self.open_indexes() {
            Ok(end) => Ok(end),
            Err(IndexError::Io(error)) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            Err(IndexError::Io(_) | IndexError::Corrupt) => {
                let (rebuilt, end) = self.walk()?;
                self.adopt(rebuilt)?;
                Ok(end)
            }
        }
    }

    /// Replaces both indexes, on disk too.
    pub(super) fn adopt(&mut self, rebuilt: Rebuilt) -> io::Result<()> {
        self.offsets = Index::rebuilt(&self.path(INDEX), rebuilt.offsets)?;
        self.times = Index::rebuilt(&self.path(TIME_INDEX), rebuilt.times)?;
        self.indexing = rebuilt.indexing;
        self.newest.set(Some(rebuilt.indexing.newest()));
        self.forget_indexes();
        Ok(())
    }

    /// When the `.log` file was last written to. Nothing is opened for it.
    pub(super) fn modified(&self) -> io::Result<SystemTime> {
        std::fs::metadata(self.path(LOG))?.modified()
    }

    /// The open `.log` file.
    pub(super) fn file(&self) -> io::Result<&Arc<File>> {
        self.is_used.set(true);
        if self.file.get().is_none() {
            let file = OpenOptions::new().read(true).write(true).open(self.path(LOG))?;
            // Only this thread fills the cell, and it was empty.
            let _ = self.file.set(Arc::new(file));
        }
        self.file.get().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes at `position`, all or nothing as far as the caller can see: it calls `accept` or `truncate_back`.
    pub(super) fn write_at(&self, mut position: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<u64> {
        let file = self.file()?;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match self.write_some(file, slices, position) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    IoSlice::advance_slices(&mut slices, written);
                    position += u64::try_from(written).map_err(io::Error::other)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(position)
    }

    #[cfg(not(test))]
    fn write_some(&self, file: &File, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        disk::write_some(file, slices, position)
    }

    /// As a disk with little room: a write that does not fit is cut short, the next one fails.
    #[cfg(test)]
    fn write_some(&self, file: &File, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let Some(room) = self.room else { return disk::write_some(file, slices, position) };
        let left = (self.size + room).saturating_sub(position);
        let first = slices.first().map_or(&[][..], |slice| slice);
        let fits = first.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk::write_some(file, &[IoSlice::new(&first[..fits])], position)
    }

    /// Takes back what a failed append left behind the last whole batch.
    pub(super) fn truncate_back(&self) -> io::Result<()> {
        self.cut_file(self.size)
    }

    /// Counts a batch that was written behind the last one.
    pub(super) fn accept(&mut self, found: &Found, now_ms: i64) {
        if self.size == 0 {
            let timestamp = found.header.max_timestamp;
            self.born_ms.set(Some(if timestamp >= 0 { timestamp } else { now_ms }));
        }
        self.size = found.end();
        if let Some((offset, time)) = self.indexing.on_batch(found) {
            self.offsets.push(offset);
            time.into_iter().for_each(|time| self.times.push(time));
        }
        self.newest.set(Some(self.indexing.newest()));
    }

    /// What `segment.ms` counts from.
    pub(super) fn born_ms(&self, now_ms: i64) -> Result<i64, ScanError> {
        if let Some(born_ms) = self.born_ms.get() {
            return Ok(born_ms);
        }
        let first = self.scanner(0, Window::Near)?.next()?;
        let timestamp = first.map_or(-1, |found| found.header.max_timestamp);
        let born_ms = if timestamp >= 0 { timestamp } else { now_ms };
        self.born_ms.set(Some(born_ms));
        Ok(born_ms)
    }

    /// The first batch that ends at or behind `offset`.
    pub(super) fn find(&self, offset: i64) -> Result<Place, ScanError> {
        let relative = offset.saturating_sub(self.base);
        let is_before = |entry: &OffsetIndexEntry| i64::from(entry.relative_offset) <= relative;
        let floor = self.look_up(|index, path| index.last_where(path, is_before))?;
        let mut scanner = self.scanner(floor.map_or(0, position), Window::Near)?;
        while let Some(found) = scanner.next()? {
            if found.header.last_offset() >= offset {
                return Ok(Place::Batch(found));
            }
        }
        Ok(Place::End)
    }

    /// The end of the whole batches that start at `from` and fit into `len` bytes; `from` if none does.
    pub(super) fn whole_batches(&self, from: u64, len: u64) -> Result<u64, ScanError> {
        let limit = from.saturating_add(len);
        if limit >= self.size {
            return Ok(self.size);
        }
        // Entries point at batch starts, so no file is read unless the wanted range lies between two of them.
        let cut = self
            .look_up(|index, path| index.last_where(path, |entry| position(*entry) <= limit))?
            .map_or(0, position);
        if cut > from {
            return Ok(cut);
        }
        let mut end = from;
        let mut scanner = self.scanner(from, Window::Near)?;
        while let Some(found) = scanner.next()?
            && found.end() <= limit
        {
            end = found.end();
        }
        Ok(end)
    }

    /// A batch boundary about `len` bytes in front of the batch that holds `offset`.
    pub(super) fn position_before(&self, offset: i64, len: u64) -> Result<u64, ScanError> {
        let end = match self.find(offset)? {
            Place::Batch(found) => found.position,
            Place::End => self.size,
        };
        let limit = end.saturating_sub(len);
        let floor = self.look_up(|index, path| index.last_where(path, |entry| position(*entry) <= limit))?;
        Ok(floor.map_or(0, position))
    }

    /// The first batch that ends at or behind `offset` and has a record at or behind `timestamp`.
    pub(super) fn find_time(&self, timestamp: i64, offset: i64) -> Result<Option<Found>, ScanError> {
        let path = self.path(TIME_INDEX);
        let is_before = |entry: &TimeIndexEntry| entry.timestamp < timestamp;
        let floor = match self.times.last_where(&path, is_before) {
            Ok(floor) => floor,
            Err(_) => {
                self.reload()?;
                self.times.last_where(&path, is_before).unwrap_or(None)
            }
        };
        let from = self.base + floor.map_or(0, |entry| i64::from(entry.relative_offset));
        let Place::Batch(first) = self.find(from.max(offset))? else { return Ok(None) };
        let mut scanner = self.scanner(first.position, Window::Near)?;
        while let Some(found) = scanner.next()? {
            if found.header.max_timestamp >= timestamp {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The largest timestamp of the segment.
    pub(super) fn newest(&self) -> Result<Newest, ScanError> {
        if let Some(newest) = self.newest.get() {
            return Ok(newest);
        }
        let newest = match Index::newest_on_disk(&self.path(TIME_INDEX)) {
            Ok(last) if self.is_true(last)? => last,
            Ok(_) | Err(_) => {
                self.reload()?;
                self.times.last_where(&self.path(TIME_INDEX), |_| true).unwrap_or(None)
            }
        };
        let newest =
            newest.map_or(Newest { timestamp: -1, offset: self.base }, |entry| self.newest_of(entry));
        self.newest.set(Some(newest));
        Ok(newest)
    }

    /// Whether the last time entry names a batch that has its timestamp, and is missing only if no batch has one.
    fn is_true(&self, last: Option<TimeIndexEntry>) -> Result<bool, ScanError> {
        let Some(entry) = last else {
            let first = self.scanner(0, Window::Near)?.next()?;
            return Ok(first.is_none_or(|found| found.header.max_timestamp < 0));
        };
        let Newest { timestamp, offset } = self.newest_of(entry);
        Ok(match self.find(offset)? {
            Place::Batch(found) => {
                found.header.max_timestamp == timestamp && found.header.last_offset() == offset
            }
            Place::End => false,
        })
    }

    fn newest_of(&self, entry: TimeIndexEntry) -> Newest {
        Newest { timestamp: entry.timestamp, offset: self.base + i64::from(entry.relative_offset) }
    }

    /// Walks all batches and makes both indexes anew; also says what the offset behind the last batch is.
    pub(super) fn walk(&self) -> Result<(Rebuilt, i64), ScanError> {
        let mut rebuilt = Rebuilt::new(self.base, self.index_interval());
        let mut end = self.base;
        let mut scanner = self.scanner(0, Window::Far)?;
        while let Some(found) = scanner.next()? {
            rebuilt.on_batch(&found);
            end = found.header.next_offset();
        }
        Ok((rebuilt, end))
    }

    /// Walks from a batch boundary to the end.
    pub(super) fn scanner(&self, from: u64, window: Window) -> io::Result<Scanner<'_>> {
        Ok(Scanner::new(self.file()?, from, self.size, window))
    }

    /// Cuts the file at a batch boundary and makes the indexes of what is left anew, so that it can be appended to.
    ///
    /// Returns the offset behind the last batch.
    pub(super) fn truncate(&mut self, position: u64) -> Result<i64, ScanError> {
        self.cut(position)?;
        let (rebuilt, end) = self.walk()?;
        self.adopt(rebuilt)?;
        Ok(end)
    }

    /// Counts only the bytes before `position`, after recovery walked them.
    pub(super) fn cut(&mut self, position: u64) -> io::Result<()> {
        self.cut_file(position)?;
        self.size = position;
        Ok(())
    }

    /// Waits for the disk: if a power cut took the cut alone, what was cut off would follow what was appended since.
    fn cut_file(&self, position: u64) -> io::Result<()> {
        let file = self.file()?;
        disk::set_len(file, position)?;
        disk::sync(file)
    }

    /// Ends the time index with the newest timestamp, as no more batches will come.
    pub(super) fn seal(&mut self) {
        if let Some(entry) = self.indexing.time_entry() {
            self.times.push(entry);
        }
    }

    /// Hands index entries to the system; the disk is not waited for.
    pub(super) fn write_indexes(&mut self) -> io::Result<()> {
        let (index, time_index) = (self.path(INDEX), self.path(TIME_INDEX));
        self.offsets.write_pending(&index)?;
        self.times.write_pending(&time_index)
    }

    /// Closes the file and frees index memory unless they were used since the last call.
    pub(super) fn forget_if_unused(&mut self) {
        if !self.is_used.replace(false) {
            self.file.take();
            self.forget_indexes();
        }
    }

    fn forget_indexes(&mut self) {
        self.offsets.forget();
        self.times.forget();
    }

    fn open_indexes(&mut self) -> Result<i64, IndexError> {
        let offsets = Index::open(&self.path(INDEX))?;
        let times = Index::open(&self.path(TIME_INDEX))?;
        let end = self.end_behind(offsets.newest())?;
        // Lookups from here on see the entries that were just read.
        self.offsets = offsets;
        if !self.is_true(times.newest().copied())? {
            return Err(IndexError::Corrupt);
        }
        if let Some(&entry) = times.newest() {
            self.indexing.set_newest(self.newest_of(entry));
        }
        self.newest.set(Some(self.indexing.newest()));
        self.times = times;
        Ok(end)
    }

    /// The offset behind the last batch, from the last entry on; an entry that names no batch is torn.
    fn end_behind(&self, entry: Option<&OffsetIndexEntry>) -> Result<i64, ScanError> {
        let from = entry.copied().map_or(0, position);
        let mut end = self.base;
        let mut scanner = self.scanner(from, Window::Near)?;
        while let Some(found) = scanner.next()? {
            let named = entry.map(|entry| self.base + i64::from(entry.relative_offset));
            if found.position == from && named.is_some_and(|offset| offset != found.header.last_offset()) {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            end = found.header.next_offset();
        }
        let is_behind_the_file = entry.is_some() && end == self.base;
        if is_behind_the_file { Err(io::Error::from(io::ErrorKind::NotFound).into()) } else { Ok(end) }
    }

    /// A lookup in the offset index, which is made anew in memory when its file cannot be used.
    fn look_up<T>(
        &self,
        mut lookup: impl FnMut(&Index<OffsetIndexEntry>, &Path) -> Result<T, IndexError>,
    ) -> Result<T, ScanError> {
        self.is_used.set(true);
        let path = self.path(INDEX);
        if let Ok(answer) = lookup(&self.offsets, &path) {
            return Ok(answer);
        }
        self.reload()?;
        lookup(&self.offsets, &path).map_err(|error| io::Error::other(error).into())
    }

    /// Fills the lookups of both indexes from the log, after their files turned out missing or corrupt.
    fn reload(&self) -> Result<(), ScanError> {
        let (mut rebuilt, _) = self.walk()?;
        rebuilt.seal();
        tracing::warn!(segment = %self.path(LOG).display(), "index rebuilt from the log");
        self.offsets.load_from(rebuilt.offsets);
        self.times.load_from(rebuilt.times);
        Ok(())
    }
}

/// Positions of entries that this code wrote are never negative; a corrupt one is past every end.
fn position(entry: OffsetIndexEntry) -> u64 {
    u64::try_from(entry.position).unwrap_or(u64::MAX)
}

pub(super) const LOG: &str = "log";
pub(super) const INDEX: &str = "index";
pub(super) const TIME_INDEX: &str = "timeindex";
pub(super) const SNAPSHOT: &str = "snapshot";
