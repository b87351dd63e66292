//! Administration: one file a noun. Results come in the order of the question, one for each thing asked about.

mod cluster;
mod configs;
mod defaults;
mod groups;
pub(crate) mod offsets;
mod quorum;
mod records;
mod topics;

use std::sync::Arc;

use crate::client::{Core, Target};
use crate::protocol::{ErrorCode, Request};
use crate::{Error, Result, rng};

pub use cluster::{BrokerInfo, ClusterDescription};
pub use configs::{ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym};
pub use groups::{
    GroupDescription, GroupFilter, GroupListing, GroupMember, GroupOffsets, GroupState, GroupType,
    MemberToRemove,
};
pub use offsets::OffsetInfo;
pub use quorum::{QuorumDescription, QuorumEndpoint, QuorumNode, QuorumReplica};
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
