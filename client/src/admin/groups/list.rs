//! All groups of the cluster.

use super::coordinators::is_of_coordinator;
use super::{GroupState, GroupType};
use crate::admin::Admin;
use crate::client::Target;
use crate::protocol::ErrorCode;
use crate::protocol::messages::ListGroupsRequest;
use crate::protocol::messages::list_groups::ListedGroup;
use crate::protocol::releases::{Origin, Release};
use crate::{Error, Result, rng};

/// The oldest version that knows states (KIP-518).
const STATES_FROM: i16 = 4;
/// The oldest version that knows types (KIP-848).
const TYPES_FROM: i16 = 5;

/// Which groups are listed; without conditions, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupFilter {
    states: Vec<GroupState>,
    types: Vec<GroupType>,
}

impl GroupFilter {
    /// All groups.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only groups in one of these states. Needs Kafka 2.6 (KIP-518).
    #[must_use]
    pub fn states(mut self, states: impl IntoIterator<Item = GroupState>) -> Self {
        self.states.extend(states);
        self
    }

    /// Only groups of one of these types. Brokers before 3.8 have classic groups only.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = GroupType>) -> Self {
        self.types.extend(types);
        self
    }
}

/// One line of a list of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub id: String,
    /// What its members are: `consumer`, `connect`, …; empty for a group that only has committed offsets.
    pub protocol_type: String,
    /// Its state; unknown from brokers before 2.6.
    pub state: GroupState,
    /// Its type; unknown from brokers before 3.8.
    pub group_type: GroupType,
}

impl Admin {
    /// All groups, each broker's in the order in which it names them. Every broker is asked for those it coordinates; the
    /// call fails when one of them does not answer, as the list would lack its groups.
    ///
    /// `UnsupportedVersion` when a broker is too old for the filter.
    pub async fn list_groups(&self, filter: GroupFilter) -> Result<Vec<GroupListing>> {
        self.core.within_api_timeout("ListGroups", self.list_all(&filter)).await
    }

    async fn list_all(&self, filter: &GroupFilter) -> Result<Vec<GroupListing>> {
        let mut groups: Vec<GroupListing> = Vec::new();
        for broker in self.describe_cluster().await?.brokers {
            for group in self.list_at(broker.id, filter).await? {
                // A group that moves while the brokers are asked is named by both.
                if !groups.iter().any(|known| known.id == group.group_id) {
                    groups.push(listing(group));
                }
            }
        }
        Ok(groups)
    }

    async fn list_at(&self, broker: i32, filter: &GroupFilter) -> Result<Vec<ListedGroup>> {
        let target = Target::Broker(broker);
        let connection = self.core.connection(&target).await?;
        let version = connection.version::<ListGroupsRequest>(i16::MAX)?;
        if version < STATES_FROM && !filter.states.is_empty() {
            let origin = Origin { release: Release::new(2, 6, 0), kip: Some(518) };
            return Err(connection.too_old("groups by state", origin));
        }
        let mut request = ListGroupsRequest {
            states_filter: filter.states.iter().map(|state| state.name().to_owned()).collect(),
            types_filter: filter.types.iter().map(|kind| kind.name().to_owned()).collect(),
        };
        if version < TYPES_FROM && !filter.types.is_empty() {
            if !filter.types.contains(&GroupType::Classic) {
                let origin = Origin { release: Release::new(3, 8, 0), kip: Some(848) };
                return Err(connection.too_old("groups by type", origin));
            }
            request.types_filter.clear();
        }
        let mut round = 1;
        // The caller's deadline ends it.
        loop {
            let answer = self.core.request(&request, &target).await?;
            match answer.error_code {
                ErrorCode::NONE => return Ok(answer.groups),
                code if is_of_coordinator(code) => {
                    tokio::time::sleep(self.core.retry.delay(round, rng::unit())).await;
                    round += 1;
                }
                code => return Err(Error::broker(code, format_args!("the groups of broker {broker}"))),
            }
        }
    }
}

fn listing(group: ListedGroup) -> GroupListing {
    GroupListing {
        state: GroupState::of_broker(&group.group_state),
        group_type: GroupType::of_broker(&group.group_type),
        id: group.group_id,
        protocol_type: group.protocol_type,
    }
}
