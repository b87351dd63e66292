//! Committed offsets of a group: who may commit, what is told, and when an offset is forgotten (KIP-211).

use std::collections::BTreeMap;

use kinglet_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};
use kinglet_protocol::messages::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use kinglet_protocol::messages::offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kinglet_protocol::messages::offset_fetch::{
    OffsetFetchRequestTopics, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kinglet_protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest};
use kinglet_protocol::{ErrorCode, Uuid};

use super::classic::{Env, Group, State};
use super::effects::{Effects, Unknown};
use super::records::Record;

/// What stands for an offset that nobody committed.
const NO_OFFSET: i64 = -1;

/// Offsets by topic and partition. Only replaying a record changes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Offsets {
    topics: BTreeMap<String, BTreeMap<i32, OffsetCommitValue>>,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(super) fn find(&self, topic: &str, partition: i32) -> Option<&OffsetCommitValue> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, i32, &OffsetCommitValue)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, value)| (topic.as_str(), *partition, value))
        })
    }

    /// Goes by a record of the log.
    pub(super) fn replay(&mut self, topic: &str, partition: i32, value: Option<OffsetCommitValue>) {
        match value {
            Some(value) => {
                self.topics.entry(topic.to_owned()).or_default().insert(partition, value);
            }
            None => {
                let Some(partitions) = self.topics.get_mut(topic) else { return };
                partitions.remove(&partition);
                if partitions.is_empty() {
                    self.topics.remove(topic);
                }
            }
        }
    }
}

impl Group {
    /// Says whether whoever sent the commit may do so.
    fn check_commit(&self, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let instance = request.group_instance_id.as_deref();
        if generation < 0 && self.state == State::Empty {
            // A tool, or a consumer that assigns its partitions itself.
            return Ok(());
        }
        if generation < 0 && request.member_id.is_empty() && instance.is_none() {
            // It would overwrite what members have committed.
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_member(&request.member_id, instance)?;
        if generation != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        if self.state == State::CompletingRebalance {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    pub(super) fn commit(
        &mut self,
        env: Env<'_>,
        request: OffsetCommitRequest,
        unknown: &Unknown,
        out: &mut Effects,
    ) -> Vec<OffsetCommitResponseTopic> {
        let checked = self.check_commit(&request);
        if checked.is_ok()
            && let Some(member) = self.members.get_mut(&request.member_id)
        {
            member.touch(env.now.at);
        }
        let retention = Some(request.retention_time_ms).filter(|ms| *ms >= 0);
        let expire_timestamp = retention.map_or(-1, |ms| env.now.ms.saturating_add(ms));
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let key = (topic.name.clone(), partition_index);
                let refused = if unknown.contains(&key) {
                    Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                } else {
                    checked.and_then(|()| committed(env, partition, topic.topic_id, expire_timestamp))
                };
                let error_code = match refused {
                    Ok(value) => {
                        self.store_offset(key, Some(value), out);
                        ErrorCode::NONE
                    }
                    Err(code) => code,
                };
                partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
            }
            let OffsetCommitRequestTopic { name, topic_id, .. } = topic;
            topics.push(OffsetCommitResponseTopic { name, topic_id, partitions });
        }
        topics
    }

    fn store_offset(
        &mut self,
        (topic, partition): (String, i32),
        value: Option<OffsetCommitValue>,
        out: &mut Effects,
    ) {
        self.offsets.replay(&topic, partition, value.clone());
        let key = OffsetCommitKey { group: self.id.clone(), topic, partition };
        out.records.push(Record::Offset(key, value));
    }

    pub(super) fn fetch(
        &self,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    ) -> Vec<OffsetFetchResponseTopics> {
        let Some(asked) = topics else {
            let all = self.offsets.topics.iter().map(|(name, partitions)| OffsetFetchResponseTopics {
                name: name.clone(),
                partitions: partitions.iter().map(|(index, value)| told(*index, Some(value))).collect(),
                ..Default::default()
            });
            return all.collect();
        };
        fetch(asked, |topic, partition| self.offsets.find(topic, partition))
    }

    /// Forgets single offsets (KIP-496), but for topics that the group reads.
    pub(super) fn delete_offsets(
        &mut self,
        request: OffsetDeleteRequest,
        unknown: &Unknown,
        out: &mut Effects,
    ) -> Result<Vec<OffsetDeleteResponseTopic>, ErrorCode> {
        if self.state != State::Empty && !self.uses_consumer_protocol() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let is_subscribed = self.state != State::Empty && self.is_subscribed(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let partition_index = partition.partition_index;
                let key = (topic.name.clone(), partition_index);
                let error_code = if unknown.contains(&key) {
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                } else if is_subscribed {
                    ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
                } else {
                    if self.offsets.find(&topic.name, partition_index).is_some() {
                        self.store_offset(key, None, out);
                    }
                    ErrorCode::NONE
                };
                partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name, partitions });
        }
        Ok(topics)
    }

    /// Forgets the offsets of topics that were deleted.
    pub(super) fn forget_topics(&mut self, is_gone: &dyn Fn(&str, Uuid) -> bool, out: &mut Effects) {
        self.forget_where(|topic, value| is_gone(topic, value.topic_id), out);
    }

    /// Forgets all offsets, for a group that is deleted.
    pub(super) fn forget_all(&mut self, out: &mut Effects) {
        self.forget_where(|_, _| true, out);
    }

    /// Forgets offsets that nobody has used for the time of retention.
    pub(super) fn expire_offsets(&mut self, env: Env<'_>, out: &mut Effects) {
        let (now, retention) = (env.now.ms, env.settings.offsets_retention_ms);
        let is_simple = self.protocol_type.is_none();
        let is_empty = self.state == State::Empty;
        let left_ms = Some(self.state_since_ms).filter(|ms| *ms >= 0);
        let known_topics =
            self.topics.clone().filter(|_| self.state == State::Stable && self.uses_consumer_protocol());
        let is_expired = |topic: &str, value: &OffsetCommitValue| {
            // While there are members, only what they do not read any more may go.
            let since = if is_simple {
                value.commit_timestamp
            } else if is_empty {
                left_ms.unwrap_or(value.commit_timestamp)
            } else {
                match &known_topics {
                    Some(topics) if !topics.contains(topic) => value.commit_timestamp,
                    Some(_) | None => return false,
                }
            };
            match value.expire_timestamp {
                ..0 => now.saturating_sub(since) >= retention,
                at => now >= at,
            }
        };
        self.forget_where(is_expired, out);
    }

    fn forget_where(&mut self, is_gone: impl Fn(&str, &OffsetCommitValue) -> bool, out: &mut Effects) {
        let gone = self.offsets.iter().filter(|(topic, _, value)| is_gone(topic, value));
        let gone: Vec<_> = gone.map(|(topic, partition, _)| (topic.to_owned(), partition)).collect();
        for key in gone {
            self.store_offset(key, None, out);
        }
    }
}

/// The offsets that were asked for, in that order.
pub(super) fn fetch<'a>(
    asked: Vec<OffsetFetchRequestTopics>,
    find: impl Fn(&str, i32) -> Option<&'a OffsetCommitValue>,
) -> Vec<OffsetFetchResponseTopics> {
    let topic = |topic: OffsetFetchRequestTopics| {
        let partition = |index| told(index, find(&topic.name, index));
        let partitions = topic.partition_indexes.iter().map(|index| partition(*index)).collect();
        OffsetFetchResponseTopics { name: topic.name, partitions, ..Default::default() }
    };
    asked.into_iter().map(topic).collect()
}

fn told(partition_index: i32, value: Option<&OffsetCommitValue>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: value.map_or(NO_OFFSET, |value| value.offset),
        committed_leader_epoch: value.map_or(-1, |value| value.leader_epoch),
        // Null would end in a null pointer in old Java clients.
        metadata: Some(value.map(|value| value.metadata.clone()).unwrap_or_default()),
        ..Default::default()
    }
}

fn committed(
    env: Env<'_>,
    partition: OffsetCommitRequestPartition,
    topic_id: Uuid,
    expire_timestamp: i64,
) -> Result<OffsetCommitValue, ErrorCode> {
    let metadata = partition.committed_metadata.unwrap_or_default();
    if metadata.len() > env.settings.offset_metadata_max {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let commit_timestamp =
        if partition.commit_timestamp >= 0 { partition.commit_timestamp } else { env.now.ms };
    // The only version of the record with a time of expiry has neither.
    let (leader_epoch, topic_id) =
        if expire_timestamp < 0 { (partition.committed_leader_epoch, topic_id) } else { (-1, Uuid::ZERO) };
    Ok(OffsetCommitValue {
        offset: partition.committed_offset,
        leader_epoch,
        metadata,
        commit_timestamp,
        expire_timestamp,
        topic_id,
    })
}
