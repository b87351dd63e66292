//! Time by the wall and by the processor.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::Fallible;

/// Runs from the end of the warm-up to the end of the flush, or to the last record.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    cpu_before: Duration,
}

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Fallible<Self> {
        Ok(Self { cpu_before: cpu()?, began: Instant::now() })
    }

    /// Seconds since, and seconds of processor time of all threads, user and system.
    pub fn stop(&self) -> Fallible<(f64, f64)> {
        let seconds = self.began.elapsed().as_secs_f64();
        Ok((seconds, (cpu()?.saturating_sub(self.cpu_before)).as_secs_f64()))
    }
}

fn cpu() -> Fallible<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}
