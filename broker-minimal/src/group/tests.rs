//! What members of a group can rely on, one fact each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::join_group::{JoinGroupRequestProtocol, JoinGroupResponse};
use kinglet_protocol::messages::leave_group::MemberIdentity;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kinglet_protocol::messages::sync_group::SyncGroupRequestAssignment;
use kinglet_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetDeleteRequest,
    SyncGroupRequest, SyncGroupResponse,
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

#[test]
fn a_new_member_is_given_an_id_and_comes_back_with_it() {
    let mut table = Table::new();
    let first = table.join(Who::default());
    let given = table.joined(first);
    assert_eq!((given.error_code, given.generation_id), (ErrorCode::MEMBER_ID_REQUIRED, -1));
    assert!(given.member_id.starts_with("me-"), "{}", given.member_id);
    let second = table.join(Who::default().as_member(&given.member_id));
    assert!(table.waits(second), "a new group waits for more members");
    table.pass(3000);
    assert_eq!(table.joined(second).member_id, given.member_id);
}

#[test]
fn clients_before_that_rule_are_members_at_once() {
    let mut table = Table::new();
    let id = table.join(Who { knows_ids: false, ..Who::default() });
    table.pass(3000);
    assert_eq!(table.joined(id).error_code, ErrorCode::NONE);
}

#[test]
fn an_id_that_does_not_come_back_is_forgotten_with_its_group() {
    let mut table = Table::new();
    let id = table.join(Who::default());
    let given = table.joined(id).member_id;
    table.pass(10_000);
    assert_eq!(table.state(), "Dead");
    let late = table.join(Who::default().as_member(&given));
    assert_eq!(table.joined(late).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(table.records.is_empty(), "nothing was written of it");
}

#[test]
fn a_new_group_waits_longer_while_members_come_but_not_longer_than_a_rebalance() {
    let mut table = Table::new();
    let first = table.newcomer(Who::default());
    for _ in 0..9 {
        table.pass(2900);
        table.newcomer(Who::default());
    }
    assert!(table.waits(first), "26 seconds and somebody came in each delay");
    table.pass(3900);
    let joined = table.joined(first);
    assert_eq!((joined.generation_id, joined.error_code), (1, ErrorCode::NONE));
}

#[test]
fn the_leader_learns_of_all_members_and_the_others_of_the_leader() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id));
    assert_eq!(one.leader, one.member_id, "whoever comes first leads");
    assert_eq!((two.leader.as_str(), two.generation_id), (one.member_id.as_str(), 1));
    assert_eq!((one.members.len(), two.members.len()), (2, 0));
    assert!(one.members.iter().all(|member| member.metadata == READS_A));
    assert_eq!(
        (one.protocol_name.as_deref(), one.protocol_type.as_deref()),
        (Some("range"), Some("consumer"))
    );
}

#[test]
fn the_protocol_is_one_that_all_have_and_most_prefer() {
    let mut table = Table::new();
    let prefers = |protocols: &[&'static str]| Who {
        protocols: protocols.iter().map(|name| (*name, READS_A)).collect(),
        ..Who::default()
    };
    let id = table.newcomer(prefers(&["only-mine", "range", "sticky"]));
    table.newcomer(prefers(&["sticky", "range"]));
    table.newcomer(prefers(&["sticky", "range"]));
    table.pass(6000);
    assert_eq!(table.joined(id).protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_member_that_does_not_fit_the_others_is_refused() {
    let mut table = Table::new();
    table.settled(1);
    for who in [
        Who { protocols: vec![("other", READS_A)], ..Who::default() },
        Who { kind: "connect", ..Who::default() },
        Who { protocols: Vec::new(), ..Who::default() },
    ] {
        let id = table.join(who);
        assert_eq!(table.joined(id).error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
}

#[test]
fn requests_out_of_bounds_are_refused() {
    let mut table = Table::new();
    let short = table.join(Who { session_ms: 5999, ..Who::default() });
    assert_eq!(table.joined(short).error_code, ErrorCode::INVALID_SESSION_TIMEOUT);
    let long = table.join(Who { session_ms: 1_800_001, ..Who::default() });
    assert_eq!(table.joined(long).error_code, ErrorCode::INVALID_SESSION_TIMEOUT);
    let many = table.join(Who { protocols: vec![("p", READS_A); 101], ..Who::default() });
    assert_eq!(table.joined(many).error_code, ErrorCode::INVALID_REQUEST);
    let named = table.join(Who::instance(&"x".repeat(1025)));
    assert_eq!(table.joined(named).error_code, ErrorCode::INVALID_REQUEST);
    let mut nameless = Who::default().request();
    nameless.group_id.clear();
    let nameless = table.ask(Request::Join(nameless, Joiner::default()));
    assert_eq!(table.joined(nameless).error_code, ErrorCode::INVALID_GROUP_ID);
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut table = Table::with(Settings { group_size_max: 2, ..settings() });
    let members = table.settled(2);
    let third = table.join(Who::default());
    assert_eq!(table.joined(third).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
}

#[test]
fn assignments_come_when_the_leader_has_brought_them_and_they_are_written_down() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    let follower = table.sync(&two, 1, &[]);
    assert!(table.waits(follower));
    assert!(table.records.is_empty());
    let leader = table.sync(&one, 1, &[(&one, "first"), (&two, "second")]);
    assert_eq!(table.synced(leader).assignment, "first");
    assert_eq!(table.synced(follower).assignment, "second");
    assert!(matches!(&table.records[..], [Record::Group(_, Some(value))] if value.members.len() == 2));
    let again = table.sync(&two, 1, &[]);
    assert_eq!(table.synced(again).assignment, "second", "asking again is fine");
}

#[test]
fn sync_with_another_generation_or_protocol_is_refused() {
    let mut table = Table::new();
    let members = table.settled(1);
    let old = table.sync(&members[0], 0, &[]);
    assert_eq!(table.synced(old).error_code, ErrorCode::ILLEGAL_GENERATION);
    let stranger = table.sync("stranger", 1, &[]);
    assert_eq!(table.synced(stranger).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    let other = table.ask(Request::Sync(SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: members[0].clone(),
        protocol_name: Some("sticky".to_owned()),
        ..Default::default()
    }));
    assert_eq!(table.synced(other).error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn members_hear_of_a_rebalance_by_their_heartbeats_and_the_leader_stays() {
    let mut table = Table::new();
    let members = table.settled(2);
    let third = table.newcomer(Who::default());
    for member in &members {
        assert_eq!(table.heartbeat(member, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    assert_eq!(table.commit(&members[1], 1, "a", 5), ErrorCode::NONE, "what was read may be committed first");
    let again: Vec<ReplyId> =
        members.iter().map(|member| table.join(Who::default().as_member(member))).collect();
    let joined = table.joined(third);
    assert_eq!((joined.generation_id, &joined.leader), (2, &members[0]));
    for id in again {
        assert_eq!(table.joined(id).generation_id, 2);
    }
    assert_eq!(table.commit(&members[1], 1, "a", 6), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.commit(&members[1], 2, "a", 6), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_follower_that_asks_again_gets_its_generation_and_a_leader_makes_a_new_one() {
    let mut table = Table::new();
    let members = table.settled(2);
    let follower = table.join(Who::default().as_member(&members[1]));
    assert_eq!(table.joined(follower).generation_id, 1);
    assert_eq!(table.state(), "Stable");
    let leader = table.join(Who::default().as_member(&members[0]));
    assert!(table.waits(leader));
    assert_eq!(table.state(), "PreparingRebalance");
}

#[test]
fn a_member_that_reads_something_else_makes_the_group_assign_anew() {
    let mut table = Table::new();
    let members = table.settled(2);
    let who = Who { protocols: vec![("range", READS_B)], ..Who::default() };
    table.join(who.as_member(&members[1]));
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_member_that_is_not_heard_of_is_out_after_its_session() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.pass(9000);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
    table.pass(1000);
    assert_eq!(table.heartbeat(&members[1], 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn members_that_do_not_join_again_are_out_after_the_rebalance_timeout() {
    let mut table = Table::new();
    let members = table.settled(2);
    let newcomer = table.newcomer(Who::default());
    for _ in 0..3 {
        table.pass(9000);
        table.heartbeat(&members[0], 1);
        table.heartbeat(&members[1], 1);
    }
    assert!(table.waits(newcomer));
    table.pass(3000);
    let joined = table.joined(newcomer);
    assert_eq!((joined.generation_id, &joined.leader), (2, &joined.member_id));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn members_that_join_and_never_sync_are_out_after_the_rebalance_timeout() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    let leader = table.sync(&one, 1, &[]);
    assert_eq!(table.synced(leader).error_code, ErrorCode::NONE);
    for _ in 0..4 {
        table.pass(7500);
        table.heartbeat(&one, 1);
        table.heartbeat(&two, 1);
    }
    assert_eq!(table.heartbeat(&two, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.heartbeat(&one, 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_new_members_request_is_answered_after_five_minutes_at_the_latest() {
    let mut table = Table::new();
    let long = Who { session_ms: 1_800_000, ..Who::default() };
    let mut request = long.request();
    request.rebalance_timeout_ms = 3_600_000;
    let joins = [(); 2].map(|()| {
        let first = table.join(long.clone());
        let member_id = table.joined(first).member_id;
        table.ask(Request::Join(JoinGroupRequest { member_id, ..request.clone() }, long.joiner()))
    });
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    table.sync(&one, 1, &[]);
    table.sync(&two, 1, &[]);
    let newcomer = table.newcomer(long.clone());
    table.pass(5 * 60_000);
    assert_eq!(table.joined(newcomer).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn an_older_request_of_a_member_does_not_wait_for_ever() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.newcomer(Who::default());
    let first = table.join(Who::default().as_member(&members[0]));
    let second = table.join(Who::default().as_member(&members[0]));
    assert_eq!(table.joined(first).error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(table.waits(second));
}

#[test]
fn who_leaves_is_out_at_once_and_the_last_one_leaves_an_empty_group() {
    let mut table = Table::new();
    let members = table.settled(2);
    assert_eq!(table.leave(&[(&members[1], None)]), [ErrorCode::NONE]);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(
        table.leave(&[(&members[0], None), ("stranger", None)]),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]
    );
    assert_eq!(table.state(), "Empty");
    assert!(
        matches!(table.records.last(), Some(Record::Group(_, Some(value))) if value.members.is_empty() && value.generation == 2)
    );
}

#[test]
fn a_static_member_that_restarts_keeps_its_place_and_nobody_else_hears_of_it() {
    let mut table = Table::new();
    let one = table.join(Who::instance("i1"));
    let two = table.join(Who::instance("i2"));
    table.pass(6000);
    let [one, two] = [one, two].map(|id| table.joined(id).member_id);
    assert!(one.starts_with("i1-"), "{one}");
    table.sync(&two, 1, &[]);
    table.sync(&one, 1, &[(&one, "first"), (&two, "second")]);

    let again = table.join(Who::instance("i2"));
    let joined = table.joined(again);
    assert_eq!((joined.error_code, joined.generation_id, &joined.leader), (ErrorCode::NONE, 1, &one));
    assert_ne!(joined.member_id, two);
    let synced = table.sync(&joined.member_id, 1, &[]);
    assert_eq!(table.synced(synced).assignment, "second");
    assert_eq!(table.heartbeat(&one, 1), ErrorCode::NONE);
    table.reload();
    assert_eq!(table.heartbeat(&joined.member_id, 1), ErrorCode::NONE, "its new id was written down");

    // The process that was taken for dead still runs.
    let zombie = table.ask(Request::Heartbeat(HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: two,
        group_instance_id: Some("i2".to_owned()),
    }));
    assert_eq!(table.replies[&zombie], Reply::Heartbeat(ErrorCode::FENCED_INSTANCE_ID));
}

#[test]
fn a_static_leader_that_restarts_does_not_assign_anew() {
    for skips in [true, false] {
        let mut table = Table::new();
        let who = Who { skips, ..Who::instance("i1") };
        let id = table.join(who.clone());
        table.pass(3000);
        let old = table.joined(id).member_id;
        table.sync(&old, 1, &[(&old, "all")]);
        let again = table.join(who);
        let joined = table.joined(again);
        assert_eq!(joined.skip_assignment, skips);
        let leader = if skips { &joined.member_id } else { &old };
        assert_eq!(joined.leader, *leader, "before KIP-814 it must not take itself for the leader");
        assert_eq!(joined.members.len(), usize::from(skips));
    }
}

#[test]
fn a_static_member_that_comes_back_with_other_topics_makes_the_group_assign_anew() {
    let mut table = Table::new();
    let id = table.join(Who::instance("i1"));
    table.pass(3000);
    let old = table.joined(id).member_id;
    table.sync(&old, 1, &[]);
    let again = table.join(Who { protocols: vec![("range", READS_B)], ..Who::instance("i1") });
    assert_eq!(table.joined(again).generation_id, 2);
}

#[test]
fn a_static_member_can_be_made_to_leave_by_its_instance() {
    let mut table = Table::new();
    let id = table.join(Who::instance("i1"));
    table.pass(3000);
    let member = table.joined(id).member_id;
    table.sync(&member, 1, &[]);
    assert_eq!(
        table.leave(&[("", Some("i1")), ("", Some("i2"))]),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]
    );
    assert_eq!(table.state(), "Empty");
}

#[test]
fn a_stable_group_outlives_its_coordinator() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.commit(&members[0], 1, "a", 7);
    table.reload();
    assert_eq!(table.state(), "Stable");
    for member in &members {
        assert_eq!(table.heartbeat(member, 1), ErrorCode::NONE);
        let id = table.sync(member, 1, &[]);
        assert_eq!(table.synced(id).assignment, "share");
    }
    assert_eq!(table.offsets(), [("a".to_owned(), 7)]);
    table.pass(10_000);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::UNKNOWN_MEMBER_ID, "sessions count from the load");
}

#[test]
fn a_rebalance_that_was_not_finished_is_forgotten_with_its_coordinator() {
    let mut table = Table::new();
    let members = table.settled(1);
    let id = table.join(Who::default().as_member(&members[0]));
    assert_eq!(table.joined(id).generation_id, 2);
    table.reload();
    assert_eq!(table.heartbeat(&members[0], 2), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
}

#[test]
fn an_assignment_that_the_log_cannot_take_fails_for_its_leader() {
    let mut table = Table::with(Settings { record_size_max: 400, ..settings() });
    let id = table.newcomer(Who::default());
    table.pass(3000);
    let member = table.joined(id).member_id;
    let id = table.sync(&member, 1, &[(&member, &"x"[..])]);
    assert_eq!(table.synced(id).error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert!(table.records.is_empty());
}

#[test]
fn offsets_are_committed_by_members_and_where_there_are_none_by_anybody() {
    let mut table = Table::new();
    assert_eq!(table.commit("", -1, "a", 1), ErrorCode::NONE);
    assert_eq!(table.commit("m", 3, "a", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let members = table.settled(1);
    assert_eq!(table.commit("", -1, "a", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.commit("stranger", 1, "a", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.commit(&members[0], 0, "a", 2), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.commit(&members[0], 1, "a", 3), ErrorCode::NONE);
    assert_eq!(table.offsets(), [("a".to_owned(), 3)]);
}

#[test]
fn a_commit_to_a_group_that_is_not_there_is_refused_as_its_version_can_say() {
    for (version, code) in [(8, ErrorCode::ILLEGAL_GENERATION), (9, ErrorCode::GROUP_ID_NOT_FOUND)] {
        let mut table = Table::new();
        let topic = OffsetCommitRequestTopic {
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id_or_member_epoch: 1,
            topics: vec![topic],
            ..Default::default()
        };
        let id = table.ask(Request::Commit { request, version, unknown: Default::default() });
        let Some(Reply::Commit(topics)) = table.replies.get(&id) else { panic!() };
        assert_eq!(topics[0].partitions[0].error_code, code);
    }
}

#[test]
fn metadata_of_an_offset_is_bounded_and_comes_back() {
    let mut table = Table::new();
    let fits = "x".repeat(4096);
    assert_eq!(table.commit_with("", -1, "a", 1, &fits, -1), ErrorCode::NONE);
    assert_eq!(
        table.commit_with("", -1, "a", 2, &"x".repeat(4097), -1),
        ErrorCode::OFFSET_METADATA_TOO_LARGE
    );
    assert_eq!(table.offsets(), [("a".to_owned(), 1)]);
    let id = table.ask(Request::Fetch { group: "g".to_owned(), topics: None });
    let Some(Reply::Fetch(topics)) = table.replies.get(&id) else { panic!() };
    assert_eq!(topics[0].partitions[0].metadata.as_deref(), Some(fits.as_str()));
}

#[test]
fn offsets_stay_as_long_as_the_group_has_members_that_read_the_topic() {
    let mut table = Table::new();
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    table.commit(&members[0], 1, "other", 1);
    for _ in 0..8 * 24 * 60 * 60 / 9 {
        table.pass(9000);
        assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
    }
    table.expire();
    assert_eq!(table.offsets(), [("a".to_owned(), 1)], "what nobody reads any more goes");
    table.leave(&[(&members[0], None)]);
    table.pass(7 * DAY_MS - 1);
    table.expire();
    assert_eq!(table.offsets().len(), 1, "the time counts from when the group became empty");
    table.pass(1);
    table.expire();
    assert_eq!(table.offsets(), []);
    assert_eq!(table.state(), "Dead");
    table.reload();
    assert_eq!(table.state(), "Dead", "and the log says so");
}

#[test]
fn offsets_without_a_group_go_by_their_own_age_and_those_with_a_time_of_expiry_by_that() {
    let mut table = Table::new();
    table.commit("", -1, "a", 1);
    table.commit_with("", -1, "b", 1, "", DAY_MS);
    table.pass(DAY_MS);
    table.commit("", -1, "c", 1);
    table.expire();
    assert_eq!(table.offsets().len(), 2, "b has expired");
    table.pass(6 * DAY_MS);
    table.expire();
    assert_eq!(table.offsets(), [("c".to_owned(), 1)]);
}

#[test]
fn a_group_is_deleted_when_it_is_empty() {
    let mut table = Table::new();
    assert_eq!(table.delete(), ErrorCode::GROUP_ID_NOT_FOUND);
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    assert_eq!(table.delete(), ErrorCode::NON_EMPTY_GROUP);
    table.leave(&[(&members[0], None)]);
    assert_eq!(table.delete(), ErrorCode::NONE);
    assert_eq!((table.state().as_str(), table.offsets().len()), ("Dead", 0));
    table.reload();
    assert_eq!((table.state().as_str(), table.offsets().len()), ("Dead", 0));
}

#[test]
fn offsets_are_deleted_but_for_topics_that_the_group_reads() {
    let mut table = Table::new();
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    table.commit(&members[0], 1, "b", 1);
    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: "g".to_owned(), topics: vec![topic("a"), topic("b")] };
    let id = table.ask(Request::DeleteOffsets { request, unknown: Default::default() });
    let Some(Reply::DeleteOffsets(ErrorCode::NONE, topics)) = table.replies.get(&id) else { panic!() };
    let codes: Vec<ErrorCode> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE]);
    assert_eq!(table.offsets(), [("a".to_owned(), 1)]);
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    let mut table = Table::new();
    table.commit("", -1, "a", 1);
    table.commit("", -1, "b", 1);
    let mut effects = Effects::default();
    table.core.forget_topics(table.now(), &|topic, _| topic == "a", &mut effects);
    table.take(effects);
    assert_eq!(table.offsets(), [("b".to_owned(), 1)]);
    table.reload();
    assert_eq!(table.offsets(), [("b".to_owned(), 1)]);
}
