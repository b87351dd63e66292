//! The only file that reads the time. Everything else is told.
#![expect(clippy::disallowed_methods, reason = "this is where the clock is read")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time, for deadlines.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = SET.get() {
        return now;
    }
    Instant::now()
}

#[cfg(test)]
thread_local! {
    static SET: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// From now on it is this late for a test's own thread; `None` is as late as it is.
#[cfg(test)]
pub(crate) fn set(now: Option<Instant>) {
    SET.set(now);
}

/// Milliseconds since the Unix epoch, for timestamps that leave this process.
pub(crate) fn now_ms() -> i64 {
    // A clock before 1970 is a broken clock; zero keeps the log usable.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
