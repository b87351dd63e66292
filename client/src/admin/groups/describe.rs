//! Groups in detail: state, members, and who has which partitions.

use std::collections::HashMap;

use super::coordinators::Answers;
use super::{GroupState, GroupType};
use crate::admin::{Admin, BrokerInfo};
use crate::client::Target;
use crate::protocol::messages::consumer_group_describe as new;
use crate::protocol::messages::describe_groups as classic;
use crate::protocol::messages::embedded::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest};
use crate::protocol::{Data, ErrorCode};
use crate::{Error, PerItem, Result, TopicPartition};

/// The protocol type of groups whose members' bytes are subscriptions and assignments.
const CONSUMER: &str = "consumer";
/// A member of the consumer protocol, among those of a group that is on its way to it (KIP-1099).
const MEMBER_UPGRADED: i8 = 1;

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub id: String,
    /// What it is doing; brokers before 4.0 say `Dead` of groups that they do not know.
    pub state: GroupState,
    /// By which protocol its members come together.
    pub group_type: GroupType,
    /// What its members are: `consumer`, `connect`, …; empty for a group without members.
    pub protocol_type: String,
    /// The name of the assignor that shares out the partitions, empty without members.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: BrokerInfo,
    /// In the broker's order.
    pub members: Vec<GroupMember>,
    /// The group's epoch; of the consumer protocol only (KIP-848).
    pub group_epoch: Option<i32>,
    /// The epoch of the assignment that members are on their way to (KIP-848).
    pub assignment_epoch: Option<i32>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id, made by the coordinator or by itself.
    pub id: String,
    /// Its `group.instance.id`, if it is a static member (KIP-345).
    pub instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connects from, as `/address`.
    pub host: String,
    /// The topics it subscribes to by name; empty for groups that are not of consumers.
    pub subscription: Vec<String>,
    /// The partitions it has; empty for groups that are not of consumers.
    pub assignment: Vec<TopicPartition>,
    /// The partitions it is to have (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// Its epoch (KIP-848).
    pub epoch: Option<i32>,
    /// Whether it speaks the consumer protocol, where the broker says (KIP-1099).
    pub upgraded: Option<bool>,
}

impl Admin {
    /// These groups and their members.
    ///
    /// `GROUP_ID_NOT_FOUND` for a group that does not exist, from brokers since 4.0; older ones describe it as `Dead`.
    /// Groups of the consumer protocol need Kafka 3.7 (KIP-848).
    pub async fn describe_groups(
        &self,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PerItem<String, GroupDescription>> {
        let groups = groups.into_iter().map(Into::into).collect();
        let ask = async |broker, groups| self.describe_at(broker, groups).await;
        self.ask_coordinators("DescribeGroups", groups, ask).await
    }

    /// A coordinator knows for each group which of the two requests describes it: the newer one is tried first.
    async fn describe_at(&self, broker: i32, mut groups: Vec<String>) -> Result<Answers<GroupDescription>> {
        let target = Target::Broker(broker);
        let connection = self.core.connection(&target).await?;
        let coordinator = self.broker_info(broker);
        let mut answers = Answers::new();
        // What the newer request says of an unknown group is more than the older one does.
        let mut said: HashMap<String, Option<String>> = HashMap::new();
        if connection.serves::<ConsumerGroupDescribeRequest>() {
            let request = ConsumerGroupDescribeRequest {
                group_ids: groups.clone(),
                include_authorized_operations: false,
            };
            for group in self.core.request(&request, &target).await?.groups {
                match group.error_code {
                    ErrorCode::NONE => {
                        groups.retain(|id| *id != group.group_id);
                        answers.insert(group.group_id.clone(), Ok(described(group, &coordinator)));
                    }
                    ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::UNSUPPORTED_VERSION => {
                        said.insert(group.group_id, group.error_message);
                    }
                    code => {
                        groups.retain(|id| *id != group.group_id);
                        let error = Error::broker(code, format_args!("group {}", group.group_id));
                        answers.insert(group.group_id, Err(error.said(group.error_message)));
                    }
                }
            }
        }
        if groups.is_empty() {
            return Ok(answers);
        }
        let request = DescribeGroupsRequest { groups, include_authorized_operations: false };
        for group in self.core.request(&request, &target).await?.groups {
            let result = match group.error_code.ok() {
                Ok(()) => described_classic(&group, &coordinator),
                Err(code) => {
                    let message = said.remove(&group.group_id).flatten().or(group.error_message);
                    Err(Error::broker(code, format_args!("group {}", group.group_id)).said(message))
                }
            };
            answers.insert(group.group_id, result);
        }
        Ok(answers)
    }

    fn broker_info(&self, id: i32) -> BrokerInfo {
        let cluster = self.core.metadata.cluster();
        let (host, port) = cluster.broker(id).map_or_else(
            || (String::new(), -1),
            |broker| (broker.address.host.to_string(), i32::from(broker.address.port)),
        );
        BrokerInfo { id, host, port, rack: None }
    }
}

fn described(group: new::DescribedGroup, coordinator: &BrokerInfo) -> GroupDescription {
    let member = |member: new::Member| GroupMember {
        id: member.member_id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: member.client_host,
        subscription: member.subscribed_topic_names,
        assignment: assigned(member.assignment),
        target_assignment: Some(assigned(member.target_assignment)),
        epoch: Some(member.member_epoch),
        upgraded: (member.member_type >= 0).then_some(member.member_type == MEMBER_UPGRADED),
    };
    GroupDescription {
        id: group.group_id,
        state: GroupState::of_broker(&group.group_state),
        group_type: GroupType::Consumer,
        protocol_type: CONSUMER.to_owned(),
        assignor: group.assignor_name,
        coordinator: coordinator.clone(),
        members: group.members.into_iter().map(member).collect(),
        group_epoch: Some(group.group_epoch),
        assignment_epoch: Some(group.assignment_epoch),
    }
}

fn assigned(assignment: new::Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter();
    topics.flat_map(|topic| partitions_of(topic.topic_name, topic.partitions)).collect()
}

fn described_classic(group: &classic::DescribedGroup, coordinator: &BrokerInfo) -> Result<GroupDescription> {
    let is_consumer = group.protocol_type == CONSUMER;
    let member = |member: &classic::DescribedGroupMember| {
        let (subscription, assignment) =
            if is_consumer { (subscribed(member), classic_assignment(member)?) } else { Default::default() };
        Ok(GroupMember {
            id: member.member_id.clone(),
            instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.clone(),
            host: member.client_host.clone(),
            subscription,
            assignment,
            target_assignment: None,
            epoch: None,
            upgraded: None,
        })
    };
    Ok(GroupDescription {
        id: group.group_id.clone(),
        state: GroupState::of_broker(&group.group_state),
        group_type: GroupType::Classic,
        protocol_type: group.protocol_type.clone(),
        assignor: group.protocol_data.clone(),
        coordinator: coordinator.clone(),
        members: group.members.iter().map(member).collect::<Result<_>>()?,
        group_epoch: None,
        assignment_epoch: None,
    })
}

fn classic_assignment(member: &classic::DescribedGroupMember) -> Result<Vec<TopicPartition>> {
    // Empty until the leader of the group has shared out.
    if member.member_assignment.is_empty() {
        return Ok(Vec::new());
    }
    let (_, assignment) = ConsumerProtocolAssignment::decode_versioned(member.member_assignment.clone())?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(topics.flat_map(|topic| partitions_of(topic.topic, topic.partitions)).collect())
}

/// Members that rebalance show no subscription, and one that cannot be read hides nothing else.
fn subscribed(member: &classic::DescribedGroupMember) -> Vec<String> {
    let decoded = ConsumerProtocolSubscription::decode_versioned(member.member_metadata.clone());
    decoded.map_or_else(|_| Vec::new(), |(_, subscription)| subscription.topics)
}

fn partitions_of(topic: String, partitions: Vec<i32>) -> impl Iterator<Item = TopicPartition> {
    let topic: std::sync::Arc<str> = topic.into();
    partitions.into_iter().map(move |partition| TopicPartition::new(topic.clone(), partition))
}
