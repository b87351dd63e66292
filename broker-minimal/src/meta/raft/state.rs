//! What the quorum looks like, for those who ask (DescribeQuorum).

use std::time::Duration;

use openraft::{RaftMetrics, ServerState};

use super::contacts::Contacts;
use super::types::{Members, Node};
use crate::clock;
use crate::meta::log::{Leadership, QuorumReplica, QuorumState};

/// What is known before there is a cluster.
pub(super) fn none(leadership: Leadership) -> QuorumState {
    QuorumState { leadership, high_watermark: -1, voters: Vec::new(), observers: Vec::new() }
}

pub(super) fn describe(
    metrics: &RaftMetrics<u64, Node>,
    leadership: Leadership,
    contacts: &Contacts,
    observer_session: Duration,
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
        QuorumReplica {
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
    // A leader that has not heard of an observer tells of none, as in Kafka; the list of members may have it for a while.
    let session = i64::try_from(observer_session.as_millis()).unwrap_or(i64::MAX);
    let heard_of = |id: &u64| contacts.of(*id).acked_ms.is_some_and(|at| clock::now_ms() - at <= session);
    let observes = |id: &u64| !voters.contains(id) && (!leads || heard_of(id));
    let all = || members.nodes();
    QuorumState {
        leadership,
        high_watermark: end(metrics.last_applied.map(|applied| applied.index)),
        voters: all().filter(|(id, _)| voters.contains(id)).map(|(id, node)| replica(id, node)).collect(),
        observers: all().filter(|(id, _)| observes(id)).map(|(id, node)| replica(id, node)).collect(),
    }
}
