//! Tables of what was found, and what is wrong with it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use super::crowd::Passers;

/// A good client may be slowed by less than this.
const SLOWED: f64 = 2.0;
/// Whoever opens fewer than that of what is to be opened has not measured it.
const OPENED: f64 = 0.95;

/// All rounds of all brokers.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(super) rounds: Vec<Round>,
}

/// What happens besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// Nothing.
    Alone,
    /// The silent ones come.
    Opening,
    /// They are there.
    Held,
    /// They are there, and others come and go.
    Passing,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Latency {
    count: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

/// A phase of a round.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    pub(super) phase: Phase,
    pub(super) seconds: f64,
    /// Processors that the broker has used.
    pub(super) broker_cpu: f64,
    pub(super) rss_bytes: u64,
    pub(super) produce: Latency,
    pub(super) end_to_end: Latency,
}

/// A round at one broker.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Round {
    pub(super) broker: &'static str,
    pub(super) is_judged: bool,
    pub(super) idle: u32,
    /// So many a second were to come and go.
    pub(super) opens: u32,
    pub(super) phases: Vec<Measured>,
    pub(super) bytes_per_connection: u64,
    pub(super) rss_before: u64,
    pub(super) rss_after: u64,
    /// Before, while they are held, and when all are gone.
    pub(super) fds: [usize; 3],
    pub(super) are_fds_back: bool,
    pub(super) passers: Passers,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Alone, Self::Opening, Self::Held, Self::Passing];

    fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Opening => "idle ones come",
            Self::Held => "idle ones are held",
            Self::Passing => "and others come and go",
        }
    }
}

impl Latency {
    pub(super) fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |share: usize| {
            let index = (samples.len() * share / 100).min(samples.len().saturating_sub(1));
            samples.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
        };
        Self { count: samples.len(), p50: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (produce, end_to_end) = (&self.produce, &self.end_to_end);
        write!(
            f,
            "{}: {:.1} s, produce p50 {:.0} p99 {:.0} max {:.0} µs, end to end p50 {:.0} p99 {:.0} µs, CPU {:.2}, {:.1} MB",
            self.phase.name(),
            self.seconds,
            produce.p50,
            produce.p99,
            produce.max,
            end_to_end.p50,
            end_to_end.p99,
            self.broker_cpu,
            megabytes(self.rss_bytes)
        )
    }
}

impl Findings {
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for broker in self.brokers() {
            let rounds = self.rounds_of(broker);
            text.push_str(&format!("{broker}, medians of {}:\n\n{}\n", rounds.len(), phases(&rounds)));
            text.push_str(&format!("\n{}\n", costs(&rounds)));
        }
        text
    }

    /// What must not be, at brokers that are judged.
    pub(crate) fn faults(&self, are_latencies_judged: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for broker in self.brokers() {
            let rounds: Vec<&Round> =
                self.rounds_of(broker).into_iter().filter(|round| round.is_judged).collect();
            for round in &rounds {
                faults.extend(round.faults().into_iter().map(|fault| format!("{broker}: {fault}")));
            }
            if !rounds.is_empty() && are_latencies_judged {
                faults.extend(slowed(&rounds).into_iter().map(|fault| format!("{broker}: {fault}")));
            }
        }
        faults
    }

    fn brokers(&self) -> Vec<&'static str> {
        let mut brokers: Vec<_> = self.rounds.iter().map(|round| round.broker).collect();
        brokers.dedup();
        brokers
    }

    fn rounds_of(&self, broker: &str) -> Vec<&Round> {
        self.rounds.iter().filter(|round| round.broker == broker).collect()
    }
}

impl Round {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let [before, _, after] = self.fds;
        if !self.are_fds_back {
            faults.push(format!("{before} descriptors before and {after} after all had left"));
        }
        let passers = &self.passers;
        if let Some(first) = passers.failed.first() {
            let count = passers.failed.len();
            faults.push(format!("{count} of {} who came and went failed: {first}", passers.opened));
        }
        faults
    }

    fn measured(&self, phase: Phase) -> Option<&Measured> {
        self.phases.iter().find(|measured| measured.phase == phase)
    }
}

/// Who was slowed too much while others were there.
fn slowed(rounds: &[&Round]) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(round) =
        rounds.iter().find(|round| round.passers.per_second < OPENED * f64::from(round.opens))
    {
        faults.push(format!("only {:.0} of {} a second could come", round.passers.per_second, round.opens));
    }
    for phase in [Phase::Held, Phase::Passing] {
        type Of = fn(&Measured) -> f64;
        let kinds: [(&str, Of); 2] = [
            ("produce", |measured| measured.produce.p99),
            ("end to end", |measured| measured.end_to_end.p99),
        ];
        for (what, of) in kinds {
            let (alone, there) = (median(rounds, Phase::Alone, of), median(rounds, phase, of));
            // Not a number is slow, too.
            if there.is_nan() || there >= SLOWED * alone {
                faults.push(format!("{what}, {}: p99 {there:.0} µs, {alone:.0} alone", phase.name()));
            }
        }
    }
    faults
}

fn phases(rounds: &[&Round]) -> String {
    let mut table = Builder::default();
    table.push_record([
        "besides the good client",
        "produce p50 µs",
        "p99",
        "× alone",
        "end to end p50 µs",
        "p99",
        "× alone",
        "broker's processors",
        "RSS MB",
    ]);
    for phase in Phase::ALL {
        let of = |value: fn(&Measured) -> f64| median(rounds, phase, value);
        let times = |value: fn(&Measured) -> f64| of(value) / median(rounds, Phase::Alone, value);
        table.push_record([
            phase.name().to_owned(),
            format!("{:.0}", of(|m| m.produce.p50)),
            format!("{:.0}", of(|m| m.produce.p99)),
            format!("{:.2}", times(|m| m.produce.p99)),
            format!("{:.0}", of(|m| m.end_to_end.p50)),
            format!("{:.0}", of(|m| m.end_to_end.p99)),
            format!("{:.2}", times(|m| m.end_to_end.p99)),
            format!("{:.2}", of(|m| m.broker_cpu)),
            format!("{:.1}", of(|m| megabytes(m.rss_bytes))),
        ]);
    }
    table.build().with(Style::markdown()).to_string()
}

/// A line for each round: memory comes back to be used again, so the first one tells most.
fn costs(rounds: &[&Round]) -> String {
    let mut table = Builder::default();
    table.push_record([
        "idle",
        "bytes each",
        "RSS MB before",
        "after",
        "descriptors before",
        "held",
        "after",
        "come and gone",
        "a second",
        "failed",
        "to an answer p50 µs",
        "p99",
    ]);
    for round in rounds {
        let passers = &round.passers;
        let mut row = vec![
            round.idle.to_string(),
            round.bytes_per_connection.to_string(),
            format!("{:.1}", megabytes(round.rss_before)),
            format!("{:.1}", megabytes(round.rss_after)),
        ];
        row.extend(round.fds.iter().map(usize::to_string));
        row.extend([
            format!("{} + {} silent", passers.answered, passers.silent),
            format!("{:.0}", passers.per_second),
            passers.failed.len().to_string(),
            format!("{:.0}", passers.hello.p50),
            format!("{:.0}", passers.hello.p99),
        ]);
        table.push_record(row);
    }
    table.build().with(Style::markdown()).to_string()
}

fn median(rounds: &[&Round], phase: Phase, value: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> =
        rounds.iter().filter_map(|round| round.measured(phase)).map(value).filter(|v| !v.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn megabytes(bytes: u64) -> f64 {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kib) * 1024.0 / 1e6
}
