//! What a producer was told of its records, and when.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::PARTITIONS;

/// A time of the machine's clock, which all its processes read: since 1970.
pub(super) type Moment = Duration;

/// Now.
pub(super) fn now() -> Moment {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A record that was acked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) number: u64,
    pub(super) offset: i64,
    pub(super) at: Moment,
}

/// All of a producer so far; a clone is another handle of the same.
#[derive(Debug, Clone)]
pub(super) struct Acks(Arc<Mutex<All>>);

#[derive(Debug)]
struct All {
    /// By partition, in the order of their acks.
    acked: Vec<Vec<Ack>>,
    failed: Vec<String>,
}

/// Records that failed, and the first failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failures {
    count: usize,
    first: Option<String>,
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.first {
            None => f.write_str("none failed"),
            Some(first) => write!(f, "{} failed: {first}", self.count),
        }
    }
}

impl Acks {
    pub(super) fn new() -> Self {
        let acked = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self(Arc::new(Mutex::new(All { acked, failed: Vec::new() })))
    }

    pub(super) fn acked(&self, partition: usize, ack: Ack) {
        if let Some(acks) = self.lock().acked.get_mut(partition) {
            acks.push(ack);
        }
    }

    pub(super) fn failed(&self, error: String) {
        self.lock().failed.push(error);
    }

    pub(super) fn failures(&self) -> Failures {
        let all = self.lock();
        Failures { count: all.failed.len(), first: all.failed.first().cloned() }
    }

    /// By partition.
    pub(super) fn all(&self) -> Vec<Vec<Ack>> {
        self.lock().acked.clone()
    }

    /// Whether every partition was acked something since then.
    pub(super) fn flow_since(&self, since: Moment) -> bool {
        self.lock().acked.iter().all(|acks| acks.last().is_some_and(|last| last.at >= since))
    }

    /// By partition the longest time without an ack that ended between two moments, or had not at the later one.
    pub(super) fn longest_gaps(&self, from: Moment, to: Moment) -> Vec<Duration> {
        self.lock().acked.iter().map(|acks| longest_gap(acks, from, to)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn longest_gap(acks: &[Ack], from: Moment, to: Moment) -> Duration {
    let after = acks.partition_point(|ack| ack.at <= from);
    let before = after.checked_sub(1).and_then(|last| acks.get(last)).map_or(from, |ack| ack.at);
    let within = acks.iter().skip(after).map(|ack| ack.at).take_while(|at| *at <= to);
    let (mut last, mut longest) = (before, Duration::ZERO);
    for at in within.chain([to]) {
        longest = longest.max(at.saturating_sub(last));
        last = at;
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acks(at: &[u64]) -> Vec<Ack> {
        at.iter().map(|at| Ack { number: 0, offset: 0, at: Duration::from_millis(*at) }).collect()
    }

    #[test]
    fn a_gap_counts_from_the_last_ack_before_to_the_first_one_after() {
        let gap = |at: &[u64], from, to| {
            longest_gap(&acks(at), Duration::from_millis(from), Duration::from_millis(to)).as_millis()
        };
        assert_eq!(gap(&[10, 20, 90, 100], 25, 110), 70);
        assert_eq!(gap(&[10, 20, 90, 100], 95, 105), 10);
        // What goes on without an ack at the end counts so far.
        assert_eq!(gap(&[10, 20], 25, 110), 90);
        assert_eq!(gap(&[], 25, 110), 85);
    }
}
