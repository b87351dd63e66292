//! How long single sends took.

use std::time::Duration;

/// One duration a send.
#[derive(Debug, Default)]
pub struct Latencies {
    sends: Vec<Duration>,
}

impl Latencies {
    /// Adds a send.
    pub fn add(&mut self, took: Duration) {
        self.sends.push(took);
    }

    /// The microseconds that this share of the sends, in thousandths, did not exceed.
    pub fn micros_at(&mut self, thousandths: usize) -> f64 {
        self.sends.sort_unstable();
        let index = (self.sends.len() * thousandths / 1000).min(self.sends.len().saturating_sub(1));
        self.sends.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}
