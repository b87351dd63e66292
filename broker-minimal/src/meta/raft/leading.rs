//! Who leads, as the rest of the broker is told, and what happens when a leader's process is known to be dead.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::{RaftMetrics, ServerState};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Shared;
use super::contacts::Contacts;
use super::elections::{Heard, elect};
use super::joining;
use super::types::{Node, Raft, epoch};
use crate::meta::log::Leadership;

/// Elections that one lost leader may cause.
const ATTEMPTS: u32 = 12;
/// The least time between two survivors' elections: a vote is written to disk and crosses the network twice.
const TURN_MIN: Duration = Duration::from_millis(30);

type Metrics = RaftMetrics<u64, Node>;

/// Tells who leads, until the quorum ends.
pub(super) struct Watcher {
    pub(super) raft: Raft,
    pub(super) contacts: Arc<Contacts>,
    pub(super) leadership: watch::Sender<Leadership>,
    pub(super) failure: watch::Sender<Option<String>>,
    /// A leader whom no majority has answered for so long is none.
    pub(super) patience: Duration,
}

impl Watcher {
    pub(super) async fn run(self) {
        let mut metrics = self.raft.metrics();
        // The term in which a majority has confirmed that this node leads, and the image holds all that earlier ones kept.
        let mut confirmed = None;
        loop {
            let now = metrics.borrow_and_update().clone();
            self.contacts.grown(now.last_log_index.map_or(0, |last| last + 1));
            if let Err(error) = &now.running_state {
                if *error != openraft::error::Fatal::Stopped {
                    tracing::error!(%error, "the metadata quorum has failed on this node, restart the broker");
                    self.failure.send_replace(Some(error.to_string()));
                }
                break;
            }
            if now.state == ServerState::Leader && confirmed != Some(now.current_term) {
                // One that comes back as a leader may have been replaced long ago. Until it knows, nobody leads here.
                self.publish(&now, None);
                if !self.confirm().await {
                    if metrics.changed().await.is_err() {
                        break;
                    }
                    continue;
                }
                confirmed = Some(now.current_term);
                joining::settle(&self.raft, self.patience).await;
                continue;
            }
            self.publish(&now, confirmed);
            if metrics.changed().await.is_err() {
                break;
            }
        }
        let epoch = self.leadership.borrow().epoch;
        self.leadership.send_replace(Leadership { epoch, leader: None, is_self: false });
    }

    /// Whether a majority says that this node leads.
    async fn confirm(&self) -> bool {
        let confirmed = timeout(self.patience, self.raft.ensure_linearizable()).await;
        matches!(confirmed, Ok(Ok(_)))
    }

    fn publish(&self, metrics: &Metrics, confirmed: Option<u64>) {
        let leadership = leadership(metrics, confirmed, self.patience);
        let changed = self.leadership.send_if_modified(|last| {
            let changed = *last != leadership;
            last.clone_from(&leadership);
            changed
        });
        if changed {
            let Leadership { epoch, leader, is_self } = leadership;
            tracing::info!(epoch, leader, is_self, "leader of the metadata quorum");
        }
    }
}

/// What the metrics say of the leader. `confirmed` is the term in which a majority has agreed that this node leads.
fn leadership(metrics: &Metrics, confirmed: Option<u64>, patience: Duration) -> Leadership {
    let epoch = epoch(metrics.current_term);
    if metrics.state == ServerState::Leader {
        let acked = metrics.millis_since_quorum_ack.map(Duration::from_millis);
        let is_self = confirmed == Some(metrics.current_term) && acked.is_some_and(|acked| acked <= patience);
        let leader = metrics.membership_config.membership().get_node(&metrics.id);
        return Leadership { epoch, leader: leader.filter(|_| is_self).map(|node| node.node_id), is_self };
    }
    // A vote for itself, from before it was left out of the voters, says nothing.
    let leader = metrics.current_leader.filter(|leader| *leader != metrics.id);
    let leader = leader.and_then(|leader| metrics.membership_config.membership().get_node(&leader));
    Leadership { epoch, leader: leader.map(|node| node.node_id), is_self: false }
}

/// Waits for nodes whose process is dead; if one led, the survivors elect another without waiting for its silence.
pub(super) async fn replace_lost(
    raft: Raft,
    shared: Arc<Shared>,
    heartbeat: Duration,
    mut lost: mpsc::Receiver<i32>,
) {
    while let Some(node_id) = lost.recv().await {
        elect_instead(&raft, &shared.heard, (heartbeat / 2).max(TURN_MIN), node_id).await;
    }
}

/// Lets go of observers that are silent for too long: a leader that has just begun has heard of nobody yet, and waits as long.
pub(super) async fn forget_silent(
    raft: Raft,
    contacts: Arc<Contacts>,
    mut leadership: watch::Receiver<Leadership>,
    (session, limit): (Duration, Duration),
) {
    loop {
        let Ok(led) = leadership.wait_for(|now| now.is_self).await.map(|now| now.epoch) else { return };
        let leads = |now: &Leadership| now.is_self && now.epoch == led;
        while timeout(session, leadership.wait_for(|now| !leads(now))).await.is_err() {
            joining::forget_silent(&raft, &contacts, session, limit).await;
        }
    }
}

/// Survivors still trust the dead leader for a while, and refuse to vote. Whoever stands for election trusts it no more:
/// so all stand, one after the other in the order of their ids, and the first who asks again is elected.
async fn elect_instead(raft: &Raft, heard: &Heard, turn: Duration, lost: i32) {
    let metrics = raft.metrics();
    for attempt in 0..ATTEMPTS {
        let (rank, survivors) = {
            let now = metrics.borrow();
            match turns(&now, lost) {
                Some(turns) => turns,
                None => return,
            }
        };
        let wait = if attempt == 0 { turn * rank } else { turn * survivors };
        tokio::time::sleep(wait).await;
        if turns(&metrics.borrow(), lost).is_none() {
            return;
        }
        tracing::info!(leader = lost, attempt, "the quorum's leader is dead, standing for election");
        if elect(raft, heard).await.is_err() {
            return;
        }
        // The next look must see what this has done.
        let term = metrics.borrow().current_term;
        let wait = raft.wait(Some(turn));
        // Whether it was seen in time makes no difference to what comes next.
        let _ = wait.metrics(|now| now.current_term > term, "standing for election").await;
    }
}

/// This node's place among the survivors, and how many there are; `None` when there is nothing to be elected.
fn turns(metrics: &Metrics, lost: i32) -> Option<(u32, u32)> {
    let members = metrics.membership_config.membership();
    let me = members.get_node(&metrics.id)?.node_id;
    let leader = metrics.current_leader.and_then(|leader| members.get_node(&leader));
    if leader.is_some_and(|leader| leader.node_id != lost) || me == lost {
        return None;
    }
    let voters = members.voter_ids().filter_map(|id| members.get_node(&id)).map(|node| node.node_id);
    let survivors: BTreeSet<i32> = voters.filter(|node_id| *node_id != lost).collect();
    let rank = survivors.iter().position(|node_id| *node_id == me)?;
    Some((u32::try_from(rank).ok()?, u32::try_from(survivors.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::Uuid;
    use openraft::Vote;

    use super::*;
    use crate::meta::raft::types::{Members, StoredMembers};

    fn node(node_id: i32) -> Node {
        Node::new(node_id, Uuid([u8::try_from(node_id).unwrap(); 16]), "h", 1)
    }

    fn metrics(me: i32, leader: Option<i32>) -> Metrics {
        let nodes = [node(1), node(2), node(3)];
        let members = Members::new(
            vec![nodes.iter().map(Node::raft_id).collect()],
            nodes
                .map(|node| (node.raft_id(), node))
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        );
        let mut metrics = Metrics::new_initial(node(me).raft_id());
        metrics.current_term = 5;
        metrics.vote = Vote::new(5, node(me).raft_id());
        metrics.current_leader = leader.map(|leader| node(leader).raft_id());
        if leader == Some(me) {
            metrics.state = ServerState::Leader;
        }
        metrics.membership_config = Arc::new(StoredMembers::new(None, members));
        metrics
    }

    #[test]
    fn a_leader_is_one_only_while_a_majority_confirms_it() {
        let patience = Duration::from_secs(1);
        let mut metrics = metrics(1, Some(1));
        metrics.millis_since_quorum_ack = Some(10);
        let none = Leadership { epoch: 5, leader: None, is_self: false };
        assert_eq!(leadership(&metrics, None, patience), none);
        assert_eq!(leadership(&metrics, Some(4), patience), none);
        let led = Leadership { epoch: 5, leader: Some(1), is_self: true };
        assert_eq!(leadership(&metrics, Some(5), patience), led);
        metrics.millis_since_quorum_ack = Some(1001);
        assert_eq!(leadership(&metrics, Some(5), patience), none);
        metrics.millis_since_quorum_ack = None;
        assert_eq!(leadership(&metrics, Some(5), patience), none);
    }

    #[test]
    fn survivors_of_a_leader_take_turns_and_nobody_stands_against_a_living_one() {
        assert_eq!(turns(&metrics(2, Some(1)), 1), Some((0, 2)));
        assert_eq!(turns(&metrics(3, Some(1)), 1), Some((1, 2)));
        assert_eq!(turns(&metrics(3, None), 1), Some((1, 2)));
        assert_eq!(turns(&metrics(3, Some(2)), 1), None);
        assert_eq!(turns(&metrics(1, Some(1)), 1), None);
    }
}
