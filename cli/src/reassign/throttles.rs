//! The throttles that go with reassignments, as Kafka's tool sets and removes them: rates at brokers, and at topics the
//! replicas that they hold for.

use std::collections::{BTreeMap, BTreeSet};

use kinglet::TopicPartition;
use kinglet::admin::{ConfigChange, ConfigResource, PartitionReassignment};

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LOG_DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

/// Changes for one call.
pub type Changes = Vec<(ConfigResource, Vec<ConfigChange>)>;

/// From which brokers a partition is copied, and to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Move {
    sources: BTreeSet<i32>,
    destinations: BTreeSet<i32>,
}

/// All partitions that move, with what is under way already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves(BTreeMap<TopicPartition, Move>);

impl Moves {
    /// What moves when partitions get the proposed replicas. One that is moving already is copied from where it was
    /// before that.
    pub fn new(
        ongoing: &[(TopicPartition, PartitionReassignment)],
        proposed: &[(TopicPartition, Vec<i32>)],
        current: &BTreeMap<TopicPartition, Vec<i32>>,
    ) -> Self {
        let mut moves = BTreeMap::new();
        for (at, reassignment) in ongoing {
            let destinations: BTreeSet<i32> = reassignment.adding.iter().copied().collect();
            let sources =
                reassignment.replicas.iter().copied().filter(|id| !destinations.contains(id)).collect();
            moves.insert(at.clone(), Move { sources, destinations });
        }
        for (at, replicas) in proposed {
            let one: &mut Move = moves.entry(at.clone()).or_insert_with(|| {
                let sources = current.get(at).into_iter().flatten().copied().collect();
                Move { sources, destinations: BTreeSet::new() }
            });
            one.destinations = replicas.iter().copied().filter(|id| !one.sources.contains(id)).collect();
        }
        Self(moves)
    }

    /// The replicas for which the rates hold, at their topics.
    pub fn at_topics(&self) -> Changes {
        // Sorted as text: that is how Kafka's tool has them.
        let mut topics: BTreeMap<&str, [BTreeSet<String>; 2]> = BTreeMap::new();
        for (at, one) in &self.0 {
            let [leaders, followers] = topics.entry(&at.topic).or_default();
            leaders.extend(one.sources.iter().map(|id| format!("{}:{id}", at.partition)));
            followers.extend(one.destinations.iter().map(|id| format!("{}:{id}", at.partition)));
        }
        let set = |key: &str, replicas: BTreeSet<String>| {
            ConfigChange::Set(key.to_owned(), replicas.into_iter().collect::<Vec<_>>().join(","))
        };
        let changes = |(topic, [leaders, followers]): (&str, [BTreeSet<String>; 2])| {
            let changes = vec![set(LEADER_REPLICAS, leaders), set(FOLLOWER_REPLICAS, followers)];
            (ConfigResource::Topic(topic.to_owned()), changes)
        };
        topics.into_iter().map(changes).collect()
    }

    /// The rate at all brokers that take part.
    pub fn at_brokers(&self, rate: i64) -> Changes {
        let all = self.0.values().flat_map(|one| one.sources.iter().chain(&one.destinations));
        let brokers: BTreeSet<i32> = all.copied().collect();
        let rates =
            [LEADER_RATE, FOLLOWER_RATE].map(|key| ConfigChange::Set(key.to_owned(), rate.to_string()));
        brokers.into_iter().map(|id| (ConfigResource::Broker(id), rates.to_vec())).collect()
    }
}

/// The rate of moves between log directories.
pub fn log_dirs(brokers: BTreeSet<i32>, rate: i64) -> Changes {
    let set = ConfigChange::Set(LOG_DIRS_RATE.to_owned(), rate.to_string());
    brokers.into_iter().map(|id| (ConfigResource::Broker(id), vec![set.clone()])).collect()
}

/// No rates any more.
pub fn cleared_at_brokers(brokers: &BTreeSet<i32>) -> Changes {
    let deleted = [LEADER_RATE, FOLLOWER_RATE, LOG_DIRS_RATE].map(|key| ConfigChange::Delete(key.to_owned()));
    brokers.iter().map(|id| (ConfigResource::Broker(*id), deleted.to_vec())).collect()
}

/// No replicas any more for which rates would hold.
pub fn cleared_at_topics(topics: &BTreeSet<String>) -> Changes {
    let deleted = [LEADER_REPLICAS, FOLLOWER_REPLICAS].map(|key| ConfigChange::Delete(key.to_owned()));
    topics.iter().map(|topic| (ConfigResource::Topic(topic.clone()), deleted.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn leaders_are_throttled_where_records_come_from_and_followers_where_they_go() {
        let current = BTreeMap::from([(at(2), vec![1, 2]), (at(10), vec![1])]);
        let proposed = [(at(2), vec![2, 3]), (at(10), vec![3])];

        let moves = Moves::new(&[], &proposed, &current);

        let [(topic, changes)] = &moves.at_topics()[..] else { panic!("one topic") };
        assert_eq!(*topic, ConfigResource::Topic("t".to_owned()));
        let set = |key: &str, value: &str| ConfigChange::Set(key.to_owned(), value.to_owned());
        assert_eq!(*changes, [set(LEADER_REPLICAS, "10:1,2:1,2:2"), set(FOLLOWER_REPLICAS, "10:3,2:3")]);
        let brokers: Vec<_> = moves.at_brokers(7).into_iter().map(|(broker, _)| broker).collect();
        assert_eq!(brokers, [1, 2, 3].map(ConfigResource::Broker));
    }

    #[test]
    fn a_partition_that_moves_already_comes_from_where_it_was() {
        let reassignment =
            PartitionReassignment { replicas: vec![1, 2, 3], adding: vec![3], removing: vec![1] };

        let moves = Moves::new(&[(at(0), reassignment)], &[(at(0), vec![4])], &BTreeMap::new());

        let (sources, destinations) = (BTreeSet::from([1, 2]), BTreeSet::from([4]));
        assert_eq!(moves.0[&at(0)], Move { sources, destinations });
    }
}
