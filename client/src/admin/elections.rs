//! Leaders of partitions: have the preferred or, when nobody is left in sync, any replica elected.

use std::collections::HashMap;

use super::{Admin, partitions_by_topic, result, unanswered};
use crate::protocol::ErrorCode;
use crate::protocol::messages::elect_leaders::{PartitionResult, TopicPartitions};
use crate::protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use crate::{PerItem, Result, TopicPartition};

/// Who is to be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionType {
    /// The first replica of the partition, if it is in sync (KIP-183).
    Preferred,
    /// Any replica that is alive, where there is no leader. Records that only others have are lost (KIP-460).
    Unclean,
}

impl ElectionType {
    fn wire(self) -> i8 {
        match self {
            Self::Preferred => 0,
            Self::Unclean => 1,
        }
    }
}

impl Admin {
    /// Has leaders of these partitions elected. The controller answers when it has decided; brokers hear of it a moment
    /// later. Needs Kafka 2.2 (KIP-183), unclean elections 2.4 (KIP-460).
    ///
    /// `ELECTION_NOT_NEEDED` where such a replica leads already, `PREFERRED_LEADER_NOT_AVAILABLE` or
    /// `ELIGIBLE_LEADERS_NOT_AVAILABLE` where none can lead, and `UnknownTopic` for what does not exist.
    ///
    /// ```no_run
    /// use kinglet::TopicPartition;
    /// use kinglet::admin::ElectionType;
    /// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
    /// let partitions = [TopicPartition::new("orders", 0)];
    /// for (at, result) in client.admin().elect_leaders(ElectionType::Preferred, partitions).await? {
    ///     println!("{at}: {result:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let wire =
            |(topic, partitions): (&str, Vec<i32>)| TopicPartitions { topic: topic.to_owned(), partitions };
        let topics = partitions_by_topic(&partitions).into_iter().map(wire).collect();
        let mut answers: HashMap<TopicPartition, Result<()>> =
            self.elect(election, Some(topics)).await?.into_iter().collect();
        let answer = |at: TopicPartition| {
            let answer = answers.remove(&at).unwrap_or_else(|| Err(unanswered(&at)));
            (at, answer)
        };
        Ok(partitions.into_iter().map(answer).collect())
    }

    /// As [`elect_leaders`](Self::elect_leaders), for all partitions of the cluster. Those that need no election are
    /// not mentioned, as far as the broker leaves them out (Kafka 2.4 and later do).
    pub async fn elect_all_leaders(&self, election: ElectionType) -> Result<PerItem<TopicPartition, ()>> {
        self.elect(election, None).await
    }

    async fn elect(
        &self,
        election: ElectionType,
        topic_partitions: Option<Vec<TopicPartitions>>,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let request = ElectLeadersRequest {
            election_type: election.wire(),
            topic_partitions,
            timeout_ms: self.core.request_timeout_ms(),
        };
        let answer = self.change(&request, is_refused).await?;
        result(answer.error_code, None, "the election", ())?;
        let topics = answer.replica_election_results.into_iter();
        Ok(topics
            .flat_map(|topic| topic.partition_result.into_iter().map(move |p| outcome(&topic.topic, p)))
            .collect())
    }
}

fn outcome(topic: &str, partition: PartitionResult) -> (TopicPartition, Result<()>) {
    let at = TopicPartition::new(topic, partition.partition_id);
    let outcome = result(partition.error_code, partition.error_message, &at.to_string(), ());
    (at.clone(), outcome.map_err(|error| error.around(|c| c.topic_partition = Some(at))))
}

/// Before version 1 only the partitions say that somebody else is the controller.
fn is_refused(answer: &ElectLeadersResponse) -> bool {
    let partitions = || answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    let mut codes = partitions().map(|partition| partition.error_code).chain([answer.error_code]);
    codes.any(|code| code == ErrorCode::NOT_CONTROLLER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::elect_leaders::ReplicaElectionResult;

    #[test]
    fn a_broker_that_is_no_controller_says_so_for_all_or_for_each_partition() {
        let no = ErrorCode::NOT_CONTROLLER;
        let partition = PartitionResult { error_code: no, ..Default::default() };
        let topic = ReplicaElectionResult { partition_result: vec![partition], ..Default::default() };
        let each = ElectLeadersResponse { replica_election_results: vec![topic], ..Default::default() };
        let all = ElectLeadersResponse { error_code: no, ..Default::default() };

        assert!(is_refused(&each) && is_refused(&all) && !is_refused(&ElectLeadersResponse::default()));
    }

    #[test]
    fn a_partition_s_outcome_carries_the_partition_and_the_broker_s_words() {
        let partition = PartitionResult {
            partition_id: 2,
            error_code: ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
            error_message: Some("it is away".into()),
        };

        let (at, outcome) = outcome("t", partition);

        let error = outcome.unwrap_err();
        assert_eq!(at, TopicPartition::new("t", 2));
        assert_eq!(
            (error.context().topic_partition.as_ref(), error.broker_message()),
            (Some(&at), Some("it is away"))
        );
    }
}
