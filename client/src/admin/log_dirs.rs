//! Log directories of brokers (KIP-113): what lies in them, how large it is, and which replica is to move.

use std::collections::{BTreeMap, HashMap};

use super::{Admin, result};
use crate::client::Target;
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use crate::protocol::messages::describe_log_dirs::DescribeLogDirsResult;
use crate::protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use crate::{Error, ErrorKind, PerItem, Result, TopicPartition};

/// One log directory of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Its path at the broker.
    pub path: String,
    /// Why it cannot be used: `KAFKA_STORAGE_ERROR` when it is offline.
    pub error: Option<ErrorCode>,
    /// The size of its volume in bytes (KIP-827); `None` from brokers before 3.3.
    pub total_bytes: Option<i64>,
    /// The bytes of its volume that are free.
    pub usable_bytes: Option<i64>,
    /// Whether no new replicas are placed there (KIP-1066).
    pub is_cordoned: bool,
    /// What lies in it, in the order of the answer.
    pub replicas: Vec<LogDirReplica>,
}

/// A replica in a log directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirReplica {
    /// Of which partition.
    pub partition: TopicPartition,
    /// Its segments in bytes.
    pub size: i64,
    /// How far it is behind: behind the high watermark, or a future replica behind the current one.
    pub offset_lag: i64,
    /// Whether it is a copy that will take the place of the one in another directory.
    pub is_future: bool,
}

/// One replica of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionReplica {
    /// Of which partition.
    pub partition: TopicPartition,
    /// The broker that has it.
    pub broker: i32,
}

impl std::fmt::Display for PartitionReplica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on broker {}", self.partition, self.broker)
    }
}

impl Admin {
    /// The log directories of these brokers and all that lies in them. Needs Kafka 1.0 (KIP-113).
    pub async fn describe_log_dirs(
        &self,
        brokers: impl IntoIterator<Item = i32>,
    ) -> Result<PerItem<i32, Vec<LogDirDescription>>> {
        let mut out = Vec::new();
        for broker in brokers {
            out.push((broker, self.log_dirs_of(broker).await));
        }
        Ok(out)
    }

    async fn log_dirs_of(&self, broker: i32) -> Result<Vec<LogDirDescription>> {
        let request = DescribeLogDirsRequest { topics: None };
        let answer = self.core.request(&request, &Target::Broker(broker)).await?;
        let dirs = answer.results.into_iter().map(described).collect();
        result(answer.error_code, None, &format!("the log directories of broker {broker}"), dirs)
    }

    /// Has replicas moved to other log directories of their brokers, given by path. The result says that the broker
    /// copies; until it is done, [`describe_log_dirs`](Self::describe_log_dirs) shows a future replica. Needs Kafka 1.0
    /// (KIP-113).
    ///
    /// `REPLICA_NOT_AVAILABLE` where the broker has no such replica: it will be placed there if it comes.
    /// `LOG_DIR_NOT_FOUND` for a path that is none of the broker's.
    pub async fn alter_replica_log_dirs(
        &self,
        moves: impl IntoIterator<Item = (PartitionReplica, String)>,
    ) -> Result<PerItem<PartitionReplica, ()>> {
        let moves: Vec<(PartitionReplica, String)> = moves.into_iter().collect();
        let mut brokers: BTreeMap<i32, Vec<&(PartitionReplica, String)>> = BTreeMap::new();
        for one in &moves {
            brokers.entry(one.0.broker).or_default().push(one);
        }
        let mut answers: HashMap<PartitionReplica, Result<()>> = HashMap::new();
        for (broker, moves) in brokers {
            let request = AlterReplicaLogDirsRequest { dirs: dirs(&moves) };
            match self.core.request(&request, &Target::Broker(broker)).await {
                Ok(answer) => {
                    for topic in answer.results {
                        for p in topic.partitions {
                            let partition = TopicPartition::new(&*topic.topic_name, p.partition_index);
                            let replica = PartitionReplica { partition, broker };
                            let outcome = result(p.error_code, None, &replica.to_string(), ());
                            answers.insert(replica, outcome);
                        }
                    }
                }
                Err(error) => {
                    answers.extend(moves.iter().map(|(replica, _)| (replica.clone(), Err(error.clone()))));
                }
            }
        }
        let answer = |(replica, _): (PartitionReplica, String)| {
            let answer = answers.remove(&replica).unwrap_or_else(|| {
                Err(Error::new(
                    ErrorKind::Protocol,
                    format!("the broker's answer does not mention {replica}"),
                ))
            });
            (replica, answer)
        };
        Ok(moves.into_iter().map(answer).collect())
    }
}

fn described(dir: DescribeLogDirsResult) -> LogDirDescription {
    let mut replicas = Vec::new();
    for topic in dir.topics {
        replicas.extend(topic.partitions.into_iter().map(|p| LogDirReplica {
            partition: TopicPartition::new(&*topic.name, p.partition_index),
            size: p.partition_size,
            offset_lag: p.offset_lag,
            is_future: p.is_future_key,
        }));
    }
    let known = |bytes: i64| (bytes >= 0).then_some(bytes);
    LogDirDescription {
        path: dir.log_dir,
        error: dir.error_code.ok().err(),
        total_bytes: known(dir.total_bytes),
        usable_bytes: known(dir.usable_bytes),
        is_cordoned: dir.is_cordoned,
        replicas,
    }
}

fn dirs(moves: &[&(PartitionReplica, String)]) -> Vec<AlterReplicaLogDir> {
    let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
    for (replica, path) in moves {
        let topics = dirs.entry(path).or_default();
        topics.entry(&replica.partition.topic).or_default().push(replica.partition.partition);
    }
    let topic =
        |(name, partitions): (&str, Vec<i32>)| AlterReplicaLogDirTopic { name: name.to_owned(), partitions };
    let dir = |(path, topics): (&str, BTreeMap<&str, Vec<i32>>)| AlterReplicaLogDir {
        path: path.to_owned(),
        topics: topics.into_iter().map(topic).collect(),
    };
    dirs.into_iter().map(dir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsTopic};

    #[test]
    fn sizes_of_volumes_are_none_where_the_broker_does_not_say_them() {
        let partition = DescribeLogDirsPartition {
            partition_index: 1,
            partition_size: 7,
            offset_lag: 2,
            is_future_key: true,
        };
        let topic = DescribeLogDirsTopic { name: "t".into(), partitions: vec![partition] };
        let old = described(DescribeLogDirsResult {
            log_dir: "/d".into(),
            topics: vec![topic],
            ..Default::default()
        });
        let offline = described(DescribeLogDirsResult {
            error_code: ErrorCode::KAFKA_STORAGE_ERROR,
            total_bytes: 9,
            usable_bytes: 0,
            ..Default::default()
        });

        assert_eq!((old.error, old.total_bytes, old.usable_bytes), (None, None, None));
        assert_eq!(old.replicas[0].partition, TopicPartition::new("t", 1));
        assert_eq!(
            (old.replicas[0].size, old.replicas[0].offset_lag, old.replicas[0].is_future),
            (7, 2, true)
        );
        assert_eq!(offline.error, Some(ErrorCode::KAFKA_STORAGE_ERROR));
        assert_eq!((offline.total_bytes, offline.usable_bytes), (Some(9), Some(0)));
    }

    #[test]
    fn moves_go_by_directory_and_topic() {
        let one = |topic: &str, partition, path: &str| {
            (
                PartitionReplica { partition: TopicPartition::new(topic, partition), broker: 1 },
                path.to_owned(),
            )
        };
        let moves = [one("t", 0, "/a"), one("u", 0, "/b"), one("t", 1, "/a")];

        let dirs = dirs(&moves.iter().collect::<Vec<_>>());

        let shown: Vec<_> =
            dirs.iter().map(|dir| (&*dir.path, &*dir.topics[0].name, &*dir.topics[0].partitions)).collect();
        assert_eq!(shown, [("/a", "t", &[0, 1][..]), ("/b", "u", &[0])]);
    }
}
