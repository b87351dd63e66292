//! The values that all clients send: made before the clock runs, read from one file.

use std::path::Path;

use crate::Fallible;

/// Values of one size, sent again and again in their order.
#[derive(Debug, Clone, Copy)]
pub struct Payloads {
    bytes: &'static [u8],
    size: usize,
}

impl Payloads {
    /// Reads a file of values. They live as long as the process, so that clients that keep references need no copies.
    pub fn read(path: &Path, size: usize) -> Fallible<Self> {
        let bytes = std::fs::read(path)?;
        if size == 0 || bytes.is_empty() || !bytes.len().is_multiple_of(size) {
            return Err(format!("{}: not made of values of {size} bytes", path.display()).into());
        }
        Ok(Self { bytes: bytes.leak(), size })
    }

    /// The first `count` records' values.
    pub fn take(self, count: u64) -> impl Iterator<Item = &'static [u8]> {
        let values = self.bytes.chunks_exact(self.size).cycle();
        // A count that does not fit is more than any machine sends.
        values.take(usize::try_from(count).unwrap_or(usize::MAX))
    }
}
