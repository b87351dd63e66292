//! Where a consumer's records go: counted, timed, and answered for.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Fallible, Latencies, Outcome, Pace, Reading, Stopwatch, Tally};

/// Takes the records of a [`Reading`].
#[derive(Debug)]
pub struct Reader {
    pace: Pace,
    warm_up: u64,
    end: u64,
    /// The record behind which something is to be done.
    stop: u64,
    tally: Tally,
    stopwatch: Option<Stopwatch>,
    outcome: Option<Outcome>,
    latencies: Latencies,
}

impl Reader {
    /// Before the first record.
    pub fn new(reading: &Reading) -> Self {
        Self {
            pace: reading.pace,
            warm_up: reading.warm_up,
            end: reading.warm_up + reading.records,
            stop: match reading.pace {
                Pace::Load => reading.warm_up,
                Pace::Single => 1,
            },
            tally: Tally::default(),
            stopwatch: None,
            outcome: None,
            latencies: Latencies::default(),
        }
    }

    /// Whether there are records to come.
    pub fn wants_more(&self) -> bool {
        self.outcome.is_none()
    }

    /// Takes a record's value.
    #[inline]
    pub fn take(&mut self, value: &[u8]) -> Fallible<()> {
        self.tally.add(value);
        if self.tally.count == self.stop { self.pass(value) } else { Ok(()) }
    }

    /// What was measured, once nothing more is wanted.
    pub fn outcome(self) -> Fallible<Outcome> {
        let outcome = self.outcome.ok_or("it has not read everything")?.with(self.latencies);
        Ok(Outcome { read: self.tally, ..outcome })
    }

    #[cold]
    fn pass(&mut self, value: &[u8]) -> Fallible<()> {
        let count = self.tally.count;
        if self.pace == Pace::Single {
            let took = took(value)?;
            if count > self.warm_up {
                self.latencies.add(took);
            }
        }
        if count == self.warm_up {
            self.stopwatch = Some(Stopwatch::start()?);
        }
        if count == self.end {
            let stopwatch = self.stopwatch.take().ok_or("there was no warm-up")?;
            self.outcome = Some(Outcome::new(stopwatch, 0, None)?);
        }
        self.stop = match self.pace {
            Pace::Load => self.end,
            Pace::Single => count + 1,
        };
        if self.pace == Pace::Single {
            let mut stdout = std::io::stdout();
            writeln!(stdout, "received {count}")?;
            stdout.flush()?;
        }
        Ok(())
    }
}

/// The machine has one clock for all its processes.
fn took(value: &[u8]) -> Fallible<Duration> {
    let sent = value.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or("a value without a time")?;
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.saturating_sub(Duration::from_nanos(sent)))
}
