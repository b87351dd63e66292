//! The committed offsets of groups: read, set, delete.

use std::collections::HashMap;
use std::time::Duration;

use super::coordinators::{Answers, is_of_coordinator};
use crate::admin::{Admin, result};
use crate::client::Target;
use crate::committed::{self, Fetched, OffsetAndMetadata, by_topic};
use crate::metadata::Wanted;
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};
use crate::{Error, ErrorKind, PerItem, Result, TopicPartition};

/// The oldest version of OffsetFetch that can ask for everything a group has committed (KIP-88).
const ALL_FROM: i16 = 2;

/// Whose committed offsets are asked for, and of which partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsets {
    group: String,
    partitions: Option<Vec<TopicPartition>>,
}

impl GroupOffsets {
    /// Every partition that the group has committed an offset of. Brokers before 0.10.2 (KIP-88), which cannot be asked that, are
    /// asked about every partition there is.
    pub fn all(group: impl Into<String>) -> Self {
        Self { group: group.into(), partitions: None }
    }

    /// These partitions, whether the group has committed an offset of them or not.
    pub fn of(group: impl Into<String>, partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        Self { group: group.into(), partitions: Some(partitions.into_iter().collect()) }
    }
}

/// What a group has committed; `None` for a partition without an offset.
type Committed = PerItem<TopicPartition, Option<OffsetAndMetadata>>;

impl Admin {
    /// The committed offsets of groups, for each in the broker's order. A group that does not exist has none. Offsets
    /// that belong to a transaction that is still open do not count yet.
    ///
    /// Brokers since 3.0 are asked for all groups of a coordinator at once (KIP-709).
    pub async fn list_group_offsets(
        &self,
        groups: impl IntoIterator<Item = GroupOffsets>,
    ) -> Result<PerItem<String, PerItem<TopicPartition, Option<OffsetAndMetadata>>>> {
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
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
    ) -> Result<PerItem<TopicPartition, ()>> {
        let offsets: Vec<(TopicPartition, OffsetAndMetadata)> = offsets.into_iter().collect();
        // No member and no generation: that is how the coordinator knows a consumer without a group.
        let request = OffsetCommitRequest {
            group_id: group.to_owned(),
            topics: committed::commit_topics(&offsets),
            ..Default::default()
        };
        let ask = async |broker| {
            let connection = self.core.connection(&Target::Broker(broker)).await?;
            let version = connection.version::<OffsetCommitRequest>(committed::VERSION_MAX)?;
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
        let topic = |(name, indexes): (String, Vec<i32>)| {
            let partition = |partition_index| OffsetDeleteRequestPartition { partition_index };
            OffsetDeleteRequestTopic { name, partitions: indexes.into_iter().map(partition).collect() }
        };
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: by_topic(&partitions).into_iter().map(topic).collect(),
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
        let version = connection.version::<OffsetFetchRequest>(committed::VERSION_MAX)?;
        let wanted: Vec<&GroupOffsets> =
            wanted.iter().filter(|wanted| groups.contains(&wanted.group)).collect();
        let everything = match version < ALL_FROM && wanted.iter().any(|wanted| wanted.partitions.is_none()) {
            true => Some(self.all_partitions().await?),
            false => None,
        };
        let mut answers = Answers::new();
        if version >= committed::GROUPS_FROM {
            let request = fetch_many(&wanted);
            let answer = connection.call_version(&request, version, Duration::ZERO).await?;
            for fetched in committed::fetched(answer, version) {
                let group = fetched.group.clone();
                answers.insert(group.clone(), committed_by(&group, fetched));
            }
        } else {
            for wanted in wanted {
                let request = fetch_one(wanted, everything.as_deref());
                let answer = connection.call_version(&request, version, Duration::ZERO).await?;
                for mut fetched in committed::fetched(answer, version) {
                    if wanted.partitions.is_none() && everything.is_some() {
                        // What was never committed was asked about all the same.
                        fetched.partitions.retain(|(_, code, offset)| code.is_err() || offset.offset >= 0);
                    }
                    answers.insert(wanted.group.clone(), committed_by(&wanted.group, fetched));
                }
            }
        }
        Ok(answers)
    }

    /// Every partition of every topic.
    async fn all_partitions(&self) -> Result<Vec<TopicPartition>> {
        let core = &self.core;
        let asked = core.metadata.refresh(&core.pool, Wanted::All);
        let topics = core.within_api_timeout("asking for topics", asked).await?.topics;
        let partitions = topics.into_iter().flat_map(|topic| {
            let name: std::sync::Arc<str> = topic.name.unwrap_or_default().into();
            let at = move |partition| TopicPartition::new(name.clone(), partition);
            topic.partitions.into_iter().map(move |p| at(p.partition_index))
        });
        Ok(partitions.collect())
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

/// `everything`: what to name where all partitions are wanted, and the broker must be told which these are.
fn fetch_one(wanted: &GroupOffsets, everything: Option<&[TopicPartition]>) -> OffsetFetchRequest {
    let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
    let partitions = wanted.partitions.as_deref().or(everything);
    OffsetFetchRequest {
        group_id: wanted.group.clone(),
        topics: partitions.map(|all| by_topic(all).into_iter().map(topic).collect()),
        ..Default::default()
    }
}

/// Before version 2 the codes of the group stand beside each partition.
fn committed_by(group: &str, fetched: Fetched) -> Result<Committed> {
    let moved = fetched.partitions.iter().map(|(_, code, _)| *code).find(|code| is_of_coordinator(*code));
    if let Some(code) = fetched.code.ok().err().or(moved) {
        return Err(Error::broker(code, format_args!("group {group}")));
    }
    let outcome = |(at, code, offset): (TopicPartition, ErrorCode, OffsetAndMetadata)| {
        let outcome = result(code, None, &at.to_string(), (offset.offset >= 0).then_some(offset));
        (at, outcome)
    };
    Ok(fetched.partitions.into_iter().map(outcome).collect())
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
