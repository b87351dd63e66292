//! How many bytes per second go, measured as Kafka measures replication: over ten seconds and the one that runs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
const FULL_WINDOWS: u32 = 10;

/// One rate with its limit.
#[derive(Debug)]
pub(super) struct Quota {
    bytes_per_second: u64,
    /// Beginnings of windows, and what came in each; the oldest first.
    windows: VecDeque<(Instant, u64)>,
}

impl Quota {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, windows: VecDeque::new() }
    }

    pub(super) fn set(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = bytes_per_second;
    }

    pub(super) fn record(&mut self, bytes: u64, now: Instant) {
        self.forget(now);
        match self.windows.back_mut().filter(|(start, _)| now.saturating_duration_since(*start) < WINDOW) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => self.windows.push_back((now, bytes)),
        }
    }

    /// Whether more has gone than may.
    pub(super) fn is_exceeded(&mut self, now: Instant) -> bool {
        self.forget(now);
        let Some((oldest, _)) = self.windows.front() else { return false };
        // What has only begun is not taken for a rate: the time that is missing counts as if nothing had gone.
        let elapsed = now.saturating_duration_since(*oldest);
        let missing = (WINDOW * FULL_WINDOWS).saturating_sub(Duration::from_secs(elapsed.as_secs()));
        let sum: u128 = self.windows.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
        sum * 1000 > u128::from(self.bytes_per_second) * (elapsed + missing).as_millis()
    }

    fn forget(&mut self, now: Instant) {
        let is_over = |start: Instant| now.saturating_duration_since(start) >= WINDOW * (FULL_WINDOWS + 1);
        while self.windows.front().is_some_and(|(start, _)| is_over(*start)) {
            self.windows.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn over_ten_seconds_no_more_goes_than_may() {
        let start = clock::now();
        let mut quota = Quota::new(1000);
        let mut sent = 0;
        // A fetch each 100 ms, of up to 500 bytes.
        for step in 0..600_u64 {
            let now = start + Duration::from_millis(step * 100);
            if !quota.is_exceeded(now) {
                quota.record(500, now);
                sent += 500;
            }
        }
        assert!((55_000..=72_000).contains(&sent), "{sent} bytes in a minute");
    }

    #[test]
    fn what_is_exceeded_is_free_again_when_the_time_is_over_or_the_limit_is_raised() {
        let start = clock::now();
        let mut quota = Quota::new(10);
        assert!(!quota.is_exceeded(start));
        quota.record(101, start);
        assert!(quota.is_exceeded(start));
        assert!(quota.is_exceeded(start + Duration::from_secs(10)));
        assert!(!quota.is_exceeded(start + Duration::from_secs(11)));
        quota.record(101, start + Duration::from_secs(12));
        quota.set(11);
        assert!(!quota.is_exceeded(start + Duration::from_secs(12)));
    }
}
