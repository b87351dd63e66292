//! What the quorum looks like, for those who ask (DescribeQuorum).

use kinglet_protocol::Uuid;
use openraft::{RaftMetrics, ServerState};

use super::contacts::Contacts;
use super::types::{Members, Node};
use crate::clock;
use crate::meta::log::Leadership;

/// The quorum as one of its nodes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuorumState {
    pub(crate) leadership: Leadership,
    /// End of what is known to be on a majority.
    pub(crate) high_watermark: i64,
    pub(crate) voters: Vec<ReplicaState>,
    pub(crate) observers: Vec<ReplicaState>,
}

/// One member. Offsets and times are the leader's knowledge: -1 where this node does not lead, or does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplicaState {
    pub(crate) node_id: i32,
    pub(crate) directory: Uuid,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) log_end: i64,
    /// When it last answered, in milliseconds since the epoch.
    pub(crate) last_fetch_ms: i64,
    /// When it last had all that the leader had.
    pub(crate) last_caught_up_ms: i64,
}

impl QuorumState {
    pub(super) fn none(leadership: Leadership) -> Self {
        Self { leadership, high_watermark: -1, voters: Vec::new(), observers: Vec::new() }
    }
}

pub(super) fn describe(
    metrics: &RaftMetrics<u64, Node>,
    leadership: Leadership,
    contacts: &Contacts,
) -> QuorumState {
    let members: &Members = metrics.membership_config.membership();
    let end = |index: Option<u64>| index.map_or(0, |index| i64::try_from(index).unwrap_or(i64::MAX - 1) + 1);
    let leads = metrics.state == ServerState::Leader;
    let replica = |id: &u64, node: &Node| {
        let contact = contacts.of(*id);
        let (log_end, last_fetch, last_caught_up) = if *id == metrics.id {
            let now = leads.then(clock::now_ms);
            (Some(end(metrics.last_log_index)), now, now)
        } else {
            let matched = metrics.replication.as_ref().and_then(|all| all.get(id).copied().flatten());
            let matched = matched.map(|matched| end(Some(matched.index)));
            (matched, contact.acked_ms, contact.caught_up_ms)
        };
        let (host, port) = contacts.address(*id, node);
        ReplicaState {
            node_id: node.node_id,
            directory: node.directory(),
            host,
            port,
            log_end: log_end.unwrap_or(-1),
            last_fetch_ms: last_fetch.filter(|_| leads).unwrap_or(-1),
            last_caught_up_ms: last_caught_up.filter(|_| leads).unwrap_or(-1),
        }
    };
    let voters: Vec<u64> = members.voter_ids().collect();
    let all = || members.nodes();
    QuorumState {
        leadership,
        high_watermark: end(metrics.last_applied.map(|applied| applied.index)),
        voters: all().filter(|(id, _)| voters.contains(id)).map(|(id, node)| replica(id, node)).collect(),
        observers: all().filter(|(id, _)| !voters.contains(id)).map(|(id, node)| replica(id, node)).collect(),
    }
}
