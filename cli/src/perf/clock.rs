//! The time of a measurement: everything else takes it from here, or as an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Tells the time since it was started.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts it.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since.
    pub fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
