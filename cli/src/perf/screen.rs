//! Where the figures of a running measurement go: lines to stdout, and a line that is drawn anew on a terminal's stderr.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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

    /// Prints a line of progress. JSON is one object, at the end.
    pub fn print(&self, line: &str) -> Result<(), Failure> {
        match (self.shape, &self.progress) {
            (Shape::Json, _) => Ok(()),
            (_, Progress::Shown(bar)) => bar.suspend(|| print(line)),
            (_, Progress::Hidden | Progress::Due) => print(line),
        }
    }

    /// Draws how far the load is: so many records are settled.
    pub fn draw(&mut self, records: u64, elapsed: Duration, line: String) {
        if matches!(self.progress, Progress::Due) && elapsed >= SHOWN_AFTER {
            self.progress = Progress::Shown(bar(self.records, elapsed));
        }
        if let Progress::Shown(bar) = &self.progress {
            bar.set_position(records);
            bar.set_message(line);
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
