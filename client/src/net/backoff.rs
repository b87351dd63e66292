//! How long to wait before trying again. The random number is passed in.

use std::time::Duration;

/// Delays that double from `base` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) base: Duration,
    pub(crate) max: Duration,
}

/// How far a delay may lie off, either way: clients that failed together should not come back together.
const JITTER: f64 = 0.2;

impl Backoff {
    /// The delay after `failures` failures in a row; `unit` is a random number in `0.0..1.0`.
    pub(crate) fn delay(self, failures: u32, unit: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let delay = self.base.saturating_mul(1 << doublings).min(self.max);
        delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * unit.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_jitter_stays_within_a_fifth() {
        let ms = Duration::from_millis;
        let backoff = Backoff { base: ms(100), max: ms(1000) };
        let middle: Vec<_> = (1..=6).map(|n| backoff.delay(n, 0.5).as_millis()).collect();
        assert_eq!(middle, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.delay(u32::MAX, 0.5).as_millis(), 1000);
        assert_eq!((backoff.delay(1, 0.0), backoff.delay(1, 1.0)), (ms(80), ms(120)));
    }
}
