//! Groups and members that go.

use super::coordinators::unanswered;
use crate::admin::{Admin, result};
use crate::client::Target;
use crate::protocol::messages::leave_group::MemberIdentity;
use crate::protocol::messages::{DeleteGroupsRequest, LeaveGroupRequest};
use crate::protocol::releases::{Origin, Release};
use crate::{Error, PerItem, Result};

/// The oldest version that takes several members, and static ones (KIP-345).
const MEMBERS_FROM: i16 = 3;

/// A member that is to leave its group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MemberToRemove {
    /// By the id that the coordinator knows it by.
    Id(String),
    /// A static member, by its `group.instance.id`.
    Instance(String),
}

impl Admin {
    /// Deletes groups with their committed offsets. Needs Kafka 1.1 (KIP-229).
    ///
    /// `NON_EMPTY_GROUP` while a group has members, `GROUP_ID_NOT_FOUND` when it does not exist.
    pub async fn delete_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PerItem<String, ()>> {
        let groups = groups.into_iter().map(Into::into).collect();
        let ask = async |broker, groups_names| {
            let request = DeleteGroupsRequest { groups_names };
            let answer = self.core.request(&request, &Target::Broker(broker)).await?;
            let deleted = answer.results.into_iter().map(|group| {
                let what = format!("group {}", group.group_id);
                (group.group_id, result(group.error_code, None, &what, ()))
            });
            Ok(deleted.collect())
        };
        self.ask_coordinators("DeleteGroups", groups, ask).await
    }

    /// Makes members leave their group, whose other members share out their partitions. A member that still runs joins
    /// again. Needs Kafka 2.4 (KIP-345); `reason` is shown by brokers since 3.2 (KIP-800).
    ///
    /// `UNKNOWN_MEMBER_ID` for a member that the group does not have.
    pub async fn remove_members(
        &self,
        group: &str,
        members: impl IntoIterator<Item = MemberToRemove>,
        reason: Option<&str>,
    ) -> Result<PerItem<MemberToRemove, ()>> {
        let members: Vec<MemberToRemove> = members.into_iter().collect();
        let identity = |member: &MemberToRemove| {
            let (member_id, group_instance_id) = match member {
                MemberToRemove::Id(id) => (id.clone(), None),
                MemberToRemove::Instance(id) => (String::new(), Some(id.clone())),
            };
            MemberIdentity { member_id, group_instance_id, reason: reason.map(str::to_owned) }
        };
        let request = LeaveGroupRequest {
            group_id: group.to_owned(),
            members: members.iter().map(identity).collect(),
            ..Default::default()
        };
        let ask = async |broker| {
            let target = Target::Broker(broker);
            let connection = self.core.connection(&target).await?;
            if connection.version::<LeaveGroupRequest>(i16::MAX)? < MEMBERS_FROM {
                let origin = Origin { release: Release::new(2, 4, 0), kip: Some(345) };
                return Err(connection.too_old("removing members of a group", origin));
            }
            let answer = self.core.request(&request, &target).await?;
            match answer.error_code.ok() {
                Ok(()) => Ok(answer.members),
                Err(code) => Err(Error::broker(code, format_args!("group {group}"))),
            }
        };
        let left = self.ask_coordinator("LeaveGroup", group, ask).await?;
        let removed = |member: MemberToRemove| {
            let answer = left.iter().find(|answer| match &member {
                MemberToRemove::Id(id) => answer.member_id == *id,
                MemberToRemove::Instance(id) => answer.group_instance_id.as_ref() == Some(id),
            });
            let outcome = match answer {
                Some(answer) => result(answer.error_code, None, &format!("group {group}"), ()),
                None => Err(unanswered(group)),
            };
            (member, outcome)
        };
        Ok(members.into_iter().map(removed).collect())
    }
}
