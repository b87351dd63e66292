//! What was read: pure. Times are those since the measurement began.

use std::time::Duration;

/// Records, and the bytes of their keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// How many.
    pub records: u64,
    /// Their keys and values.
    pub bytes: u64,
}

/// What happened since the last window ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it ended.
    pub at: Duration,
    /// How long it was.
    pub elapsed: Duration,
    /// Everything up to its end.
    pub total: Read,
    /// What was read in it.
    pub read: Read,
}

/// Counts what is read.
#[derive(Debug)]
pub struct Meter {
    interval: Duration,
    total: Read,
    window_began: Duration,
    window_total: Read,
}

impl Read {
    /// MiB, which Kafka calls MB.
    pub fn mb(&self) -> f64 {
        self.bytes as f64 / (1024.0 * 1024.0)
    }

    fn since(self, earlier: Self) -> Self {
        Self { records: self.records - earlier.records, bytes: self.bytes - earlier.bytes }
    }
}

impl Meter {
    /// A window is as long as `interval`, and then as long as nothing is read.
    pub fn new(interval: Duration) -> Self {
        Self { interval, total: Read::default(), window_began: Duration::ZERO, window_total: Read::default() }
    }

    /// Counts records, and gives the window that ends with them.
    pub fn add(&mut self, now: Duration, read: Read) -> Option<Window> {
        self.total.records += read.records;
        self.total.bytes += read.bytes;
        let elapsed = now.saturating_sub(self.window_began);
        if elapsed < self.interval {
            return None;
        }
        let read = self.total.since(self.window_total);
        (self.window_began, self.window_total) = (now, self.total);
        Some(Window { at: now, elapsed, total: self.total, read })
    }

    /// Everything so far.
    pub fn total(&self) -> Read {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_window_holds_what_was_read_in_it_and_before() {
        let mut meter = Meter::new(at(1_000));
        let read = |records| Read { records, bytes: records * 10 };

        assert_eq!(meter.add(at(999), read(5)), None);
        let first = meter.add(at(1_000), read(1)).expect("the interval is over");
        let second = meter.add(at(3_500), read(4)).expect("the next one too");

        assert_eq!((first.elapsed, first.total, first.read), (at(1_000), read(6), read(6)));
        assert_eq!((second.elapsed, second.total, second.read), (at(2_500), read(10), read(4)));
        assert_eq!(meter.total(), read(10));
    }
}
