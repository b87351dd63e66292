//! What tests say to a broker about the group "g".

use bytes::Bytes;
use kinglet_protocol::messages::describe_groups::DescribedGroup;
use kinglet_protocol::messages::join_group::JoinGroupRequestProtocol;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponsePartitions,
};
use kinglet_protocol::messages::sync_group::SyncGroupRequestAssignment;
use kinglet_protocol::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};

use kinglet_protocol::{ErrorCode, Uuid};

use super::Wire;

/// No new group waits for more members.
pub(crate) const QUICK: &str = "group.initial.rebalance.delay.ms=0\n";

/// What the tests say about a group.
pub(crate) trait Groups {
    fn find(&mut self, group: &str);
    fn join(&mut self, member: &str, version: i16) -> JoinGroupResponse;
    /// A member that is alone: joined and assigned.
    fn settle(&mut self, version: i16) -> (String, i32);
    fn commit(&mut self, member: (&str, i32), offset: i64, version: i16) -> ErrorCode;
    fn committed(&mut self, version: i16) -> (i64, String);
    fn heartbeat(&mut self, member: (&str, i32)) -> ErrorCode;
    fn commit_with(&mut self, offset: i64, text: &str) -> ErrorCode;
    fn commit_by_id(&mut self, topic: Uuid, offset: i64) -> ErrorCode;
    fn committed_by_id(&mut self, topic: Option<Uuid>) -> Vec<(Uuid, i64, ErrorCode)>;
    fn described(&mut self, group: &str) -> DescribedGroup;
}

pub(crate) fn join_request(member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".to_owned(), metadata: Bytes::from_static(b"m") };
    JoinGroupRequest {
        group_id: "g".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        member_id: member.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

impl Groups for Wire {
    fn find(&mut self, group: &str) {
        let request = FindCoordinatorRequest { key: group.to_owned(), ..Default::default() };
        assert_eq!(self.call(&request, 3).error_code, ErrorCode::NONE);
    }

    fn join(&mut self, member: &str, version: i16) -> JoinGroupResponse {
        self.call(&join_request(member), version)
    }

    fn settle(&mut self, version: i16) -> (String, i32) {
        let mut joined = self.join("", version);
        if joined.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            joined = self.join(&joined.member_id, version);
        }
        assert_eq!(joined.error_code, ErrorCode::NONE);
        assert_eq!(joined.leader, joined.member_id);
        let assignment = SyncGroupRequestAssignment {
            member_id: joined.member_id.clone(),
            assignment: Bytes::from_static(b"all of it"),
        };
        let request = SyncGroupRequest {
            group_id: "g".to_owned(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            assignments: vec![assignment],
            ..Default::default()
        };
        let synced = self.call(&request, 3);
        assert_eq!((synced.error_code, &synced.assignment[..]), (ErrorCode::NONE, &b"all of it"[..]));
        (joined.member_id, joined.generation_id)
    }

    fn commit(&mut self, member: (&str, i32), offset: i64, version: i16) -> ErrorCode {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some("note".to_owned()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id_or_member_epoch: member.1,
            member_id: member.0.to_owned(),
            topics: vec![topic],
            ..Default::default()
        };
        self.call(&request, version).topics.remove(0).partitions.remove(0).error_code
    }

    fn committed(&mut self, version: i16) -> (i64, String) {
        if version >= 8 {
            let group =
                OffsetFetchRequestGroup { group_id: "g".to_owned(), topics: None, ..Default::default() };
            let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
            let mut response = self.call(&request, version);
            let mut group = response.groups.remove(0);
            assert_eq!(group.error_code, ErrorCode::NONE);
            if group.topics.is_empty() {
                return (-1, String::new());
            }
            let partition = group.topics.remove(0).partitions.remove(0);
            return (partition.committed_offset, partition.metadata.unwrap());
        }
        let topic = OffsetFetchRequestTopic { name: "t".to_owned(), partition_indexes: vec![0] };
        let request =
            OffsetFetchRequest { group_id: "g".to_owned(), topics: Some(vec![topic]), ..Default::default() };
        let mut response = self.call(&request, version);
        assert_eq!(response.error_code, ErrorCode::NONE);
        let partition = response.topics.remove(0).partitions.remove(0);
        assert_eq!(partition.error_code, ErrorCode::NONE);
        (partition.committed_offset, partition.metadata.unwrap())
    }

    fn heartbeat(&mut self, member: (&str, i32)) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: member.1,
            member_id: member.0.to_owned(),
            ..Default::default()
        };
        self.call(&request, 3).error_code
    }

    fn commit_with(&mut self, offset: i64, text: &str) -> ErrorCode {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some(text.to_owned()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request =
            OffsetCommitRequest { group_id: "g".to_owned(), topics: vec![topic], ..Default::default() };
        self.call(&request, 7).topics.remove(0).partitions.remove(0).error_code
    }

    fn commit_by_id(&mut self, topic: Uuid, offset: i64) -> ErrorCode {
        let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic =
            OffsetCommitRequestTopic { topic_id: topic, partitions: vec![partition], ..Default::default() };
        let request =
            OffsetCommitRequest { group_id: "g".to_owned(), topics: vec![topic], ..Default::default() };
        self.call(&request, 10).topics.remove(0).partitions.remove(0).error_code
    }

    fn committed_by_id(&mut self, topic: Option<Uuid>) -> Vec<(Uuid, i64, ErrorCode)> {
        let topics = topic.map(|topic_id| {
            vec![OffsetFetchRequestTopics { topic_id, partition_indexes: vec![0], ..Default::default() }]
        });
        let group = OffsetFetchRequestGroup { group_id: "g".to_owned(), topics, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let topics = self.call(&request, 10).groups.remove(0).topics.into_iter();
        let told =
            |partition: &OffsetFetchResponsePartitions| (partition.committed_offset, partition.error_code);
        topics.map(|t| (t.topic_id, told(&t.partitions[0]).0, told(&t.partitions[0]).1)).collect()
    }

    fn described(&mut self, group: &str) -> DescribedGroup {
        let request = DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
        self.call(&request, 5).groups.remove(0)
    }
}
