//! Walks the batch headers of one `.log` file in order, without decoding records.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use kinglet_protocol::records::{BatchError, BatchHeader, HEADER_LEN};

/// Bytes before the part of a batch that its checksum covers.
const CRC_FROM: u64 = 21;

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub(super) enum Window {
    /// A few headers, when the batch wanted is near.
    Near,
    /// A whole file, front to back.
    Far,
}

impl Window {
    fn len(self) -> usize {
        match self {
            Self::Near => 4 * 1024,
            Self::Far => 256 * 1024,
        }
    }
}

/// A batch that lies whole in the file; its checksum may still be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) header: BatchHeader,
    pub(super) position: u64,
}

impl Found {
    pub(super) fn end(&self) -> u64 {
        self.position.saturating_add(self.len())
    }

    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.header.size()).unwrap_or(u64::MAX)
    }
}

/// Why a walk ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// What lies at `position` is not a whole batch.
    #[error("no whole batch at position {position}: {reason}")]
    Torn { position: u64, reason: BatchError },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the batches of `file` from a position to an end, both batch boundaries.
pub(super) struct Scanner<'f> {
    file: &'f File,
    next: u64,
    end: u64,
    window: Window,
    buffer: Vec<u8>,
    buffer_start: u64,
}

impl<'f> Scanner<'f> {
    pub(super) fn new(file: &'f File, from: u64, end: u64, window: Window) -> Self {
        Self { file, next: from, end, window, buffer: Vec::new(), buffer_start: from }
    }

    /// The next batch, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, ScanError> {
        let position = self.next;
        let left = self.end.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        let torn = |reason| ScanError::Torn { position, reason };
        let header_len = u64::try_from(HEADER_LEN).unwrap_or(u64::MAX).min(left);
        let header = BatchHeader::parse(self.bytes(position, header_len)?).map_err(torn)?;
        let found = Found { header, position };
        if found.len() > left {
            let have = usize::try_from(left).unwrap_or(usize::MAX);
            return Err(torn(BatchError::Truncated { need: header.size(), have }));
        }
        self.next = found.end();
        Ok(Some(found))
    }

    /// Whether the file starts as a message of the formats v0 and v1 does, and not with zeros or garbage.
    pub(super) fn looks_like_old_format(&mut self) -> io::Result<bool> {
        /// Offset, length, and the smallest message: checksum, magic, attributes, no key, no value.
        const SMALLEST: u64 = 26;
        if self.end < SMALLEST {
            return Ok(false);
        }
        let length = self.bytes(0, SMALLEST)?.get(8..).and_then(<[u8]>::first_chunk).copied();
        let length = u64::try_from(i32::from_be_bytes(length.unwrap_or_default())).unwrap_or(0);
        Ok((SMALLEST..=self.end).contains(&(length + 12)))
    }

    /// Whether the batch's bytes are those that were checksummed.
    pub(super) fn verify_crc(&mut self, found: &Found) -> io::Result<bool> {
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
        let mut position = found.position + CRC_FROM;
        while position < found.end() {
            let chunk = self.bytes(position, 1)?;
            let wanted = usize::try_from(found.end() - position).unwrap_or(usize::MAX).min(chunk.len());
            let chunk = chunk.get(..wanted).unwrap_or_default();
            crc.update(chunk);
            position += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        }
        Ok(crc.finalize() == u64::from(found.header.crc))
    }

    /// At least `need` bytes from `position` on, and all behind them that the buffer holds.
    fn bytes(&mut self, position: u64, need: u64) -> io::Result<&[u8]> {
        let buffered_to = self.buffer_start + u64::try_from(self.buffer.len()).unwrap_or(0);
        if position < self.buffer_start || position + need > buffered_to {
            let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
            self.buffer.resize(self.window.len().min(left), 0);
            self.buffer_start = position;
            self.file.read_exact_at(&mut self.buffer, position)?;
        }
        let from = usize::try_from(position - self.buffer_start).unwrap_or(usize::MAX);
        self.buffer.get(from..).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}
