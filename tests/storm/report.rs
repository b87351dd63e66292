//! What a storm did, or what was broken in it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::faults::Fault;
use crate::history::Counts;
use crate::warnings::Counted;

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rounds: usize,
    /// By fault: its rounds, and how often it bit.
    faults: BTreeMap<Fault, (u32, u64)>,
    pub(crate) counts: Counts,
    fewest: Option<u64>,
    slowest: Option<(Duration, Fault)>,
    /// Bytes of replicas that were equal.
    pub(crate) equal: u64,
    /// What brokers, and our clients, warned of.
    pub(crate) warned: [Counted; 2],
}

impl Report {
    /// A round is over: how often its fault bit, when all was well after it, and how many acks there were.
    pub(crate) fn round(&mut self, fault: Fault, bites: u64, took: Duration, acked: u64) {
        self.rounds += 1;
        let tally = self.faults.entry(fault).or_default();
        *tally = (tally.0 + 1, tally.1 + bites);
        self.slowest = self.slowest.max(Some((took, fault)));
        self.fewest = Some(self.fewest.map_or(acked, |fewest| fewest.min(acked)));
        println!("round {}: {fault:?} bit {bites}, well again in {took:?}, {acked} acked", self.rounds);
    }

    /// Faults that came and never bit.
    pub(crate) fn never_bit(&self) -> Vec<Fault> {
        self.faults.iter().filter(|(_, (_, bites))| *bites == 0).map(|(fault, _)| *fault).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, acked, failed, read, rebalances, commits } = self.counts;
        let fewest = self.fewest.unwrap_or_default();
        writeln!(
            f,
            "{} rounds: {sent} records sent, {acked} acked ({fewest} a round at least), {failed} failed",
            self.rounds
        )?;
        writeln!(
            f,
            "groups read {read}, {rebalances} assignments and {commits} commits seen, {} bytes of replicas equal",
            self.equal
        )?;
        if let Some((took, fault)) = self.slowest {
            writeln!(f, "well again {took:?} after healing at the latest ({fault:?})")?;
        }
        for (fault, (rounds, bites)) in &self.faults {
            writeln!(f, "  {fault:?}: {rounds} rounds, bit {bites} times")?;
        }
        for (who, warned) in ["brokers", "clients"].iter().zip(&self.warned) {
            writeln!(f, "{who} warned:")?;
            for (message, times) in warned {
                writeln!(f, "  {times} times: {message}")?;
            }
        }
        Ok(())
    }
}

/// An invariant does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(pub(crate) String);

/// Why a storm ended before its time.
#[derive(Debug, thiserror::Error)]
#[error("round {round}, {fault:?}: {error}\nthe last events:\n  {}", last.join("\n  "))]
pub(crate) struct Broken {
    /// 0 is before the first.
    pub(crate) round: usize,
    pub(crate) fault: Option<Fault>,
    pub(crate) error: Box<dyn Error + Send + Sync>,
    pub(crate) last: Vec<String>,
}

impl Broken {
    /// Not the test's own trouble.
    pub(crate) fn is_violation(&self) -> bool {
        self.error.is::<Violation>()
    }
}
