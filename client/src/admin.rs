//! Administration: one file a noun. Results come in the order of the question, one for each thing asked about.

mod cluster;
mod configs;
mod defaults;
mod elections;
mod groups;
mod log_dirs;
pub(crate) mod offsets;
mod quorum;
mod reassignments;
mod records;
mod topics;

use std::collections::HashMap;
use std::sync::Arc;

use crate::client::{Core, Target};
use crate::protocol::{ErrorCode, Request};
use crate::{Error, ErrorKind, Result, TopicPartition, rng};

pub use cluster::{BrokerInfo, ClusterDescription};
pub use configs::{ConfigChange, ConfigEntry, ConfigKind, ConfigResource, ConfigSource, ConfigSynonym};
pub use elections::ElectionType;
pub use groups::{
    GroupDescription, GroupFilter, GroupListing, GroupMember, GroupOffsets, GroupState, GroupType,
    MemberToRemove,
};
pub use log_dirs::{LogDirDescription, LogDirReplica, PartitionReplica};
pub use offsets::OffsetInfo;
pub use quorum::{QuorumDescription, QuorumEndpoint, QuorumNode, QuorumReplica};
pub use reassignments::{PartitionReassignment, Reassignment, ReplicationFactorChange};
pub use topics::{NewPartitions, NewTopic, PartitionDescription, TopicDescription, TopicInfo, TopicListing};

/// How often the controller is looked up.
const ROUNDS: u32 = 5;

/// Asks and changes what is not records: topics, configurations, offsets, groups, the cluster.
///
/// Every call is bounded by `default.api.timeout.ms`. The outer error means that the question itself failed; each
/// thing asked about has a result of its own.
///
/// A call that is dropped before it is ready was carried out or not, and is in nobody's way.
///
/// ```no_run
/// use kinglet::admin::NewTopic;
/// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
/// let topic = NewTopic::new("orders", 6, 3).config("retention.ms", "604800000");
/// for (name, result) in client.admin().create_topics([topic]).await? {
///     println!("{name}: {:?}", result?.id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Admin {
    core: Arc<Core>,
}

impl Admin {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Asks any broker first: KRaft brokers pass changes on to the controller. One that says it is not the
    /// controller belongs to an older cluster; then the controller is looked up and asked.
    async fn change<R: Request>(
        &self,
        request: &R,
        refused: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response> {
        let work = async {
            let mut response = self.core.request(request, &Target::Any).await?;
            // The metadata may lag behind a controller that has just moved.
            for round in 1..=ROUNDS {
                if !refused(&response) {
                    break;
                }
                if round > 1 {
                    tokio::time::sleep(self.core.retry.delay(round, rng::unit())).await;
                }
                response = self.core.request(request, &Target::Controller).await?;
            }
            Ok(response)
        };
        self.core.within_api_timeout(R::KEY.name(), work).await
    }
}

/// The result of one thing that was asked about.
fn result<T>(code: ErrorCode, message: Option<String>, what: &str, value: T) -> Result<T> {
    match code.ok() {
        Ok(()) => Ok(value),
        Err(code) => Err(Error::broker(code, what).said(message)),
    }
}

/// The broker has left out something that it was asked about.
fn unanswered(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Protocol, format!("the broker's answer does not mention {what}"))
}

/// Topics in the order of their first partition, with the numbers of their partitions.
fn partitions_by_topic(partitions: &[TopicPartition]) -> Vec<(&str, Vec<i32>)> {
    let mut topics: Vec<(&str, Vec<i32>)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for at in partitions {
        let index = *known.entry(&at.topic).or_insert(topics.len());
        match topics.get_mut(index) {
            Some((_, numbers)) => numbers.push(at.partition),
            None => topics.push((&at.topic, vec![at.partition])),
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_asked_for_topic_by_topic() {
        let partitions =
            [("b", 1), ("a", 0), ("b", 0)].map(|(topic, partition)| TopicPartition::new(topic, partition));

        assert_eq!(partitions_by_topic(&partitions), [("b", vec![1, 0]), ("a", vec![0])]);
    }

    /// Compiling is the test.
    #[expect(dead_code, reason = "never called")]
    fn calls_about_groups_can_be_spawned(admin: &Admin) {
        fn is_send(_: impl Send) {}
        is_send(admin.list_groups(GroupFilter::all()));
        is_send(admin.describe_groups(["g"]));
        is_send(admin.delete_groups(["g"]));
        is_send(admin.list_group_offsets([GroupOffsets::all("g")]));
        is_send(admin.alter_group_offsets("g", []));
        is_send(admin.delete_group_offsets("g", []));
        is_send(admin.remove_members("g", [], None));
        is_send(admin.delete_records([]));
    }

    /// Compiling is the test.
    #[expect(dead_code, reason = "never called")]
    fn calls_about_the_cluster_can_be_spawned(admin: &Admin) {
        fn is_send(_: impl Send) {}
        is_send(admin.elect_leaders(ElectionType::Preferred, []));
        is_send(admin.alter_partition_reassignments([], ReplicationFactorChange::Allowed));
        is_send(admin.list_partition_reassignments([]));
        is_send(admin.describe_log_dirs([]));
        is_send(admin.alter_replica_log_dirs([]));
        is_send(admin.describe_configs([]));
        is_send(admin.unregister_broker(1));
    }
}
