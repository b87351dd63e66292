//! How often each thing happened, so that a run in which one of them never does is noticed.

use std::collections::BTreeMap;

/// The counts, by what happened.
#[derive(Debug, Default)]
pub(super) struct Bites(BTreeMap<&'static str, u64>);

/// What is done to the cluster, and what clients see: it comes up in every run.
const FAULTS: &[&str] = &[
    "killed",
    "power cut",
    "emptied",
    "stopped",
    "started",
    "paused",
    "isolated",
    "clock forward",
    "clock back",
    "lost",
    "repeated",
    "late",
    "reset",
    "acked",
    "read",
    "timed out",
    "not leader",
    "too few replicas",
    "duplicate",
    "epoch refused",
    "settling",
];

/// What comes of it: some of it is rare.
const RESULTS: &[&str] = &[
    "elected",
    "eligible led",
    "fenced",
    "missed",
    "shrunk",
    "grown",
    "ineligible",
    "cut",
    "out of order",
    "controller",
    "not controller",
    "stale",
    "gave up",
];

/// Runs that are enough for everything that is rare.
const MANY: u64 = 1000;

impl Bites {
    pub(super) fn count(&mut self, what: &'static str) {
        debug_assert!(FAULTS.contains(&what) || RESULTS.contains(&what) || what == "steps", "{what}");
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, more: &Self) {
        more.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }

    /// What never happened in so many runs.
    pub(super) fn missing(&self, runs: u64) -> Vec<&'static str> {
        let results = RESULTS.iter().filter(|_| runs >= MANY);
        FAULTS.iter().chain(results).copied().filter(|what| !self.0.contains_key(what)).collect()
    }
}
