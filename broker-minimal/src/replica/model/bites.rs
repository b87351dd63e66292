//! How often each thing happened, so that a run in which one of them never does is noticed.

use std::collections::BTreeMap;

/// The counts, by what happened.
#[derive(Debug, Default)]
pub(super) struct Bites(BTreeMap<&'static str, u64>);

/// Everything that has to happen.
const ALL: &[&str] = &[
    "acked",
    "timed out",
    "not leader",
    "too few replicas",
    "crashed",
    "restarted",
    "elected",
    "handed on",
    "fenced",
    "shrunk",
    "grown",
    "proposal lost",
    "answer lost",
    "ineligible",
    "lost",
    "repeated",
    "cut",
    "settling",
];

impl Bites {
    pub(super) fn count(&mut self, what: &'static str) {
        debug_assert!(ALL.contains(&what), "{what}");
        *self.0.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, more: &Self) {
        more.0.iter().for_each(|(what, count)| *self.0.entry(what).or_default() += count);
    }

    pub(super) fn all_happened(&self) -> bool {
        ALL.iter().all(|what| self.0.contains_key(what))
    }
}
