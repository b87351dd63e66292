//! A member as a client plays it: one request at a time, and what it does about each answer.

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::join_group::{JoinGroupRequestProtocol, JoinGroupResponse};
use kinglet_protocol::messages::leave_group::MemberIdentity;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::sync_group::SyncGroupRequestAssignment;
use kinglet_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, SyncGroupRequest,
};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::group::effects::{Joiner, Reply, Request};

pub(super) const GROUP: &str = "g";
pub(super) const PARTITIONS: u8 = 6;
pub(super) const SESSION_MS: i32 = 10_000;
pub(super) const REBALANCE_MS: i32 = 20_000;

/// What it will ask next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    Join,
    Sync(Vec<SyncGroupRequestAssignment>),
    Stable,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) instance: Option<String>,
    pub(super) member: String,
    pub(super) generation: i32,
    pub(super) phase: Phase,
    pub(super) assignment: Vec<u8>,
    pub(super) is_dead: bool,
    /// Rises when what it says about itself changes.
    pub(super) metadata: u8,
    /// The request that it waits for, and until when.
    pub(super) waits: Option<(u64, i64)>,
}

impl Client {
    pub(super) fn new(number: usize) -> Self {
        Self {
            name: format!("c{number}"),
            instance: (number % 3 != 1).then(|| format!("i{number}")),
            member: String::new(),
            generation: -1,
            phase: Phase::Join,
            assignment: Vec::new(),
            is_dead: false,
            metadata: 0,
            waits: None,
        }
    }

    /// Its process begins anew, and knows nothing but its instance.
    pub(super) fn restart(&mut self) {
        self.member.clear();
        self.rejoin();
        self.waits = None;
    }

    pub(super) fn rejoin(&mut self) {
        self.phase = Phase::Join;
        self.assignment.clear();
    }

    pub(super) fn join(&self) -> Request {
        let protocol = |name: &str| JoinGroupRequestProtocol {
            name: name.to_owned(),
            metadata: Bytes::from(vec![0, 0, 0, 0, 0, 1, 0, 1, b'a' + self.metadata, 0xff, 0xff, 0xff, 0xff]),
        };
        let request = JoinGroupRequest {
            group_id: GROUP.to_owned(),
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
            protocol_type: "consumer".to_owned(),
            protocols: vec![protocol("range"), protocol("sticky")],
            ..Default::default()
        };
        let joiner = Joiner {
            client_id: self.name.clone(),
            knows_member_id_required: !self.name.ends_with('1'),
            knows_skip_assignment: true,
            ..Default::default()
        };
        Request::Join(request, joiner)
    }

    pub(super) fn sync(&self, assignments: Vec<SyncGroupRequestAssignment>) -> Request {
        Request::Sync(SyncGroupRequest {
            group_id: GROUP.to_owned(),
            generation_id: self.generation,
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
            assignments,
            ..Default::default()
        })
    }

    pub(super) fn heartbeat(&self) -> Request {
        Request::Heartbeat(HeartbeatRequest {
            group_id: GROUP.to_owned(),
            generation_id: self.generation,
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
        })
    }

    pub(super) fn leave(&self) -> Request {
        let member = MemberIdentity {
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
            ..Default::default()
        };
        Request::Leave(LeaveGroupRequest {
            group_id: GROUP.to_owned(),
            members: vec![member],
            ..Default::default()
        })
    }

    pub(super) fn commit(&self, offset: i64) -> Request {
        let partition = OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
        let topic = OffsetCommitRequestTopic {
            name: "t".to_owned(),
            topic_id: kinglet_protocol::Uuid([7; 16]),
            partitions: vec![partition],
        };
        let request = OffsetCommitRequest {
            group_id: GROUP.to_owned(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.member.clone(),
            group_instance_id: self.instance.clone(),
            topics: vec![topic],
            ..Default::default()
        };
        Request::Commit { request, version: 8, unknown: Default::default() }
    }

    /// What it makes of an answer. `nonce` marks the assignment, if it has to make one.
    pub(super) fn on_reply(&mut self, reply: &Reply, nonce: u32) {
        match reply {
            Reply::Join(joined) => match joined.error_code {
                ErrorCode::NONE => {
                    self.member.clone_from(&joined.member_id);
                    self.generation = joined.generation_id;
                    self.phase = Phase::Sync(assign(joined, nonce));
                }
                ErrorCode::MEMBER_ID_REQUIRED => self.member.clone_from(&joined.member_id),
                code => self.on_error(code),
            },
            Reply::Sync(synced) if synced.error_code == ErrorCode::NONE => {
                self.assignment = synced.assignment.get(4..).unwrap_or_default().to_vec();
                self.phase = Phase::Stable;
            }
            Reply::Sync(synced) => self.on_error(synced.error_code),
            Reply::Heartbeat(code) => self.on_error(*code),
            Reply::Commit(topics) => self.on_error(topics[0].partitions[0].error_code),
            _ => {}
        }
    }

    fn on_error(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_INSTANCE_ID => {
                self.member.clear();
                self.rejoin();
            }
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => self.rejoin(),
            _ => {}
        }
    }
}

/// The partitions in turn, marked with the leader's nonce.
fn assign(joined: &JoinGroupResponse, nonce: u32) -> Vec<SyncGroupRequestAssignment> {
    if joined.leader != joined.member_id || joined.skip_assignment {
        return Vec::new();
    }
    let count = joined.members.len();
    let share = |number: usize| (0..PARTITIONS).filter(move |p| usize::from(*p) % count == number);
    let assignment =
        |(number, member): (usize, &kinglet_protocol::messages::join_group::JoinGroupResponseMember)| {
            let mut bytes = nonce.to_be_bytes().to_vec();
            bytes.extend(share(number));
            SyncGroupRequestAssignment { member_id: member.member_id.clone(), assignment: bytes.into() }
        };
    joined.members.iter().enumerate().map(assignment).collect()
}

/// Delays of the network: mostly short, some of them long enough for others to go first.
pub(super) fn delay_ms(rng: &mut StdRng) -> i64 {
    if rng.random_ratio(1, 30) { rng.random_range(1..15_000) } else { rng.random_range(1..40) }
}
