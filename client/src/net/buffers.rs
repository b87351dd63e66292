//! Memory of large answers, used again once nobody holds a share of it: fresh memory costs a page fault every 4 KiB.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Smaller ones are cheap as they are: allocators keep that much for the next.
const LENT_MIN: usize = 256 * 1024;
/// How many wait to be used again. One answer is read while another is handed out.
const FREE_MAX: usize = 2;

/// Those of one connection, whose answers are mostly of one size.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer for an answer of `len` bytes, which has to grow; a new one holds `fresh` bytes at first. One that is far too
    /// large is not used: whoever holds the answer would hold all of it.
    pub(super) fn take(&self, len: usize, fresh: usize) -> Vec<u8> {
        let fits = |buffer: &Vec<u8>| (len / 2..=len.saturating_mul(2)).contains(&buffer.capacity());
        let mut free = self.lock();
        match free.iter().position(fits) {
            Some(place) => free.swap_remove(place),
            None => {
                // Answers are of another size now.
                free.pop();
                drop(free);
                Vec::with_capacity(fresh)
            }
        }
    }

    /// The answer. Its memory comes back when the last share of it is dropped.
    pub(super) fn lend(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        if buffer.len() < LENT_MIN {
            return Bytes::from(buffer);
        }
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    /// A small answer came: whoever has caught up needs no large buffers.
    pub(super) fn shrink(&self) {
        self.lock().pop();
    }

    fn put(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut free = self.lock();
        if free.len() < FREE_MAX {
            free.push(buffer);
        }
    }

    /// A poisoned lock means that a holder panicked between two steps that cannot panic: the data is whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What all shares of an answer hold.
struct Lent {
    buffer: Vec<u8>,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(buffers: &Arc<Buffers>, len: usize) -> Bytes {
        let mut buffer = buffers.take(len, len);
        buffer.resize(len, 7);
        buffers.lend(buffer)
    }

    #[test]
    fn memory_is_used_again_once_the_last_share_of_an_answer_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let first = answer(&buffers, LENT_MIN);
        let place = first.as_ptr();
        let share = first.slice(10..20);
        drop(first);
        let second = answer(&buffers, LENT_MIN);
        assert_ne!(second.as_ptr(), place, "somebody still reads what is there");
        assert_eq!(*share, [7; 10]);
        drop(share);
        assert_eq!(answer(&buffers, LENT_MIN).as_ptr(), place);
    }

    #[test]
    fn memory_that_does_not_fit_or_is_not_needed_is_given_back() {
        let buffers = Arc::new(Buffers::default());
        drop(answer(&buffers, LENT_MIN * 4));
        assert_eq!(buffers.lock().len(), 1);
        assert!(answer(&buffers, LENT_MIN).len() == LENT_MIN && buffers.lock().len() == 1);
        assert!(buffers.lock()[0].capacity() < LENT_MIN * 4);
        buffers.shrink();
        assert!(buffers.lock().is_empty());
        let all: Vec<_> = (0..9).map(|_| answer(&buffers, LENT_MIN)).collect();
        drop(all);
        assert_eq!(buffers.lock().len(), FREE_MAX);
    }
}
