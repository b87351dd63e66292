//! How long single records took.

use std::time::Duration;

/// One duration a record.
#[derive(Debug, Default)]
pub struct Latencies {
    records: Vec<Duration>,
}

impl Latencies {
    /// Adds a record.
    pub fn add(&mut self, took: Duration) {
        self.records.push(took);
    }

    /// The microseconds that this share of them, in thousandths, did not exceed.
    pub fn micros_at(&mut self, thousandths: usize) -> f64 {
        self.records.sort_unstable();
        let index = (self.records.len() * thousandths / 1000).min(self.records.len().saturating_sub(1));
        self.records.get(index).map_or(0.0, |took| took.as_secs_f64() * 1e6)
    }
}
