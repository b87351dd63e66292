//! Replication that is held back (KIP-73): which replicas, and at which rate. Only what is not in sync is, so that a move of data leaves room for
//! the rest.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use super::quota::Quota;
use crate::config::{Config, list, replica};
use crate::meta::image::{Image, Topic};
use crate::shard::PartitionId;

/// What this broker holds back: as a leader, and as a follower.
#[derive(Debug)]
pub(crate) struct Throttles {
    pub(crate) leader: Throttle,
    pub(crate) follower: Throttle,
}

/// One side of it.
#[derive(Debug)]
pub(crate) struct Throttle {
    key: &'static str,
    replicas: RwLock<HashSet<PartitionId>>,
    quota: Mutex<Quota>,
}

impl Throttles {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            leader: Throttle::new("leader.replication.throttled.replicas", config.leader_throttle),
            follower: Throttle::new("follower.replication.throttled.replicas", config.follower_throttle),
        }
    }

    /// The rates have changed.
    pub(crate) fn set_rates(&self, config: &Config) {
        self.leader.quota().set(rate(config.leader_throttle));
        self.follower.quota().set(rate(config.follower_throttle));
    }

    /// Topics have changed.
    pub(crate) fn follow(&self, image: &Image, broker: i32) {
        self.leader.follow(image, broker);
        self.follower.follow(image, broker);
    }
}

impl Throttle {
    fn new(key: &'static str, bytes_per_second: i64) -> Self {
        Self { key, replicas: RwLock::default(), quota: Mutex::new(Quota::new(rate(bytes_per_second))) }
    }

    /// Whether nothing more of this replica may go now, if it is not in sync.
    pub(crate) fn holds(&self, id: PartitionId, now: Instant) -> bool {
        self.has(id) && self.quota().is_exceeded(now)
    }

    /// Bytes of these replicas have gone.
    pub(crate) fn record(&self, id: PartitionId, bytes: usize, now: Instant) {
        if bytes > 0 && self.has(id) {
            self.quota().record(u64::try_from(bytes).unwrap_or(u64::MAX), now);
        }
    }

    /// Whether this replica's rate is limited.
    pub(crate) fn has(&self, id: PartitionId) -> bool {
        self.replicas.read().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    fn follow(&self, image: &Image, broker: i32) {
        let named = image.topics.values().filter_map(|topic| Some((topic, topic.configs.get(self.key)?)));
        let ids: HashSet<PartitionId> =
            named.flat_map(|(topic, value)| throttled(topic, value, broker)).collect();
        *self.replicas.write().unwrap_or_else(PoisonError::into_inner) = ids;
    }

    fn quota(&self) -> MutexGuard<'_, Quota> {
        self.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rate(bytes_per_second: i64) -> u64 {
    u64::try_from(bytes_per_second).unwrap_or(u64::MAX)
}

/// The partitions of a topic of which the broker's replica is named.
fn throttled(topic: &Topic, value: &str, broker: i32) -> Vec<PartitionId> {
    let id = |index| PartitionId { topic: topic.id, index };
    if value.trim() == "*" {
        return (0..).zip(&topic.partitions).map(|(index, _)| id(index)).collect();
    }
    let named = list(value).filter_map(replica).filter(|(_, of)| *of == broker);
    named.map(|(index, _)| id(index)).collect()
}
