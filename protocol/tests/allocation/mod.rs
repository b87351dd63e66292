//! An allocator that counts, for the process and for each thread: what is held, and how often memory was asked for.
#![allow(unsafe_code, reason = "GlobalAlloc cannot be implemented without; all of it is passed on to System")]
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, AtomicU64, Ordering::Relaxed};

#[global_allocator]
static COUNTING: Counting = Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static THREAD_LIVE: Cell<isize> = const { Cell::new(0) };
    static THREAD_PEAK: Cell<isize> = const { Cell::new(0) };
    static THREAD_CALLS: Cell<u64> = const { Cell::new(0) };
    static LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

/// The result of `work` and the most bytes that this thread held at once while it ran, beyond those before.
pub(crate) fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = THREAD_LIVE.get();
    THREAD_PEAK.set(before);
    let result = work();
    (result, usize::try_from(THREAD_PEAK.get() - before).unwrap_or(0))
}

/// How often this thread asked for memory while it did `work`.
pub(crate) fn calls_of(work: impl FnOnce()) -> u64 {
    let before = THREAD_CALLS.get();
    work();
    THREAD_CALLS.get() - before
}

/// Bytes that the process holds now; its peak begins anew.
pub(crate) fn mark() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    usize::try_from(live).unwrap_or(0)
}

/// The most bytes that the process held since the last [`mark`].
pub(crate) fn peak() -> usize {
    usize::try_from(PEAK.load(Relaxed)).unwrap_or(0)
}

/// How often the process asked for memory so far.
pub(crate) fn calls() -> u64 {
    CALLS.load(Relaxed)
}

/// What this thread takes and gives back is none of the process's from now on: it plays somebody else.
pub(crate) fn leave_out() {
    LEFT_OUT.set(true);
}

struct Counting;

// SAFETY: every call goes to System with the arguments it came with. `realloc` is the default one, which holds old and
// new memory at the same time: the dearest way in which an allocator may do it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(isize::try_from(layout.size()).unwrap_or(isize::MAX));
        // A thread that ends may ask for memory after its counter is gone.
        let _ = THREAD_CALLS.try_with(|calls| calls.set(calls.get() + 1));
        // SAFETY: the caller's promises are System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-isize::try_from(layout.size()).unwrap_or(isize::MAX));
        // SAFETY: the memory came from System, with this layout.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn count(bytes: isize) {
    // As above: counters may be gone.
    let _ = THREAD_LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        THREAD_PEAK.try_with(|peak| peak.set(peak.get().max(live.get())))
    });
    if !LEFT_OUT.try_with(Cell::get).unwrap_or(false) {
        PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
        CALLS.fetch_add(u64::from(bytes > 0), Relaxed);
    }
}
