//! Appending: check, assign offsets in a copy of the header, write, remember.

use std::io::{self, IoSlice};

use crc_fast::CrcAlgorithm;
use kinglet_protocol::records::files::segment_file_name;
use kinglet_protocol::records::{Batch, BatchHeader, HEADER_LEN, TimestampType};

use super::error::{AppendError, LogError};
use super::producers::ProducerError;
use super::recent::Spot;
use super::scan::Found;
use super::segment::{SNAPSHOT, Segment};
use super::{Log, checkpoint};

/// Batches that one system call writes: a request rarely has more than one per partition.
const CHUNK: usize = 16;
/// Where a batch's checksum starts to count, and where it is.
const CRC_FROM: usize = 21;
const CRC_AT: std::ops::Range<usize> = 17..21;

/// Where appended batches lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The broker's timestamp for topics with `LogAppendTime`, else -1.
    pub log_append_time: i64,
    /// First offset of the log.
    pub log_start_offset: i64,
}

impl Log {
    /// Appends batches whose header and checksum the caller has validated, under its leader epoch.
    ///
    /// All of them or none. The records are not copied; with Kafka's defaults nothing waits for the disk.
    pub fn append(
        &mut self,
        batches: &[Batch],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        let size = self.check_append(batches, leader_epoch, now_ms)?;
        self.roll_if_full(batches, size, now_ms)?;
        // Opened before anything is written: without a descriptor the append fails and the log stays as it is.
        self.active().file()?;
        let base_offset = self.end;
        if self.epochs.is_new(leader_epoch) {
            self.start_epoch(leader_epoch, base_offset)?;
        }
        let mut next = Next { offset: base_offset, position: self.active().size() };
        // Nothing is accepted before everything is written, so that a failure leaves no trace.
        for chunk in batches.chunks(CHUNK) {
            next = self.write(chunk, next, leader_epoch, now_ms).map_err(|error| self.take_back(error))?;
        }
        for batch in batches {
            self.accept(self.final_header(batch, self.end, leader_epoch, now_ms), now_ms);
        }
        self.appended(size, self.end - base_offset, now_ms)?;
        Ok(Appended {
            base_offset,
            last_offset: self.end - 1,
            log_append_time: self.log_append_time(now_ms).unwrap_or(-1),
            log_start_offset: self.start,
        })
    }

    /// So much was appended: it is flushed now if that is asked for.
    pub(super) fn appended(&mut self, bytes: u64, records: i64, now_ms: i64) -> Result<(), AppendError> {
        self.unflushed.on_append(bytes, records, now_ms);
        if self.unflushed.records < self.config.flush_messages {
            return Ok(());
        }
        self.flush().map_err(AppendError::from)
    }

    /// Everything that can be said before a byte is written; returns the size of all batches.
    fn check_append(&self, batches: &[Batch], leader_epoch: i32, now_ms: i64) -> Result<u64, AppendError> {
        if self.is_offline {
            return Err(AppendError::Offline);
        }
        if leader_epoch < self.latest_epoch() {
            return Err(AppendError::Fenced { latest: self.latest_epoch(), received: leader_epoch });
        }
        let mut size = 0_u64;
        let mut end = self.end;
        for batch in batches {
            let header = batch.header();
            self.check_batch(header, now_ms)?;
            size = size.saturating_add(u64::try_from(header.size()).unwrap_or(u64::MAX));
            let count = i64::from(header.last_offset_delta) + 1;
            end = end.checked_add(count).ok_or(AppendError::NoOffsets)?;
        }
        self.check_producers(batches)?;
        let limit = self.config.segment_bytes;
        if size > u64::from(limit) {
            return Err(AppendError::LargerThanSegment { size, limit });
        }
        Ok(size)
    }

    fn check_batch(&self, header: &BatchHeader, now_ms: i64) -> Result<(), AppendError> {
        let limit = self.config.max_message_bytes;
        let size = header.size();
        if u32::try_from(size).is_ok_and(|size| size <= limit) {
            self.check_timestamps(header, now_ms)
        } else {
            Err(AppendError::TooLarge { size, limit })
        }
    }

    fn check_producers(&self, batches: &[Batch]) -> Result<(), AppendError> {
        if let [batch] = batches {
            return self.producers.check(batch.header()).map_err(|error| self.refused(error));
        }
        if !batches.iter().any(|batch| batch.header().has_producer_id()) {
            return Ok(());
        }
        // Each batch is checked against what those before it leave behind.
        let mut trial = self.producers.clone();
        for batch in batches {
            trial.check(batch.header()).map_err(|error| self.refused(error))?;
            trial.record(batch.header());
        }
        Ok(())
    }

    fn refused(&self, error: ProducerError) -> AppendError {
        match error {
            ProducerError::Duplicate(original) => AppendError::Duplicate(Appended {
                base_offset: original.base_offset,
                last_offset: original.last_offset,
                log_append_time: self.log_append_time(original.timestamp).unwrap_or(-1),
                log_start_offset: self.start,
            }),
            other @ (ProducerError::StaleEpoch { .. } | ProducerError::OutOfOrder { .. }) => {
                AppendError::Producer(other)
            }
        }
    }

    /// The header's two timestamps stand for those of all records, which are not decoded.
    fn check_timestamps(&self, header: &BatchHeader, now_ms: i64) -> Result<(), AppendError> {
        if self.config.timestamp_type == TimestampType::LogAppendTime {
            return Ok(());
        }
        let error = |timestamp| Err(AppendError::Timestamp { timestamp, now_ms });
        if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
            return error(header.max_timestamp);
        }
        let (oldest, newest) = (header.base_timestamp, header.max_timestamp);
        if newest >= 0 && newest.saturating_sub(now_ms) > self.config.timestamp_after_max_ms {
            return error(newest);
        }
        if oldest >= 0 && now_ms.saturating_sub(oldest) > self.config.timestamp_before_max_ms {
            return error(oldest);
        }
        Ok(())
    }

    fn log_append_time(&self, now_ms: i64) -> Option<i64> {
        (self.config.timestamp_type == TimestampType::LogAppendTime).then_some(now_ms)
    }

    /// The header as it is stored, but for the checksum of a topic with `LogAppendTime`.
    fn final_header(&self, batch: &Batch, base_offset: i64, leader_epoch: i32, now_ms: i64) -> BatchHeader {
        let mut header = *batch.header();
        header.base_offset = base_offset;
        header.partition_leader_epoch = leader_epoch;
        if let Some(timestamp) = self.log_append_time(now_ms) {
            header.max_timestamp = timestamp;
            header.attributes = header.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        }
        header
    }

    /// Writes a chunk with one system call: patched headers, and the records where they are.
    fn write(&self, chunk: &[Batch], next: Next, leader_epoch: i32, now_ms: i64) -> io::Result<Next> {
        let mut headers = [[0_u8; HEADER_LEN]; CHUNK];
        let mut offset = next.offset;
        for (batch, bytes) in chunk.iter().zip(&mut headers) {
            let header = self.final_header(batch, offset, leader_epoch, now_ms);
            header.write(bytes);
            if self.log_append_time(now_ms).is_some() {
                let mut crc = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
                crc.update(&bytes[CRC_FROM..]);
                crc.update(records(batch));
                // The algorithm has 32 bits, the library's type has room for 64.
                let crc = u32::try_from(crc.finalize()).unwrap_or_default();
                bytes[CRC_AT].copy_from_slice(&crc.to_be_bytes());
            }
            offset = header.next_offset();
        }
        let mut slices = [IoSlice::new(&[]); CHUNK * 2];
        for ((batch, bytes), pair) in chunk.iter().zip(&headers).zip(slices.chunks_exact_mut(2)) {
            if let [header, body] = pair {
                *header = IoSlice::new(bytes);
                *body = IoSlice::new(records(batch));
            }
        }
        let used = slices.get_mut(..chunk.len() * 2).unwrap_or_default();
        let position = self.active().write_at(next.position, used)?;
        Ok(Next { offset, position })
    }

    /// A full disk may get room again; after any other error the file's content is not known.
    pub(super) fn take_back(&mut self, error: io::Error) -> AppendError {
        let taken_back = self.active().truncate_back();
        if !is_full(&error) || taken_back.is_err() {
            self.go_offline("append", &error);
        }
        AppendError::Disk(error)
    }

    pub(super) fn accept(&mut self, header: BatchHeader, now_ms: i64) {
        let found = Found { header, position: self.active().size() };
        self.active_mut().accept(&found, now_ms);
        self.producers.record(&header);
        self.recent.push(Spot {
            base_offset: header.base_offset,
            position: found.position,
            end: found.end(),
        });
        self.end = header.next_offset();
    }

    pub(super) fn start_epoch(&mut self, epoch: i32, start: i64) -> io::Result<()> {
        let mut epochs = self.epochs.clone();
        epochs.assign(epoch, start);
        checkpoint::write_epochs(&self.dir, &epochs)?;
        self.epochs = epochs;
        self.unflushed.epochs = true;
        Ok(())
    }

    pub(super) fn roll_if_full(
        &mut self,
        batches: &[Batch],
        size: u64,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let active = self.active();
        if active.size() == 0 {
            return Ok(());
        }
        let newest = batches.iter().map(|batch| batch.header().max_timestamp).max().unwrap_or(-1);
        let arrival = if newest >= 0 && self.log_append_time(now_ms).is_none() { newest } else { now_ms };
        let age = arrival.saturating_sub(active.born_ms(now_ms).map_err(io::Error::other)?);
        let is_old = age > self.config.segment_ms.saturating_sub(self.config.segment_jitter_ms);
        let is_full = active.size() + size > u64::from(self.config.segment_bytes);
        // Index entries hold offsets relative to the base in 32 bits.
        let count: i64 = batches.iter().map(|batch| i64::from(batch.header().last_offset_delta) + 1).sum();
        let is_out_of_range = i32::try_from(self.end - active.base() + count).is_err();
        if is_old || is_full || is_out_of_range {
            self.roll()?;
        }
        Ok(())
    }

    /// Ends the active segment and starts the next one at the end of the log.
    ///
    /// What is there is flushed first: a power cut that took the end of a segment and left the next one would leave a gap, and
    /// compaction leaves such gaps too, so that a start could not tell.
    pub(super) fn roll(&mut self) -> Result<(), LogError> {
        self.flush()?;
        self.start_segment().map_err(LogError::disk(&*self.dir))
    }

    fn start_segment(&mut self) -> io::Result<()> {
        let made = Segment::create(&self.dir, self.end, self.config.index_interval_bytes);
        let segment = made.inspect_err(|error| {
            // As in `take_back`: there may be room again.
            if !is_full(error) {
                self.go_offline("roll", error);
            }
        })?;
        let active = self.active_mut();
        active.seal();
        // What is not written now stays in memory and is written by the next flush.
        if let Err(error) = active.write_indexes() {
            tracing::warn!(dir = %self.dir.display(), %error, "index entries wait for the next flush");
        }
        self.write_snapshot();
        self.recent.clear();
        self.segments.push(segment);
        self.unflushed.names = true;
        Ok(())
    }

    /// Writes the producers' state at the end of the log; without it the next start scans more of the log.
    pub(super) fn write_snapshot(&self) {
        let path = self.dir.join(segment_file_name(self.end, SNAPSHOT));
        if let Err(error) = checkpoint::replace(&path, &self.producers.to_snapshot()) {
            tracing::warn!(path = %path.display(), %error, "producer snapshot not written");
        }
    }

    /// Another log in the same directory could not be written: the whole directory counts as failed then.
    pub fn fail_with_dir(&mut self) {
        self.is_offline = true;
    }

    pub(super) fn go_offline(&mut self, during: &str, error: &io::Error) {
        self.is_offline = true;
        tracing::error!(dir = %self.dir.display(), %error, during, "log offline");
    }
}

/// Where the next batch goes.
#[derive(Clone, Copy)]
struct Next {
    offset: i64,
    position: u64,
}

/// Everything behind the header.
fn records(batch: &Batch) -> &[u8] {
    batch.bytes().get(HEADER_LEN..).unwrap_or_default()
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
