//! Memory of what was decompressed, used again on the thread that dropped it last: fresh memory costs a page fault every 4 KiB, and
//! an allocator may give what is freed back to the system each time.

use std::cell::Cell;

use bytes::Bytes;

/// Less is cheap as it is; more is not kept by a thread that may never need it again.
const LEAST: usize = 16 * 1024;
const MOST: usize = 1024 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An empty buffer, which holds `limit` bytes at most.
pub(super) fn take(limit: usize) -> Vec<u8> {
    let spare = SPARE.try_with(Cell::take).unwrap_or_default();
    if spare.capacity() <= limit { spare } else { Vec::new() }
}

/// The bytes, whose memory comes back when the last share of them is dropped.
pub(super) fn lend(bytes: Vec<u8>) -> Bytes {
    if (LEAST..=MOST).contains(&bytes.capacity()) {
        Bytes::from_owner(Lent(bytes))
    } else {
        Bytes::from(bytes)
    }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| spare.set(buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_once_the_last_share_is_dropped_and_only_within_the_limit() {
        let bytes = lend(vec![7; LEAST]);
        let (place, share) = (bytes.as_ptr(), bytes.slice(10..20));
        drop(bytes);
        assert_eq!(take(MOST).capacity(), 0, "somebody still reads what is there");
        drop(share);
        let again = take(MOST);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        drop(lend(again));
        assert_eq!(take(LEAST - 1).capacity(), 0);
    }

    #[test]
    fn what_is_small_or_very_large_is_not_kept() {
        for len in [LEAST - 1, MOST + 1] {
            drop(lend(vec![7; len]));
            assert_eq!(take(usize::MAX).capacity(), 0, "{len}");
        }
    }
}
