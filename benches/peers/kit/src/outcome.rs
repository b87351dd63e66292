//! What a client answers, and how it ends.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::{Fallible, Latencies, Stopwatch, Tally, Task};

/// Whoever started the client has looked at its memory and killed it by then.
const LOOKED_AT_LIMIT: Duration = Duration::from_secs(60);

/// What was measured, on one line of standard output. Programs in other languages write the same fields.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Records that failed, those of the warm-up included.
    pub failed: u64,
    /// Why the first of them did.
    #[serde(default)]
    pub first_error: Option<String>,
    /// From the end of the warm-up to the end of the flush, or to the last record.
    pub seconds: f64,
    /// Processor time in between, of all threads.
    pub cpu_seconds: f64,
    /// The median of the records that were timed, in microseconds; 0 where none were.
    #[serde(default)]
    pub p50_us: f64,
    /// What one in a hundred of them exceeded.
    #[serde(default)]
    pub p99_us: f64,
    /// What a consumer has read, its warm-up included.
    #[serde(default)]
    pub read: Tally,
}

impl Outcome {
    /// When the last record is delivered.
    pub fn new(stopwatch: Stopwatch, failed: u64, first_error: Option<String>) -> Fallible<Self> {
        let (seconds, cpu_seconds) = stopwatch.stop()?;
        Ok(Self { failed, first_error, seconds, cpu_seconds, ..Self::default() })
    }

    /// With the records that were timed.
    #[must_use]
    pub fn with(mut self, mut latencies: Latencies) -> Self {
        self.p50_us = latencies.micros_at(500);
        self.p99_us = latencies.micros_at(990);
        self
    }
}

/// A client's `main`: reads its arguments, has the task carried out, answers, waits.
pub fn run(work: impl FnOnce(Task) -> Fallible<Outcome>) -> ExitCode {
    match work(Task::parse()).and_then(answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(outcome: Outcome) -> Fallible<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", serde_json::to_string(&outcome)?)?;
    stdout.flush()?;
    std::thread::sleep(LOOKED_AT_LIMIT);
    Ok(())
}
