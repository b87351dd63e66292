//! The committed offsets of groups: read, set, delete.

use std::collections::HashMap;
use std::time::Duration;

use super::coordinators::{Answers, is_of_coordinator};
use crate::admin::{Admin, result};
use crate::client::Target;
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
};
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::protocol::releases::{Origin, Release};
use crate::{Error, ErrorKind, PerItem, Result, TopicPartition};

/// The last version of OffsetCommit and OffsetFetch that speaks of topics by name.
const OFFSETS_VERSION_MAX: i16 = 9;
/// The oldest version of OffsetFetch that can ask for everything a group has committed (KIP-88).
const ALL_FROM: i16 = 2;
/// The oldest version of OffsetFetch that asks for several groups at once (KIP-709).
const GROUPS_FROM: i16 = 8;

/// A committed position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The epoch of the leader that wrote the last record that was read, if the committer knew it (KIP-320).
    pub leader_epoch: Option<i32>,
    /// What the committer noted beside it; by default at most 4096 bytes (`offset.metadata.max.bytes`).
    pub metadata: String,
}

impl CommittedOffset {
    /// This offset, and nothing beside it.
    pub fn new(offset: i64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// Whose committed offsets are asked for, and of which partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsets {
    group: String,
    partitions: Option<Vec<TopicPartition>>,
}

impl GroupOffsets {
    /// Every partition that the group has committed an offset of. Needs Kafka 0.10.2 (KIP-88).
    pub fn all(group: impl Into<String>) -> Self {
        Self { group: group.into(), partitions: None }
    }

    /// These partitions, whether the group has committed an offset of them or not.
    pub fn of(group: impl Into<String>, partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        Self { group: group.into(), partitions: Some(partitions.into_iter().collect()) }
    }
}

/// What a group has committed; `None` for a partition without an offset.
type Committed = PerItem<TopicPartition, Option<CommittedOffset>>;

impl Admin {
    /// The committed offsets of groups, for each in the broker's order. A group that does not exist has none. Offsets
    /// that belong to a transaction that is still open do not count yet.
    ///
    /// Brokers since 3.0 are asked for all groups of a coordinator at once (KIP-709).
    pub async fn list_group_offsets(
        &self,
        groups: impl IntoIterator<Item = GroupOffsets>,
    ) -> Result<PerItem<String, PerItem<TopicPartition, Option<CommittedOffset>>>> {
        let wanted: Vec<GroupOffsets> = groups.into_iter().collect();
        let wanted = &wanted;
        let names = wanted.iter().map(|wanted| wanted.group.clone()).collect();
        let ask = async |broker, groups| self.offsets_at(broker, groups, wanted).await;
        self.ask_coordinators("OffsetFetch", names, ask).await
    }

    /// Sets committed offsets, as a consumer without a group would commit them.
    ///
    /// `UNKNOWN_MEMBER_ID` for each partition while the group has members; a group that does not exist is created.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: impl IntoIterator<Item = (TopicPartition, CommittedOffset)>,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let offsets: Vec<(TopicPartition, CommittedOffset)> = offsets.into_iter().collect();
        let request = commit(group, &offsets);
        let ask = async |broker| {
            let connection = self.core.connection(&Target::Broker(broker)).await?;
            let version = connection.version::<OffsetCommitRequest>(OFFSETS_VERSION_MAX)?;
            let answer = connection.call_version(&request, version, Duration::ZERO).await?;
            let codes: HashMap<TopicPartition, ErrorCode> = answer
                .topics
                .into_iter()
                .flat_map(|topic| {
                    let name: std::sync::Arc<str> = topic.name.into();
                    let at = move |partition| TopicPartition::new(name.clone(), partition);
                    topic.partitions.into_iter().map(move |p| (at(p.partition_index), p.error_code))
                })
                .collect();
            // The codes of the group stand beside each partition.
            match codes.values().find(|code| is_of_coordinator(**code)) {
                Some(code) => Err(Error::broker(*code, format_args!("group {group}"))),
                None => Ok(codes),
            }
        };
        let codes = self.ask_coordinator("OffsetCommit", group, ask).await?;
        Ok(each(offsets.into_iter().map(|(at, _)| at), &codes))
    }

    /// Deletes committed offsets. Needs Kafka 2.4 (KIP-496).
    ///
    /// `GROUP_SUBSCRIBED_TO_TOPIC` for partitions of topics that the group's members read. The call fails with
    /// `GROUP_ID_NOT_FOUND` when there is no such group, and with `NON_EMPTY_GROUP` for one of another protocol type
    /// that has members.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let by_topic = by_topic(&partitions);
        let topic = |(name, indexes): (String, Vec<i32>)| {
            let partition = |partition_index| OffsetDeleteRequestPartition { partition_index };
            OffsetDeleteRequestTopic { name, partitions: indexes.into_iter().map(partition).collect() }
        };
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: by_topic.into_iter().map(topic).collect(),
        };
        let ask = async |broker| {
            let answer = self.core.request(&request, &Target::Broker(broker)).await?;
            if let Err(code) = answer.error_code.ok() {
                return Err(Error::broker(code, format_args!("group {group}")));
            }
            let codes = answer.topics.into_iter().flat_map(|topic| {
                let name: std::sync::Arc<str> = topic.name.into();
                let at = move |partition| TopicPartition::new(name.clone(), partition);
                topic.partitions.into_iter().map(move |p| (at(p.partition_index), p.error_code))
            });
            Ok(codes.collect::<HashMap<_, _>>())
        };
        let codes = self.ask_coordinator("OffsetDelete", group, ask).await?;
        Ok(each(partitions, &codes))
    }

    async fn offsets_at(
        &self,
        broker: i32,
        groups: Vec<String>,
        wanted: &[GroupOffsets],
    ) -> Result<Answers<Committed>> {
        let connection = self.core.connection(&Target::Broker(broker)).await?;
        let version = connection.version::<OffsetFetchRequest>(OFFSETS_VERSION_MAX)?;
        let wanted: Vec<&GroupOffsets> =
            wanted.iter().filter(|wanted| groups.contains(&wanted.group)).collect();
        if version < ALL_FROM && wanted.iter().any(|wanted| wanted.partitions.is_none()) {
            let origin = Origin { release: Release::new(0, 10, 2), kip: Some(88) };
            return Err(connection.too_old("all committed offsets of a group", origin));
        }
        let mut answers = Answers::new();
        if version >= GROUPS_FROM {
            let request = fetch_many(&wanted);
            let answer = connection.call_version(&request, version, Duration::ZERO).await?;
            answers.extend(answers_of(answer));
        } else {
            for wanted in wanted {
                let request = fetch_one(wanted);
                let answer = connection.call_version(&request, version, Duration::ZERO).await?;
                answers.insert(wanted.group.clone(), answer_of(&wanted.group, answer));
            }
        }
        Ok(answers)
    }
}

fn fetch_many(wanted: &[&GroupOffsets]) -> OffsetFetchRequest {
    let topic = |(name, partition_indexes): (String, Vec<i32>)| OffsetFetchRequestTopics {
        name,
        partition_indexes,
        ..Default::default()
    };
    let group = |wanted: &&GroupOffsets| OffsetFetchRequestGroup {
        group_id: wanted.group.clone(),
        topics: wanted.partitions.as_ref().map(|all| by_topic(all).into_iter().map(topic).collect()),
        ..Default::default()
    };
    OffsetFetchRequest { groups: wanted.iter().map(group).collect(), ..Default::default() }
}

fn fetch_one(wanted: &GroupOffsets) -> OffsetFetchRequest {
    let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
    OffsetFetchRequest {
        group_id: wanted.group.clone(),
        topics: wanted.partitions.as_ref().map(|all| by_topic(all).into_iter().map(topic).collect()),
        ..Default::default()
    }
}

fn answers_of(answer: OffsetFetchResponse) -> impl Iterator<Item = (String, Result<Committed>)> {
    answer.groups.into_iter().map(|group| {
        let topics = group.topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.into();
            topic.partitions.into_iter().map(move |p| {
                let at = TopicPartition::new(name.clone(), p.partition_index);
                committed(at, p.committed_offset, p.committed_leader_epoch, p.metadata, p.error_code)
            })
        });
        let result = committed_all(&group.group_id, group.error_code, topics);
        (group.group_id, result)
    })
}

fn answer_of(group: &str, answer: OffsetFetchResponse) -> Result<Committed> {
    let partitions = answer.topics.into_iter().flat_map(|topic: OffsetFetchResponseTopic| {
        let name: std::sync::Arc<str> = topic.name.into();
        topic.partitions.into_iter().map(move |p: OffsetFetchResponsePartition| {
            let at = TopicPartition::new(name.clone(), p.partition_index);
            committed(at, p.committed_offset, p.committed_leader_epoch, p.metadata, p.error_code)
        })
    });
    committed_all(group, answer.error_code, partitions)
}

/// Before version 2 the codes of the group stand beside each partition.
fn committed_all(
    group: &str,
    code: ErrorCode,
    partitions: impl Iterator<Item = (TopicPartition, Result<Option<CommittedOffset>>)>,
) -> Result<Committed> {
    if let Err(code) = code.ok() {
        return Err(Error::broker(code, format_args!("group {group}")));
    }
    let committed: Committed = partitions.collect();
    let moved = committed.iter().find_map(|(_, result)| {
        result.as_ref().err().filter(|error| error.code().is_some_and(is_of_coordinator)).cloned()
    });
    moved.map_or(Ok(committed), Err)
}

fn committed(
    at: TopicPartition,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<String>,
    code: ErrorCode,
) -> (TopicPartition, Result<Option<CommittedOffset>>) {
    let leader_epoch = (leader_epoch >= 0).then_some(leader_epoch);
    let committed = CommittedOffset { offset, leader_epoch, metadata: metadata.unwrap_or_default() };
    let outcome = result(code, None, &at.to_string(), (offset >= 0).then_some(committed));
    (at, outcome)
}

fn commit(group: &str, offsets: &[(TopicPartition, CommittedOffset)]) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (at, committed) in offsets {
        let partition = OffsetCommitRequestPartition {
            partition_index: at.partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(committed.metadata.clone()),
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| topic.name == *at.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(OffsetCommitRequestTopic {
                name: at.topic.to_string(),
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    // No member and no generation: that is how the coordinator knows a consumer without a group.
    OffsetCommitRequest { group_id: group.to_owned(), topics, ..Default::default() }
}

/// The partitions' numbers under their topics, both in the order in which they were named.
fn by_topic(partitions: &[TopicPartition]) -> Vec<(String, Vec<i32>)> {
    let mut topics: Vec<(String, Vec<i32>)> = Vec::new();
    for at in partitions {
        match topics.iter_mut().find(|(name, _)| *name == *at.topic) {
            Some((_, indexes)) => indexes.push(at.partition),
            None => topics.push((at.topic.to_string(), vec![at.partition])),
        }
    }
    topics
}

/// The result of each partition that was asked about.
fn each(
    partitions: impl IntoIterator<Item = TopicPartition>,
    codes: &HashMap<TopicPartition, ErrorCode>,
) -> PerItem<TopicPartition, ()> {
    let outcome = |at: TopicPartition| {
        let outcome = match codes.get(&at) {
            Some(code) => result(*code, None, &at.to_string(), ()),
            None => {
                let message = format!("the broker's answer does not mention {at}");
                Err(Error::new(ErrorKind::Protocol, message))
            }
        };
        (at, outcome)
    };
    partitions.into_iter().map(outcome).collect()
}
