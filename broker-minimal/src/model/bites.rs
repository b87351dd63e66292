//! How often each thing happened, so that a run in which one of them never does is noticed.

use std::collections::BTreeMap;

/// The counts, by what happened.
#[derive(Debug, Default)]
pub(super) struct Bites(BTreeMap<&'static str, u64>);

/// Everything that has to happen.
const ALL: &[&str] = &[
    // What clients are told.
    "acked",
    "timed out",
    "not leader",
    "too few replicas",
    "duplicate",
    "out of order",
    "epoch refused",
    "settling",
    "read",
    // What happens to processes and clocks.
    "killed",
    "power cut",
    "emptied",
    "stopped",
    "started",
    "paused",
    "isolated",
    "clock forward",
    "clock back",
    // What happens to messages.
    "lost",
    "repeated",
    "late",
    "reset",
    // What comes of it.
    "elected",
    "fenced",
    "missed",
    "shrunk",
    "grown",
    "ineligible",
    "eligible led",
    "cut",
    "controller",
    "stale",
    "not controller",
    "gave up",
];

impl Bites {
    pub(super) fn count(&mut self, what: &'static str) {
        debug_assert!(ALL.contains(&what) || what == "steps", "{what}");
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, more: &Self) {
        more.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }

    /// What never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        ALL.iter().copied().filter(|what| !self.0.contains_key(what)).collect()
    }
}
