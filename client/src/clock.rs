//! The only file that reads the time.
#![expect(clippy::disallowed_methods, reason = "everything else takes the time from here, or as an argument")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time for deadlines. It does not look for a runtime: it is read on the path of records.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, as record timestamps have it.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
