//! Memory that is not needed any more goes back to the system.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the C library's own function, which no crate wraps")
)]

/// Gives back what lies free between what is in use: the allocator gives back only what is free at the end of its heaps, and of ten
/// thousand connections one that stays would keep the memory of all. Takes milliseconds for a hundred megabytes, on the caller's thread.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    malloc_trim(0);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
// SAFETY: the declaration is that of malloc.h, `int malloc_trim(size_t pad)`. The function takes the allocator's own locks and touches no
// memory that is in use, so any thread may call it at any time.
unsafe extern "C" {
    safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
#[expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]
mod tests {
    use super::*;

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_lies_free_between_what_is_in_use_goes_back() {
        const COUNT: usize = 40_000;
        let gives_back = || {
            let mut pieces: Vec<Option<Box<[u8]>>> = (0..COUNT).map(|_| Some(vec![1; 4096].into())).collect();
            let full = resident_kib();
            for (index, piece) in pieces.iter_mut().enumerate() {
                if index % 100 != 99 {
                    *piece = None;
                }
            }
            give_back();
            // Of 160 MB it is half at least.
            resident_kib() + 80_000 < full
        };
        // Other tests may take as much for themselves meanwhile, but not every time.
        assert!((0..5).any(|_| gives_back()));
    }
}
