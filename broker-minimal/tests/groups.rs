//! Groups and committed offsets over the wire: what every version is told, and what is there after a stop or a kill.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::path::Path;

use bytes::Bytes;
use kinglet_broker::Handle;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::join_group::JoinGroupRequestProtocol;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use kinglet_protocol::messages::sync_group::SyncGroupRequestAssignment;
use kinglet_protocol::messages::{
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};

use wire::{Wire, start};

/// No new group waits for more members.
const QUICK: &str = "group.initial.rebalance.delay.ms=0\n";

fn on_disk(dir: &Path) -> String {
    format!("{QUICK}log.dirs={}\n", dir.display())
}

async fn broker() -> (Handle, Wire) {
    let broker = start(QUICK).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    (broker, wire)
}

/// What the tests say about a group.
trait Groups {
    fn find(&mut self, group: &str);
    fn join(&mut self, member: &str, version: i16) -> JoinGroupResponse;
    /// A member that is alone: joined and assigned.
    fn settle(&mut self, version: i16) -> (String, i32);
    fn commit(&mut self, member: (&str, i32), offset: i64, version: i16) -> ErrorCode;
    fn committed(&mut self, version: i16) -> (i64, String);
    fn heartbeat(&mut self, member: (&str, i32)) -> ErrorCode;
}

fn join_request(member: &str) -> JoinGroupRequest {
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_gets_its_assignment_and_commits_in_every_version() {
    for version in 0..=9 {
        let (broker, mut wire) = broker().await;
        let (member, generation) = wire.settle(version);
        assert_eq!(generation, 1);
        let member = (member.as_str(), generation);
        assert_eq!(wire.heartbeat(member), ErrorCode::NONE);
        for commit in 1..=9 {
            assert_eq!(wire.commit(member, i64::from(commit), commit), ErrorCode::NONE, "v{commit}");
            for fetch in 0..=9 {
                assert_eq!(wire.committed(fetch), (i64::from(commit), "note".to_owned()), "v{fetch}");
            }
        }
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stable_group_and_its_offsets_are_there_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    let (member, generation) = wire.settle(4);
    let member = (member.as_str(), generation);
    assert_eq!(wire.commit(member, 42, 7), ErrorCode::NONE);
    broker.shutdown().await.unwrap();

    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.committed(5), (42, "note".to_owned()));
    assert_eq!(wire.heartbeat(member), ErrorCode::NONE);
    assert_eq!(wire.commit(member, 43, 7), ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}
