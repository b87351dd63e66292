//! What was measured: pure. Times are those since the load began.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies are kept in microseconds, up to an hour, which is longer than any delivery may take.
const LATENCY_MAX_US: u64 = 3_600_000_000;
/// Of each latency; a percentile is wrong by 0.1 % at most.
const DIGITS: u8 = 3;
/// The percentiles that Kafka's tool prints.
const QUANTILES: [f64; 4] = [0.5, 0.95, 0.99, 0.999];

/// Records that were acknowledged at one time after one wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// When.
    pub at: Duration,
    /// How long each of them took.
    pub latency: Duration,
    /// How many.
    pub records: u64,
    /// What they hold.
    pub bytes: u64,
}

/// Counts of records and the sum of their latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Records acknowledged.
    pub records: u64,
    /// The bytes of their values.
    pub bytes: u64,
    latency_sum_us: u64,
    latency_max_us: u64,
}

/// What happened since the last window ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Its records.
    pub tally: Tally,
    /// How long it was.
    pub elapsed: Duration,
    /// Whether it is the first one.
    pub first: bool,
}

/// What happened altogether.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Totals {
    /// The records.
    pub tally: Tally,
    /// How long it took.
    pub elapsed: Duration,
    /// Latencies of which 50, 95, 99 and 99.9 % were no longer, in ms.
    pub percentiles_ms: [f64; 4],
}

/// Collects what is acknowledged.
#[derive(Debug)]
pub struct Stats {
    began: Duration,
    total: Tally,
    histogram: Histogram<u64>,
    interval: Duration,
    window: Tally,
    window_began: Duration,
}

impl Tally {
    /// Records a second.
    pub fn records_per_sec(&self, elapsed: Duration) -> f64 {
        self.records as f64 / seconds(elapsed)
    }

    /// MiB a second, which Kafka calls MB.
    pub fn mb_per_sec(&self, elapsed: Duration) -> f64 {
        self.bytes as f64 / seconds(elapsed) / (1024.0 * 1024.0)
    }

    /// The mean latency in ms; 0 of nothing.
    pub fn latency_avg_ms(&self) -> f64 {
        ms(self.latency_sum_us) / self.records.max(1) as f64
    }

    /// The longest latency in ms.
    pub fn latency_max_ms(&self) -> f64 {
        ms(self.latency_max_us)
    }

    fn add(&mut self, acked: &Acked) {
        let latency = micros(acked.latency);
        self.records += acked.records;
        self.bytes += acked.bytes;
        self.latency_sum_us = self.latency_sum_us.saturating_add(latency.saturating_mul(acked.records));
        self.latency_max_us = self.latency_max_us.max(latency);
    }
}

impl Stats {
    /// Begins at `began`; a window is as long as `interval`, and then as long as nothing is acknowledged.
    pub fn new(began: Duration, interval: Duration) -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_MAX_US, DIGITS);
        Self {
            began,
            total: Tally::default(),
            histogram: histogram.expect("the bounds are constants that it takes"),
            interval,
            window: Tally::default(),
            window_began: began,
        }
    }

    /// Counts records, and gives the window that ends with them.
    pub fn add(&mut self, acked: &Acked) -> Option<Window> {
        self.total.add(acked);
        self.window.add(acked);
        self.histogram.saturating_record_n(micros(acked.latency), acked.records);
        let elapsed = acked.at.saturating_sub(self.window_began);
        if elapsed < self.interval {
            return None;
        }
        let window = Window { tally: self.window, elapsed, first: self.window.records == self.total.records };
        self.window = Tally::default();
        self.window_began = acked.at;
        Some(window)
    }

    /// The records so far.
    pub fn tally(&self) -> Tally {
        self.total
    }

    /// Everything up to `now`.
    pub fn totals(&self, now: Duration) -> Totals {
        // The histogram answers with the end of a bucket, which may lie behind the longest latency.
        let percentile =
            |quantile| ms(self.histogram.value_at_quantile(quantile).min(self.total.latency_max_us));
        Totals {
            tally: self.total,
            elapsed: now.saturating_sub(self.began),
            percentiles_ms: QUANTILES.map(percentile),
        }
    }
}

/// Never 0, so that a rate is a number.
fn seconds(elapsed: Duration) -> f64 {
    elapsed.max(Duration::from_micros(1)).as_secs_f64()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Exact for all that a run can last.
fn ms(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn acked(at_ms: u64, latency_ms: u64, records: u64) -> Acked {
        Acked { at: at(at_ms), latency: at(latency_ms), records, bytes: records * 100 }
    }

    #[test]
    fn percentiles_average_and_maximum_are_those_of_single_records() {
        let mut stats = Stats::new(at(0), at(5_000));
        for latency in 1..=1_000 {
            assert_eq!(stats.add(&acked(latency, latency, 2)), None);
        }

        let totals = stats.totals(at(2_000));

        assert_eq!((totals.tally.records, totals.tally.bytes), (2_000, 200_000));
        assert_eq!((totals.tally.latency_avg_ms(), totals.tally.latency_max_ms()), (500.5, 1_000.0));
        assert_eq!(totals.tally.records_per_sec(totals.elapsed), 1_000.0);
        for (got, exact) in totals.percentiles_ms.into_iter().zip([500.0, 950.0, 990.0, 999.0]) {
            assert!((exact..=exact * 1.001).contains(&got), "{got} is not {exact}");
        }
    }

    #[test]
    fn no_percentile_is_longer_than_the_longest_latency() {
        let mut stats = Stats::new(at(0), at(5_000));
        stats.add(&Acked { latency: Duration::from_micros(1_234_567), ..acked(1, 0, 1) });

        assert_eq!(stats.totals(at(1)).percentiles_ms, [1_234.567; 4]);
    }

    #[test]
    fn a_window_ends_with_the_first_records_after_the_interval() {
        let mut stats = Stats::new(at(100), at(1_000));
        assert_eq!(stats.add(&acked(1_099, 10, 5)), None);

        let first = stats.add(&acked(1_200, 30, 5)).expect("the interval is over");
        let second = stats.add(&acked(3_000, 7, 1)).expect("the next one too");

        assert_eq!((first.tally.records, first.elapsed, first.first), (10, at(1_100), true));
        assert_eq!((first.tally.latency_avg_ms(), first.tally.latency_max_ms()), (20.0, 30.0));
        assert_eq!((second.tally.records, second.elapsed, second.first), (1, at(1_800), false));
        assert_eq!(stats.totals(at(3_100)).elapsed, at(3_000));
    }

    #[test]
    fn nothing_at_all_is_zeros() {
        let totals = Stats::new(at(5), at(1_000)).totals(at(5));

        assert_eq!(totals.percentiles_ms, [0.0; 4]);
        assert_eq!((totals.tally.latency_avg_ms(), totals.tally.records_per_sec(totals.elapsed)), (0.0, 0.0));
    }
}
