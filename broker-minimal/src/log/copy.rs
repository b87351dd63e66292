//! Appending what a leader has: the bytes as they are, where the leader has them.

use std::io::IoSlice;

use kinglet_protocol::records::Batch;

use super::Log;
use super::error::{AppendError, LogError};

/// Batches that one system call writes.
const CHUNK: usize = 64;

impl Log {
    /// Appends batches of the leader's log, verbatim: their offsets and epochs are the leader's, and so is what may be in them. The
    /// caller has validated their checksums.
    ///
    /// Nothing may overlap what is here. Offsets may be left out, because compaction leaves them out.
    pub fn append_as_follower(&mut self, batches: &[Batch], now_ms: i64) -> Result<(), AppendError> {
        if self.is_offline {
            return Err(AppendError::Offline);
        }
        self.check_copy(batches)?;
        let mut rest = batches;
        while let Some(first) = rest.first() {
            self.roll_if_full(std::slice::from_ref(first), size(first), now_ms)?;
            self.active().file()?;
            let epoch = first.header().partition_leader_epoch;
            if self.epochs.is_new(epoch) {
                self.start_epoch(epoch, first.header().base_offset)?;
            }
            let count = self.run(rest);
            let (run, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            self.write_copy(run, now_ms)?;
            rest = later;
        }
        Ok(())
    }

    /// Everything that can be said before a byte is written.
    fn check_copy(&self, batches: &[Batch]) -> Result<(), AppendError> {
        let (mut end, mut latest) = (self.end, self.latest_epoch());
        for batch in batches {
            let header = batch.header();
            if header.base_offset < end || header.last_offset_delta < 0 {
                return Err(AppendError::Overlap { end, received: header.base_offset });
            }
            let epoch = header.partition_leader_epoch;
            if epoch >= 0 && epoch < latest {
                return Err(AppendError::Fenced { latest, received: epoch });
            }
            end = header.last_offset().checked_add(1).ok_or(AppendError::NoOffsets)?;
            latest = latest.max(epoch);
        }
        Ok(())
    }

    /// How many batches go into the active segment under the epoch of the first one, which does.
    fn run(&self, batches: &[Batch]) -> usize {
        let epoch = batches.first().map_or(-1, |first| first.header().partition_leader_epoch);
        let (base, mut total) = (self.active().base(), self.active().size());
        let fits = |batch: &&Batch| {
            total += size(batch);
            let header = batch.header();
            header.partition_leader_epoch == epoch
                && total <= u64::from(self.config.segment_bytes)
                && i32::try_from(header.last_offset() - base).is_ok()
        };
        batches.iter().take_while(fits).count().clamp(1, CHUNK)
    }

    fn write_copy(&mut self, run: &[Batch], now_ms: i64) -> Result<(), AppendError> {
        let mut slices: Vec<IoSlice<'_>> = run.iter().map(|batch| IoSlice::new(batch.bytes())).collect();
        let position = self.active().size();
        let written = self.active().write_at(position, &mut slices);
        let written = written.map_err(|error| self.take_back(error))? - position;
        let before = self.end;
        for batch in run {
            self.accept(*batch.header(), now_ms);
        }
        self.appended(written, self.end - before, now_ms)
    }

    /// Says that a leader of this epoch writes from the end on, before it writes anything: a follower that asks where an earlier epoch
    /// ended must not be told that nothing came after it.
    pub fn begin_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        if self.is_offline {
            return Err(LogError::Offline);
        }
        if epoch <= self.latest_epoch() {
            return Ok(());
        }
        self.start_epoch(epoch, self.end).map_err(LogError::disk(&*self.dir))
    }
}

fn size(batch: &Batch) -> u64 {
    u64::try_from(batch.header().size()).unwrap_or(u64::MAX)
}
