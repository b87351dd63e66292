//! Committed offsets on the wire: what a consumer writes and reads at its group's coordinator, and the admin at any group's.

use std::sync::Arc;

use crate::TopicPartition;
use crate::protocol::ErrorCode;
use crate::protocol::messages::OffsetFetchResponse;
use crate::protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};

/// The newest version of OffsetCommit and OffsetFetch without topic ids.
pub(crate) const VERSION_MAX: i16 = 9;
/// The oldest version of OffsetFetch that asks for several groups (KIP-709).
pub(crate) const GROUPS_FROM: i16 = 8;

/// Where a group goes on in a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// The epoch of the leader that wrote the record before it, if known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Any text, at most `offset.metadata.max.bytes` of the broker (4096).
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// What OffsetFetch says of one group.
pub(crate) struct Fetched {
    /// Empty in versions that ask for one group.
    pub(crate) group: String,
    pub(crate) code: ErrorCode,
    /// In the broker's order; an offset of -1: nothing was committed.
    pub(crate) partitions: Vec<(TopicPartition, ErrorCode, OffsetAndMetadata)>,
}

/// The partitions' numbers under their topics, both in the order in which they were named.
pub(crate) fn by_topic(partitions: &[TopicPartition]) -> Vec<(String, Vec<i32>)> {
    let mut topics: Vec<(String, Vec<i32>)> = Vec::new();
    for at in partitions {
        match topics.iter_mut().find(|(name, _)| *name == *at.topic) {
            Some((_, indexes)) => indexes.push(at.partition),
            None => topics.push((at.topic.to_string(), vec![at.partition])),
        }
    }
    topics
}

/// What OffsetCommit carries.
pub(crate) fn commit_topics<'a>(
    offsets: impl IntoIterator<Item = &'a (TopicPartition, OffsetAndMetadata)>,
) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (at, to) in offsets {
        let partition = OffsetCommitRequestPartition {
            partition_index: at.partition,
            committed_offset: to.offset,
            committed_leader_epoch: to.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(to.metadata.clone()),
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
    topics
}

/// Both layouts of an answer as one: those before [`GROUPS_FROM`] are about one group.
pub(crate) fn fetched(response: OffsetFetchResponse, version: i16) -> Vec<Fetched> {
    let offset = |offset, epoch: i32, metadata: Option<String>| OffsetAndMetadata {
        offset,
        leader_epoch: (epoch >= 0).then_some(epoch),
        metadata: metadata.unwrap_or_default(),
    };
    if version < GROUPS_FROM {
        let mut partitions = Vec::new();
        for topic in response.topics {
            let name: Arc<str> = topic.name.into();
            partitions.extend(topic.partitions.into_iter().map(|p| {
                let at = TopicPartition::new(name.clone(), p.partition_index);
                (at, p.error_code, offset(p.committed_offset, p.committed_leader_epoch, p.metadata))
            }));
        }
        return vec![Fetched { group: String::new(), code: response.error_code, partitions }];
    }
    let groups = response.groups.into_iter().map(|group| {
        let mut partitions = Vec::new();
        for topic in group.topics {
            let name: Arc<str> = topic.name.into();
            partitions.extend(topic.partitions.into_iter().map(|p| {
                let at = TopicPartition::new(name.clone(), p.partition_index);
                (at, p.error_code, offset(p.committed_offset, p.committed_leader_epoch, p.metadata))
            }));
        }
        Fetched { group: group.group_id, code: group.error_code, partitions }
    });
    groups.collect()
}
