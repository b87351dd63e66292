//! An allocator that counts: what the process holds, and how often this thread asked for memory.
#![allow(unsafe_code, reason = "GlobalAlloc cannot be implemented without; all of it is passed on to System")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static COUNTING: Counting = Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that the process holds now; the peak begins anew.
pub(crate) fn mark() -> usize {
    let live = LIVE.load(Ordering::Relaxed);
    PEAK.store(live, Ordering::Relaxed);
    live
}

/// The most bytes that the process held since the last [`mark`].
pub(crate) fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// How often this thread asked for memory while it did `work`.
pub(crate) fn calls_of(work: impl FnOnce()) -> u64 {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

struct Counting;

// SAFETY: every call goes to System with the arguments it came with. `realloc` is the default one, which holds old and
// new memory at the same time: the dearest way in which an allocator may do it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // A thread that ends may ask for memory after its counter is gone.
        let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the memory came from System, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }
}
