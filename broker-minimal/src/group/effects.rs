//! What goes into a core and comes out of it.

use std::collections::HashSet;
use std::time::Instant;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_groups::DescribedGroup;
use kinglet_protocol::messages::join_group::JoinGroupResponse;
use kinglet_protocol::messages::leave_group::MemberResponse;
use kinglet_protocol::messages::list_groups::ListedGroup;
use kinglet_protocol::messages::offset_commit::OffsetCommitResponseTopic;
use kinglet_protocol::messages::offset_delete::OffsetDeleteResponseTopic;
use kinglet_protocol::messages::offset_fetch::{OffsetFetchRequestTopics, OffsetFetchResponseTopics};
use kinglet_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetDeleteRequest,
    SyncGroupRequest, SyncGroupResponse,
};

use super::records::Record;

/// Which request a reply is for; the shell numbers them.
pub(crate) type ReplyId = u64;

/// The time, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines.
    pub(crate) at: Instant,
    /// For timestamps that are written down.
    pub(crate) ms: i64,
}

/// Who sent a JoinGroup, and what its version can.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joiner {
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// The end of the member's id, if it gets a new one.
    pub(crate) fresh: String,
    /// It comes back with the id it is given (KIP-394, version 4).
    pub(crate) knows_member_id_required: bool,
    /// It understands that a leader need not assign (KIP-814, version 9).
    pub(crate) knows_skip_assignment: bool,
}

/// What a partition's groups can be asked. Topics and partitions that do not exist are named by the shell.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Join(JoinGroupRequest, Joiner),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    Commit { request: OffsetCommitRequest, version: i16, unknown: Unknown },
    Fetch { group: String, topics: Option<Vec<OffsetFetchRequestTopics>> },
    DeleteOffsets { request: OffsetDeleteRequest, unknown: Unknown },
    DeleteGroup(String),
    Describe(String),
    List,
}

/// Partitions that do not exist, by topic and number.
pub(crate) type Unknown = HashSet<(String, i32)>;

/// The answer to a [`Request`], of the same kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(ErrorCode),
    Leave(ErrorCode, Vec<MemberResponse>),
    Commit(Vec<OffsetCommitResponseTopic>),
    Fetch(Vec<OffsetFetchResponseTopics>),
    DeleteOffsets(ErrorCode, Vec<OffsetDeleteResponseTopic>),
    DeleteGroup(ErrorCode),
    Describe(DescribedGroup),
    List(Vec<ListedGroup>),
}

/// Records to append, and replies to send once they and all before them are committed.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) records: Vec<Record>,
    pub(crate) replies: Vec<(ReplyId, Reply)>,
}

impl Effects {
    pub(crate) fn reply(&mut self, id: ReplyId, reply: Reply) {
        self.replies.push((id, reply));
    }
}
