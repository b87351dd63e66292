//! Reassignments of partitions (KIP-455): give a partition other replicas, see how far that is, and take it back.

use std::collections::HashMap;

use super::{Admin, partitions_by_topic, result, unanswered};
use crate::protocol::ErrorCode;
use crate::protocol::messages::alter_partition_reassignments::{
    ReassignablePartition, ReassignablePartitionResponse, ReassignableTopic,
};
use crate::protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsTopics, OngoingPartitionReassignment,
};
use crate::protocol::messages::{AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest};
use crate::{PerItem, Result, TopicPartition};

/// What is to become of a partition's replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reassignment {
    /// It gets these replicas, the preferred leader first. Another reassignment that is under way is replaced.
    To(Vec<i32>),
    /// The reassignment that is under way is taken back.
    Cancel,
}

/// Whether a reassignment may leave a partition with another number of replicas than it has (KIP-860).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplicationFactorChange {
    /// It may.
    #[default]
    Allowed,
    /// It is refused. Needs Kafka 4.0.
    Refused,
}

/// A reassignment that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All replicas at the moment, those that come and those that go included.
    pub replicas: Vec<i32>,
    /// Those that come, and are not in sync yet.
    pub adding: Vec<i32>,
    /// Those that go when the others are in sync.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Begins reassignments, or cancels them. The result says that the controller has begun; records are copied
    /// afterwards, and [`list_partition_reassignments`](Self::list_partition_reassignments) shows when that is done.
    /// Needs Kafka 2.4 (KIP-455).
    ///
    /// `INVALID_REPLICA_ASSIGNMENT` for brokers that do not exist or are named twice, `NO_REASSIGNMENT_IN_PROGRESS` where
    /// there is nothing to cancel, and `UnknownTopic` for what does not exist.
    ///
    /// ```no_run
    /// use kinglet::TopicPartition;
    /// use kinglet::admin::{Reassignment, ReplicationFactorChange};
    /// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
    /// let wanted = [(TopicPartition::new("orders", 0), Reassignment::To(vec![3, 1, 2]))];
    /// let admin = client.admin();
    /// for (at, result) in admin.alter_partition_reassignments(wanted, ReplicationFactorChange::Refused).await? {
    ///     println!("{at}: {result:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn alter_partition_reassignments(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, Reassignment)>,
        replication_factor: ReplicationFactorChange,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let (mut partitions, mut topics) = (Vec::new(), HashMap::<String, Vec<ReassignablePartition>>::new());
        for (at, reassignment) in wanted {
            let replicas = match reassignment {
                Reassignment::To(replicas) => Some(replicas),
                Reassignment::Cancel => None,
            };
            let partition = ReassignablePartition { partition_index: at.partition, replicas };
            topics.entry(at.topic.to_string()).or_default().push(partition);
            partitions.push(at);
        }
        let topic = |(name, partitions)| ReassignableTopic { name, partitions };
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.core.request_timeout_ms(),
            allow_replication_factor_change: replication_factor == ReplicationFactorChange::Allowed,
            topics: topics.into_iter().map(topic).collect(),
        };
        let answer = self.change(&request, |r| r.error_code == ErrorCode::NOT_CONTROLLER).await?;
        result(answer.error_code, answer.error_message, "the reassignment", ())?;
        let outcome = |name: &str, partition: ReassignablePartitionResponse| {
            let at = TopicPartition::new(name, partition.partition_index);
            let outcome = result(partition.error_code, partition.error_message, &at.to_string(), ());
            (at.clone(), outcome.map_err(|error| error.around(|c| c.topic_partition = Some(at))))
        };
        let mut answers: HashMap<TopicPartition, Result<()>> = HashMap::new();
        for topic in answer.responses {
            answers.extend(topic.partitions.into_iter().map(|partition| outcome(&topic.name, partition)));
        }
        let answer = |at: TopicPartition| {
            let answer = answers.remove(&at).unwrap_or_else(|| Err(unanswered(&at)));
            (at, answer)
        };
        Ok(partitions.into_iter().map(answer).collect())
    }

    /// The reassignments of these partitions that are under way. Partitions without one are not mentioned, whether they
    /// exist or not. Needs Kafka 2.4 (KIP-455).
    pub async fn list_partition_reassignments(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<Vec<(TopicPartition, PartitionReassignment)>> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let wire = |(topic, partition_indexes): (&str, Vec<i32>)| ListPartitionReassignmentsTopics {
            name: topic.to_owned(),
            partition_indexes,
        };
        self.ongoing(Some(partitions_by_topic(&partitions).into_iter().map(wire).collect())).await
    }

    /// All reassignments that are under way. Needs Kafka 2.4 (KIP-455).
    pub async fn list_all_partition_reassignments(
        &self,
    ) -> Result<Vec<(TopicPartition, PartitionReassignment)>> {
        self.ongoing(None).await
    }

    async fn ongoing(
        &self,
        topics: Option<Vec<ListPartitionReassignmentsTopics>>,
    ) -> Result<Vec<(TopicPartition, PartitionReassignment)>> {
        let request =
            ListPartitionReassignmentsRequest { timeout_ms: self.core.request_timeout_ms(), topics };
        let answer = self.change(&request, |r| r.error_code == ErrorCode::NOT_CONTROLLER).await?;
        // A topic that is not there is being reassigned as little as one that lies still.
        if answer.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            result(answer.error_code, answer.error_message, "the reassignments", ())?;
        }
        let ongoing = |name: &str, partition: OngoingPartitionReassignment| {
            let reassignment = PartitionReassignment {
                replicas: partition.replicas,
                adding: partition.adding_replicas,
                removing: partition.removing_replicas,
            };
            (TopicPartition::new(name, partition.partition_index), reassignment)
        };
        let mut found = Vec::new();
        for topic in answer.topics {
            found.extend(topic.partitions.into_iter().map(|partition| ongoing(&topic.name, partition)));
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }
}
