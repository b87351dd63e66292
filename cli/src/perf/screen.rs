//! Where the figures of a running measurement go: lines to stdout, and a line that is drawn anew on a terminal's stderr.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::report::{self, Scope};
use super::stats::{Tally, Window};
use crate::error::Failure;
use crate::output::{Shape, print};

/// What is over sooner needs no progress.
const SHOWN_AFTER: Duration = Duration::from_millis(500);

/// Shows what happens while it happens.
#[derive(Debug)]
pub struct Screen {
    shape: Shape,
    records: u64,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Nobody watches.
    Hidden,
    /// Not yet.
    Due,
    Shown(ProgressBar),
}

impl Screen {
    /// For a load of so many records.
    pub fn new(shape: Shape, records: u64) -> Self {
        let progress = if stderr().is_terminal() { Progress::Due } else { Progress::Hidden };
        Self { shape, records, progress }
    }

    /// Whether somebody watches a terminal.
    pub fn is_watched(&self) -> bool {
        !matches!(self.progress, Progress::Hidden)
    }

    /// Prints the line of a window. JSON is one object, at the end.
    pub fn window(&self, window: &Window, scope: Scope) -> Result<(), Failure> {
        match (self.shape, &self.progress) {
            (Shape::Json, _) => Ok(()),
            (_, Progress::Shown(bar)) => bar.suspend(|| print(&report::window(window, scope))),
            (_, Progress::Hidden | Progress::Due) => print(&report::window(window, scope)),
        }
    }

    /// Draws how far the load is.
    pub fn draw(&mut self, tally: &Tally, failed: u64, elapsed: Duration) {
        if matches!(self.progress, Progress::Due) && elapsed >= SHOWN_AFTER {
            self.progress = Progress::Shown(bar(self.records, elapsed));
        }
        if let Progress::Shown(bar) = &self.progress {
            bar.set_position(tally.records.saturating_add(failed));
            bar.set_message(line(tally, failed, elapsed));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Progress::Shown(bar) = &self.progress {
            bar.finish_and_clear();
        }
    }
}

fn bar(records: u64, elapsed: Duration) -> ProgressBar {
    let bar = ProgressBar::new(records).with_elapsed(elapsed);
    let style = ProgressStyle::with_template("{spinner} {elapsed} {percent}% {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn line(tally: &Tally, failed: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = tally.records.saturating_mul(1000) / millis;
    format!(
        "{} records  {}/s  {:.2} MB/s  {:.2} ms avg  {:.2} ms max  {} failed",
        HumanCount(tally.records),
        HumanCount(per_second),
        tally.mb_per_sec(elapsed),
        tally.latency_avg_ms(),
        tally.latency_max_ms(),
        HumanCount(failed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::stats::{Acked, Stats};

    #[test]
    fn the_line_tells_rate_and_latency_so_far() {
        let mut stats = Stats::new(Duration::ZERO, Duration::MAX);
        let latency = Duration::from_micros(1_500);
        stats.add(&Acked { at: Duration::ZERO, latency, records: 3_000, bytes: 3 << 20 });

        let text = line(&stats.tally(), 2, Duration::from_secs(2));

        assert_eq!(text, "3,000 records  1,500/s  1.50 MB/s  1.50 ms avg  1.50 ms max  2 failed");
    }
}
