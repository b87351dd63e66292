//! What members of a group can rely on, one fact each.

mod generations;
mod joining;
mod keeping;
mod statics;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::join_group::{JoinGroupRequestProtocol, JoinGroupResponse};
use kinglet_protocol::messages::leave_group::MemberIdentity;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::sync_group::SyncGroupRequestAssignment;
use kinglet_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
    SyncGroupResponse,
};

use super::core::Core;
use super::effects::{Effects, Joiner, Now, Reply, ReplyId, Request};
use super::records::Record;
use super::settings::Settings;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A core, its time, and everything it said.
struct Table {
    core: Core,
    start: Instant,
    ms: i64,
    next: ReplyId,
    records: Vec<Record>,
    replies: HashMap<ReplyId, Reply>,
}

fn settings() -> Settings {
    Settings::new(&crate::Config::default())
}

impl Table {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: Settings) -> Self {
        #[expect(clippy::disallowed_methods, reason = "where the time of a test begins does not matter")]
        let start = Instant::now();
        let core = Core::new(settings);
        Self { core, start, ms: 0, next: 0, records: Vec::new(), replies: HashMap::new() }
    }

    fn now(&self) -> Now {
        Now { at: self.start + Duration::from_millis(u64::try_from(self.ms).unwrap()), ms: self.ms }
    }

    fn take(&mut self, effects: Effects) {
        self.records.extend(effects.records);
        for (id, reply) in effects.replies {
            assert!(self.replies.insert(id, reply).is_none(), "a request is answered once");
        }
    }

    fn ask(&mut self, request: Request) -> ReplyId {
        self.next += 1;
        let mut effects = Effects::default();
        self.core.on_request(self.now(), self.next, request, &mut effects);
        self.take(effects);
        self.next
    }

    /// Lets time pass; whatever is due happens when it is.
    fn pass(&mut self, ms: i64) {
        let end = self.ms + ms;
        while let Some(at) = self.core.deadline() {
            let due =
                i64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap().max(self.ms);
            if due > end {
                break;
            }
            self.ms = due;
            let mut effects = Effects::default();
            self.core.on_deadline(self.now(), &mut effects);
            self.take(effects);
        }
        self.ms = end;
    }

    /// Another coordinator takes over, with what the log says.
    fn reload(&mut self) {
        self.core = Core::new(settings());
        for record in &self.records {
            self.core.replay(record.clone());
        }
        self.core.on_loaded(self.now());
    }

    fn join(&mut self, who: Who) -> ReplyId {
        let joiner = who.joiner();
        self.ask(Request::Join(who.request(), joiner))
    }

    fn joined(&mut self, id: ReplyId) -> JoinGroupResponse {
        match self.replies.remove(&id) {
            Some(Reply::Join(joined)) => joined,
            other => panic!("{other:?}"),
        }
    }

    fn waits(&self, id: ReplyId) -> bool {
        !self.replies.contains_key(&id)
    }

    fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &'static str)]) -> ReplyId {
        let assignment = |(member, bytes): &(&str, &'static str)| SyncGroupRequestAssignment {
            member_id: (*member).to_owned(),
            assignment: Bytes::from_static(bytes.as_bytes()),
        };
        self.ask(Request::Sync(SyncGroupRequest {
            group_id: "g".to_owned(),
            generation_id: generation,
            member_id: member.to_owned(),
            assignments: assignments.iter().map(assignment).collect(),
            ..Default::default()
        }))
    }

    fn synced(&mut self, id: ReplyId) -> SyncGroupResponse {
        match self.replies.remove(&id) {
            Some(Reply::Sync(synced)) => synced,
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        let id = self.ask(Request::Heartbeat(HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id: generation,
            member_id: member.to_owned(),
            ..Default::default()
        }));
        match self.replies.remove(&id) {
            Some(Reply::Heartbeat(code)) => code,
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, members: &[(&str, Option<&str>)]) -> Vec<ErrorCode> {
        let identity = |(member, instance): &(&str, Option<&str>)| MemberIdentity {
            member_id: (*member).to_owned(),
            group_instance_id: instance.map(str::to_owned),
            ..Default::default()
        };
        let members = members.iter().map(identity).collect();
        let request = LeaveGroupRequest { group_id: "g".to_owned(), members, ..Default::default() };
        let id = self.ask(Request::Leave(request));
        match self.replies.remove(&id) {
            Some(Reply::Leave(_, members)) => members.iter().map(|member| member.error_code).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &str, generation: i32, topic: &str, offset: i64) -> ErrorCode {
        self.commit_with(member, generation, topic, offset, "", -1)
    }

    fn commit_with(
        &mut self,
        member: &str,
        generation: i32,
        topic: &str,
        offset: i64,
        metadata: &str,
        retention_time_ms: i64,
    ) -> ErrorCode {
        let partition = OffsetCommitRequestPartition {
            committed_offset: offset,
            committed_metadata: Some(metadata.to_owned()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id_or_member_epoch: generation,
            member_id: member.to_owned(),
            retention_time_ms,
            topics: vec![topic],
            ..Default::default()
        };
        let id = self.ask(Request::Commit { request, version: 4, unknown: Default::default() });
        match self.replies.remove(&id) {
            Some(Reply::Commit(topics)) => topics[0].partitions[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    /// Topics and offsets that the group has.
    fn offsets(&mut self) -> Vec<(String, i64)> {
        let id = self.ask(Request::Fetch { group: "g".to_owned(), topics: None });
        match self.replies.remove(&id) {
            Some(Reply::Fetch(topics)) => {
                topics.into_iter().map(|t| (t.name, t.partitions[0].committed_offset)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> String {
        let id = self.ask(Request::Describe("g".to_owned()));
        match self.replies.remove(&id) {
            Some(Reply::Describe(group)) => group.group_state,
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self) -> ErrorCode {
        let id = self.ask(Request::DeleteGroup("g".to_owned()));
        match self.replies.remove(&id) {
            Some(Reply::DeleteGroup(code)) => code,
            other => panic!("{other:?}"),
        }
    }

    fn expire(&mut self) {
        let mut effects = Effects::default();
        self.core.expire(self.now(), &mut effects);
        self.take(effects);
    }

    /// A member that is given its id at once, and joins with the others.
    fn newcomer(&mut self, who: Who) -> ReplyId {
        let first = self.join(who.clone());
        let joined = self.joined(first);
        assert_eq!(joined.error_code, ErrorCode::MEMBER_ID_REQUIRED);
        self.join(who.as_member(&joined.member_id))
    }

    /// A stable group of these, who read topic "a"; their ids, the leader first.
    fn settled(&mut self, count: usize) -> Vec<String> {
        let joins: Vec<ReplyId> = (0..count).map(|_| self.newcomer(Who::default())).collect();
        self.pass(3000 + 3000);
        let joined: Vec<JoinGroupResponse> = joins.into_iter().map(|id| self.joined(id)).collect();
        let generation = joined[0].generation_id;
        let mut members: Vec<String> = joined.iter().map(|joined| joined.member_id.clone()).collect();
        let leader = joined[0].leader.clone();
        members.sort_by_key(|member| *member != leader);
        let shares: Vec<(&str, &'static str)> =
            members.iter().map(|member| (member.as_str(), "share")).collect();
        for member in members.iter().rev() {
            let id = self.sync(member, generation, if *member == leader { &shares } else { &[] });
            if *member == leader {
                assert_eq!(self.synced(id).error_code, ErrorCode::NONE);
            }
        }
        assert_eq!(self.state(), "Stable");
        members
    }
}

/// Who joins.
#[derive(Clone)]
struct Who {
    member: String,
    instance: Option<String>,
    protocols: Vec<(&'static str, &'static [u8])>,
    knows_ids: bool,
    kind: &'static str,
    session_ms: i32,
    skips: bool,
}

/// The metadata of a consumer that reads one topic.
const READS_A: &[u8] = b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff";
const READS_B: &[u8] = b"\0\0\0\0\0\x01\0\x01b\xff\xff\xff\xff";

impl Default for Who {
    fn default() -> Self {
        Self {
            member: String::new(),
            instance: None,
            protocols: vec![("range", READS_A)],
            knows_ids: true,
            kind: "consumer",
            session_ms: 10_000,
            skips: true,
        }
    }
}

impl Who {
    fn as_member(&self, member: &str) -> Self {
        Self { member: member.to_owned(), ..self.clone() }
    }

    fn instance(instance: &str) -> Self {
        Self { instance: Some(instance.to_owned()), ..Self::default() }
    }

    fn request(&self) -> JoinGroupRequest {
        let protocol = |(name, metadata): &(&str, &'static [u8])| JoinGroupRequestProtocol {
            name: (*name).to_owned(),
            metadata: Bytes::from_static(metadata),
        };
        JoinGroupRequest {
            group_id: "g".to_owned(),
            session_timeout_ms: self.session_ms,
            rebalance_timeout_ms: 30_000,
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: self.kind.to_owned(),
            protocols: self.protocols.iter().map(protocol).collect(),
            ..Default::default()
        }
    }

    fn joiner(&self) -> Joiner {
        Joiner {
            client_id: "me".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            fresh: crate::rng::suffix(),
            knows_member_id_required: self.knows_ids,
            knows_skip_assignment: self.skips,
        }
    }
}
