//! How a process becomes a member of a cluster that is there: one step at a time, decided by the leader on the list of
//! members that it has, until nothing is left to do.

use std::collections::BTreeSet;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::error::{ClientWriteError, RaftError};

use super::contacts::Contacts;
use super::forming;
use super::network::{Caller, Greeting, JoinAnswer, Role};
use super::types::{Members, Node, Raft};
use crate::clock;

/// How far behind a learner may be that becomes a voter.
const LAG_MAX: u64 = 16;

/// What is next for one who wants to be a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A change of the members was left half done.
    Settle(BTreeSet<u64>),
    /// It becomes a learner. `instead` held its node id until now, and must be dead.
    Learn {
        instead: Option<Node>,
    },
    /// It is a learner that does not have everything yet.
    Wait,
    /// It takes the place of the voter that had its node id.
    Replace(BTreeSet<u64>),
    /// It has moved to another address.
    Move,
    /// Learners that had its node id go.
    Forget(BTreeSet<u64>),
    Done,
}

/// What is next for `node`, which is `lag` entries behind.
pub(super) fn next(members: &Members, node: &Node, role: Role, lag: Option<u64>) -> Step {
    let id = node.raft_id();
    let voters: BTreeSet<u64> = members.voter_ids().collect();
    if let [_, .., last] = members.get_joint_config().as_slice() {
        return Step::Settle(last.clone());
    }
    let namesakes = || members.nodes().filter(|(other, held)| **other != id && held.node_id == node.node_id);
    let Some(known) = members.get_node(&id) else {
        return Step::Learn { instead: namesakes().next().map(|(_, held)| held.clone()) };
    };
    let replaced = namesakes().find(|(other, _)| voters.contains(other));
    if let Some((replaced, _)) = replaced
        && role == Role::Voter
    {
        if lag.is_none_or(|lag| lag > LAG_MAX) {
            return Step::Wait;
        }
        let mut voters = voters;
        voters.remove(replaced);
        voters.insert(id);
        return Step::Replace(voters);
    }
    if known != node {
        return Step::Move;
    }
    let left: BTreeSet<u64> =
        namesakes().map(|(other, _)| *other).filter(|id| !voters.contains(id)).collect();
    if left.is_empty() { Step::Done } else { Step::Forget(left) }
}

/// Takes the next step for `node`, as the leader.
pub(super) async fn advance(
    raft: &Raft,
    caller: &Caller,
    me: &Greeting,
    (node, role): (&Node, Role),
    limit: Duration,
) -> JoinAnswer {
    let id = node.raft_id();
    let (members, lag) = {
        let metrics = raft.metrics();
        let metrics = metrics.borrow();
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id).copied().flatten());
        let lag = matched.map(|matched| metrics.last_log_index.unwrap_or(0).saturating_sub(matched.index));
        (metrics.membership_config.membership().clone(), lag)
    };
    let change = match next(&members, node, role, lag) {
        Step::Done => return JoinAnswer::Done,
        Step::Wait => return JoinAnswer::Pending,
        Step::Learn { instead } => {
            if let Some(holder) = instead
                && let Some(error) = holds(caller, me, &holder).await
            {
                return JoinAnswer::Refused(error);
            }
            tracing::info!(node = node.node_id, directory = %node.directory(), "joins the metadata quorum");
            ChangeMembers::AddNodes([(id, node.clone())].into())
        }
        Step::Settle(voters) | Step::Replace(voters) => {
            tracing::info!(node = node.node_id, directory = %node.directory(), "voters of the metadata quorum change");
            ChangeMembers::ReplaceAllVoters(voters)
        }
        Step::Move => {
            tracing::info!(
                node = node.node_id,
                host = node.host,
                port = node.port,
                "member of the quorum has moved"
            );
            ChangeMembers::SetNodes([(id, node.clone())].into())
        }
        Step::Forget(ids) => ChangeMembers::RemoveNodes(ids),
    };
    // Voters that are replaced go from the list; learners stay.
    change_members(raft, change, limit).await
}

/// Ends a change of the members that an earlier leader left half done.
pub(super) async fn settle(raft: &Raft, limit: Duration) {
    let members = raft.metrics().borrow().membership_config.membership().clone();
    if let [_, .., last] = members.get_joint_config().as_slice() {
        change_members(raft, ChangeMembers::ReplaceAllVoters(last.clone()), limit).await;
    }
}

/// As the leader, lets go of observers that have not answered for longer than `session`. One that comes back joins again.
pub(super) async fn forget_silent(raft: &Raft, contacts: &Contacts, session: Duration, limit: Duration) {
    let members = raft.metrics().borrow().membership_config.membership().clone();
    let voters: BTreeSet<u64> = members.voter_ids().collect();
    let session = i64::try_from(session.as_millis()).unwrap_or(i64::MAX);
    let is_silent = |id: u64| contacts.of(id).acked_ms.is_none_or(|at| clock::now_ms() - at > session);
    let silent: Vec<_> = members.nodes().filter(|(id, _)| !voters.contains(id) && is_silent(**id)).collect();
    for (_, node) in &silent {
        tracing::info!(node = node.node_id, "observer of the metadata quorum is not heard of any more");
    }
    if !silent.is_empty() {
        let ids = silent.into_iter().map(|(id, _)| *id).collect();
        change_members(raft, ChangeMembers::RemoveNodes(ids), limit).await;
    }
}

async fn change_members(raft: &Raft, change: ChangeMembers<u64, Node>, limit: Duration) -> JoinAnswer {
    match tokio::time::timeout(limit, raft.change_membership(change, false)).await {
        Ok(Ok(_)) => JoinAnswer::Pending,
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
            JoinAnswer::NotLeader(to.leader_node)
        }
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error)))) => {
            tracing::debug!(%error, "the quorum's members change already");
            JoinAnswer::Pending
        }
        Ok(Err(RaftError::Fatal(error))) => JoinAnswer::Refused(error.to_string()),
        // It may still be kept, which the next step will see.
        Err(_) => JoinAnswer::Pending,
    }
}

/// Why a node id cannot be given to another directory: who has it is alive.
async fn holds(caller: &Caller, me: &Greeting, holder: &Node) -> Option<String> {
    let at = caller.contacts.address(holder.raft_id(), holder);
    let greeting = forming::hello(caller, &at, me).await?;
    (greeting.node.directory() == holder.directory()).then(|| {
        let Node { node_id, .. } = holder;
        format!("node id {node_id} belongs to the process at {}:{}, which is alive", at.0, at.1)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kinglet_protocol::Uuid;

    use super::*;

    fn node(node_id: i32, directory: u8) -> Node {
        Node::new(node_id, Uuid([directory; 16]), "h", 1)
    }

    fn members(configs: Vec<Vec<Node>>, learners: Vec<Node>) -> Members {
        let ids = |nodes: &Vec<Node>| nodes.iter().map(Node::raft_id).collect::<BTreeSet<_>>();
        let configs_of = configs.iter().map(ids).collect();
        let nodes: BTreeMap<u64, Node> =
            configs.into_iter().flatten().chain(learners).map(|node| (node.raft_id(), node)).collect();
        Members::new(configs_of, nodes)
    }

    fn ids(nodes: &[Node]) -> BTreeSet<u64> {
        nodes.iter().map(Node::raft_id).collect()
    }

    #[test]
    fn an_empty_directory_replaces_the_voter_of_its_node_id_once_it_has_caught_up() {
        let voters = vec![node(1, 1), node(2, 2), node(3, 3)];
        let new = node(3, 9);
        let step = next(&members(vec![voters.clone()], vec![]), &new, Role::Voter, None);
        assert_eq!(step, Step::Learn { instead: Some(node(3, 3)) });
        let learning = members(vec![voters.clone()], vec![new.clone()]);
        assert_eq!(next(&learning, &new, Role::Voter, None), Step::Wait);
        assert_eq!(next(&learning, &new, Role::Voter, Some(LAG_MAX + 1)), Step::Wait);
        let after = [node(1, 1), node(2, 2), new.clone()];
        assert_eq!(next(&learning, &new, Role::Voter, Some(0)), Step::Replace(ids(&after)));
        assert_eq!(next(&members(vec![after.to_vec()], vec![]), &new, Role::Voter, Some(0)), Step::Done);
    }

    #[test]
    fn a_change_that_was_left_half_done_is_ended_first() {
        let (before, after) = (vec![node(1, 1), node(2, 2)], vec![node(1, 1), node(2, 8)]);
        let joint = members(vec![before, after.clone()], vec![]);
        assert_eq!(next(&joint, &node(4, 4), Role::Voter, None), Step::Settle(ids(&after)));
    }

    #[test]
    fn a_new_node_id_observes_and_does_not_vote() {
        let voters = vec![node(1, 1)];
        let new = node(2, 2);
        let step = next(&members(vec![voters.clone()], vec![]), &new, Role::Voter, None);
        assert_eq!(step, Step::Learn { instead: None });
        assert_eq!(next(&members(vec![voters], vec![new.clone()]), &new, Role::Voter, None), Step::Done);
    }

    #[test]
    fn a_member_that_comes_back_elsewhere_is_moved_and_an_observers_old_directory_forgotten() {
        let listed = members(vec![vec![node(1, 1)]], vec![node(2, 2), node(2, 7)]);
        let mut moved = node(2, 2);
        moved.port = 9;
        assert_eq!(next(&listed, &moved, Role::Observer, None), Step::Move);
        assert_eq!(next(&listed, &node(2, 2), Role::Observer, None), Step::Forget(ids(&[node(2, 7)])));
    }
}
