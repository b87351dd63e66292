//! How far the sending is, for a person who watches a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use kinglet::{Counts, Producer};
use tokio::task::JoinHandle;

/// What is over sooner needs no progress.
const SHOWN_AFTER: Duration = Duration::from_millis(500);
const REDRAWN_EVERY: Duration = Duration::from_millis(200);

/// Bytes read so far; the reading thread writes it, the progress line reads it.
pub type BytesRead = Arc<AtomicU64>;

/// A progress line on stderr, which vanishes when this is dropped.
#[derive(Debug)]
pub struct Progress(JoinHandle<()>);

impl Progress {
    /// Shows the line once the work has lasted a while.
    pub fn show(producer: Producer, bytes: BytesRead) -> Self {
        Self(tokio::spawn(async move {
            tokio::time::sleep(SHOWN_AFTER).await;
            let _shown = Shown(ProgressBar::new_spinner());
            let template = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
            _shown.0.set_style(template.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            let mut elapsed = SHOWN_AFTER;
            loop {
                _shown.0.set_message(line(producer.counts(), bytes.load(Ordering::Relaxed), elapsed));
                _shown.0.tick();
                tokio::time::sleep(REDRAWN_EVERY).await;
                elapsed += REDRAWN_EVERY;
            }
        }))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Clears the line when its task ends, so that no message is written over it.
struct Shown(ProgressBar);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn line(counts: Counts, bytes: u64, elapsed: Duration) -> String {
    let in_flight = counts.enqueued.saturating_sub(counts.delivered + counts.failed);
    let rate = bytes * 1000 / u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    format!(
        "{} records  {}  {}/s  {} in flight  {} failed",
        HumanCount(counts.delivered),
        HumanBytes(bytes),
        HumanBytes(rate),
        HumanCount(in_flight),
        HumanCount(counts.failed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_delivered_and_what_is_not_yet() {
        let counts = Counts { enqueued: 1_500, delivered: 1_000, failed: 2 };

        let text = line(counts, 2 << 20, Duration::from_secs(2));

        assert_eq!(text, "1,000 records  2.00 MiB  1.00 MiB/s  498 in flight  2 failed");
    }
}
