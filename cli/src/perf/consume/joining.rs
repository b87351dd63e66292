//! How long a member of a group waited for partitions: pure. Times are those since the measurement began.

use std::collections::HashSet;
use std::time::Duration;

use kinglet::TopicPartition;

/// The waits, which are those while nothing is assigned.
#[derive(Debug, Default)]
pub struct Joining {
    /// When the wait began that goes on, or would if anything were taken away.
    began: Duration,
    assigned: HashSet<TopicPartition>,
    total: Duration,
    round: Duration,
    count: u64,
}

impl Joining {
    /// These partitions came.
    pub fn assigned(&mut self, now: Duration, partitions: &[TopicPartition]) {
        if self.assigned.is_empty() {
            let waited = now.saturating_sub(self.began);
            self.total += waited;
            self.round += waited;
            self.count += 1;
        }
        self.assigned.extend(partitions.iter().cloned());
    }

    /// These partitions went.
    pub fn revoked(&mut self, now: Duration, partitions: &[TopicPartition]) {
        for at in partitions {
            self.assigned.remove(at);
        }
        if self.assigned.is_empty() {
            self.began = now;
        }
    }

    /// All waits that are over.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// How many are over.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Those that ended since this was asked last.
    pub fn take_round(&mut self) -> Duration {
        std::mem::take(&mut self.round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn only_time_without_any_partition_is_a_wait() {
        let [a, b] = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let mut joining = Joining::default();

        joining.assigned(at(300), std::slice::from_ref(&a));
        joining.assigned(at(400), std::slice::from_ref(&b));
        assert_eq!((joining.take_round(), joining.take_round(), joining.total()), (at(300), at(0), at(300)));
        joining.revoked(at(500), std::slice::from_ref(&a));
        joining.assigned(at(700), std::slice::from_ref(&a));
        joining.revoked(at(1_000), &[a.clone(), b.clone()]);
        joining.assigned(at(1_050), &[a, b]);

        assert_eq!((joining.take_round(), joining.total(), joining.count()), (at(50), at(350), 2));
    }
}
