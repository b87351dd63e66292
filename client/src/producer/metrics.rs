//! What the producer measures of itself, by the names of the Java client's metrics. Sums are taken per batch and per request,
//! nothing per record.

use std::time::{Duration, Instant};

/// Rates, averages and maxima are those of the last one to two windows, as Java's are.
const WINDOW: Duration = Duration::from_secs(30);

/// A snapshot of a producer's metrics: the names and units of Kafka's group `producer-metrics`. Times are in ms, rates per second.
///
/// An average or maximum of nothing is `NaN`, as in Java.
#[derive(Clone, Debug)]
pub struct ProducerMetrics {
    values: Vec<(&'static str, f64)>,
}

impl ProducerMetrics {
    /// The value of a metric, `record-send-rate` for instance; `None` for a name that is not measured.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// All names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.values.iter().copied()
    }
}

/// One thing that is measured again and again.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    count: u64,
    sum: f64,
    max: f64,
}

/// The sums of this window and the last.
#[derive(Debug)]
struct Sensor {
    began: Instant,
    this: Sums,
    last: Sums,
    total: Sums,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure {
    /// Records of a batch that was acknowledged.
    Sent,
    /// Records of a batch that was given up.
    Failed,
    /// Records of a batch that is sent again.
    Retried,
    /// Bytes of a batch on the wire.
    BatchSize,
    /// Batch by batch, what compression leaves of 1.
    Compression,
    /// From the first record to the request.
    Queued,
    /// Records of a request.
    PerRequest,
    /// From request to answer.
    Latency,
    /// How long a broker asked to be left in peace.
    Throttled,
    /// How long a record waited for memory.
    Waited,
}

const MEASURES: usize = 10;

/// The producer's measurements so far.
#[derive(Debug)]
pub(crate) struct Metrics {
    sensors: [Sensor; MEASURES],
}

/// What is looked up when a snapshot is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    pub(crate) memory: usize,
    pub(crate) memory_used: usize,
    pub(crate) requests_in_flight: usize,
    /// Batches that were split because they were too large, so far.
    pub(crate) splits: u64,
}

impl Metrics {
    pub(crate) fn new(now: Instant) -> Self {
        Self { sensors: std::array::from_fn(|_| Sensor::new(now)) }
    }

    pub(crate) fn add(&mut self, measure: Measure, value: f64, now: Instant) {
        self.sensor_mut(measure).add(value, now);
    }

    pub(crate) fn snapshot(&mut self, gauges: Gauges, now: Instant) -> ProducerMetrics {
        self.sensors.iter_mut().for_each(|sensor| sensor.turn(now));
        let of = |measure: Measure| &self.sensors[measure as usize];
        let total = |measure| of(measure).total.sum;
        let (avg, max) = (|measure| of(measure).avg(), |measure| of(measure).max());
        let rate = |measure| of(measure).rate(now);
        use Measure::{BatchSize, Compression, Failed, Latency, PerRequest, Queued, Retried, Sent};
        use Measure::{Throttled, Waited};
        ProducerMetrics {
            values: vec![
                ("record-send-rate", rate(Sent)),
                ("record-send-total", total(Sent)),
                ("record-error-rate", rate(Failed)),
                ("record-error-total", total(Failed)),
                ("record-retry-rate", rate(Retried)),
                ("record-retry-total", total(Retried)),
                ("batch-size-avg", avg(BatchSize)),
                ("batch-size-max", max(BatchSize)),
                ("batch-split-total", count(gauges.splits)),
                ("byte-rate", rate(BatchSize)),
                ("byte-total", total(BatchSize)),
                ("compression-rate-avg", avg(Compression)),
                ("record-queue-time-avg", avg(Queued)),
                ("record-queue-time-max", max(Queued)),
                ("records-per-request-avg", avg(PerRequest)),
                ("request-latency-avg", avg(Latency)),
                ("request-latency-max", max(Latency)),
                ("request-rate", of(PerRequest).count_rate(now)),
                ("request-total", count(of(PerRequest).total.count)),
                ("requests-in-flight", size(gauges.requests_in_flight)),
                ("produce-throttle-time-avg", avg(Throttled)),
                ("produce-throttle-time-max", max(Throttled)),
                ("buffer-total-bytes", size(gauges.memory)),
                ("buffer-available-bytes", size(gauges.memory.saturating_sub(gauges.memory_used))),
                // Java counts these in ns.
                ("bufferpool-wait-time-ns-total", total(Waited) * 1e6),
                ("bufferpool-wait-ratio", rate(Waited) / 1e3),
            ],
        }
    }

    fn sensor_mut(&mut self, measure: Measure) -> &mut Sensor {
        &mut self.sensors[measure as usize]
    }
}

impl Sensor {
    fn new(now: Instant) -> Self {
        Self { began: now, this: Sums::default(), last: Sums::default(), total: Sums::default() }
    }

    fn add(&mut self, value: f64, now: Instant) {
        self.turn(now);
        for sums in [&mut self.this, &mut self.total] {
            sums.count += 1;
            sums.sum += value;
            sums.max = sums.max.max(value);
        }
    }

    /// Begins new windows whose time has come.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age >= WINDOW {
            let is_next = age < 2 * WINDOW;
            self.last = if is_next { self.this } else { Sums::default() };
            self.this = Sums::default();
            self.began = if is_next { self.began + WINDOW } else { now };
        }
    }

    fn avg(&self) -> f64 {
        (self.this.sum + self.last.sum) / count(self.this.count + self.last.count)
    }

    fn max(&self) -> f64 {
        if self.this.count + self.last.count == 0 { f64::NAN } else { self.this.max.max(self.last.max) }
    }

    fn rate(&self, now: Instant) -> f64 {
        (self.this.sum + self.last.sum) / self.seconds(now)
    }

    fn count_rate(&self, now: Instant) -> f64 {
        count(self.this.count + self.last.count) / self.seconds(now)
    }

    /// At least one whole window, as Java takes it: a first batch is no rate of thousands.
    fn seconds(&self, now: Instant) -> f64 {
        (now.saturating_duration_since(self.began) + WINDOW).as_secs_f64()
    }
}

/// Milliseconds, with what is behind the point.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "metrics are for people")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_precision_loss, reason = "metrics are for people")]
pub(crate) fn size(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
    fn began() -> (Metrics, Instant) {
        let now = Instant::now();
        (Metrics::new(now), now)
    }

    const NOTHING: Gauges = Gauges { memory: 100, memory_used: 30, requests_in_flight: 2, splits: 0 };

    #[test]
    fn averages_and_maxima_are_those_of_two_windows_and_totals_of_all_time() {
        let (mut metrics, begin) = began();
        metrics.add(Measure::Sent, 100.0, begin);
        metrics.add(Measure::BatchSize, 1_000.0, begin);
        let later = begin + WINDOW + Duration::from_secs(1);
        metrics.add(Measure::Sent, 50.0, later);
        metrics.add(Measure::BatchSize, 3_000.0, later);
        let both = metrics.snapshot(NOTHING, later);
        assert_eq!((both.get("batch-size-avg"), both.get("batch-size-max")), (Some(2_000.0), Some(3_000.0)));
        assert_eq!(both.get("record-send-rate"), Some(150.0 / 31.0));
        let much_later = later + 2 * WINDOW;
        let none = metrics.snapshot(NOTHING, much_later);
        assert!(none.get("batch-size-avg").is_some_and(f64::is_nan));
        assert_eq!((none.get("record-send-rate"), none.get("record-send-total")), (Some(0.0), Some(150.0)));
    }

    #[test]
    fn names_are_those_of_the_java_client() {
        let (mut metrics, begin) = began();
        metrics.add(Measure::Waited, 2.0, begin);
        let snapshot = metrics.snapshot(NOTHING, begin);
        assert_eq!(snapshot.get("buffer-available-bytes"), Some(70.0));
        assert_eq!(snapshot.get("requests-in-flight"), Some(2.0));
        assert_eq!(snapshot.get("bufferpool-wait-time-ns-total"), Some(2e6));
        assert_eq!(snapshot.get("no-such-metric"), None);
        assert_eq!(snapshot.iter().count(), 26);
    }
}
