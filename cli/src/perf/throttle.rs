//! How records are spread over time: pure.

use std::time::Duration;

/// A timer is not exact enough for shorter pauses; faster loads leave in small bursts.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// When records may leave so that their rate is the wanted one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    per_second: Option<f64>,
}

impl Throttle {
    /// So many records a second; a negative number is no limit. `None` for a rate at which nothing ever leaves.
    pub fn new(per_second: f64) -> Option<Self> {
        if per_second.is_nan() || per_second == 0.0 {
            return None;
        }
        Some(Self { per_second: (per_second > 0.0).then_some(per_second) })
    }

    /// Whether the time has to be looked at at all.
    pub fn limits(&self) -> bool {
        self.per_second.is_some()
    }

    /// How long to wait after `sent` records in `elapsed`. Who is late is not slowed down: the average counts.
    pub fn pause(&self, sent: u64, elapsed: Duration) -> Option<Duration> {
        let per_second = self.per_second?;
        let due = Duration::try_from_secs_f64(sent as f64 / per_second).unwrap_or(Duration::MAX);
        let ahead = due.saturating_sub(elapsed);
        (ahead >= PAUSE_MIN).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(per_second: f64) -> Throttle {
        Throttle::new(per_second).expect("a rate")
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        assert!(!at(-1.0).limits());
        assert_eq!(at(-1.0).pause(1_000_000, Duration::ZERO), None);
    }

    #[test]
    fn a_slow_load_waits_after_each_record_until_the_next_is_due() {
        assert_eq!(at(10.0).pause(1, ms(0)), Some(ms(100)));
        assert_eq!(at(10.0).pause(1, ms(30)), Some(ms(70)));
        assert_eq!(at(0.5).pause(3, ms(5_000)), Some(ms(1_000)));
    }

    #[test]
    fn a_fast_load_waits_when_it_is_a_millisecond_ahead() {
        assert_eq!(at(100_000.0).pause(99, ms(0)), None);
        assert_eq!(at(100_000.0).pause(100, ms(0)), Some(ms(1)));
        assert_eq!(at(100_000.0).pause(150, ms(0)), Some(Duration::from_micros(1_500)));
    }

    #[test]
    fn who_is_late_catches_up() {
        assert_eq!(at(1_000.0).pause(1_000, ms(2_000)), None);
        assert_eq!(at(1_000.0).pause(1_999, ms(2_000)), None);
        assert_eq!(at(1_000.0).pause(2_003, ms(2_000)), Some(ms(3)));
    }

    #[test]
    fn a_rate_that_never_ends_is_none() {
        assert_eq!(Throttle::new(0.0), None);
        assert_eq!(Throttle::new(f64::NAN), None);
        assert_eq!(at(f64::MIN_POSITIVE).pause(1, ms(0)), Some(Duration::MAX));
    }
}
