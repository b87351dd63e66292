//! When this node stands for election. openraft would do it by its clock alone, and a node that was frozen or cut off for a while then
//! deposes, by its higher term, a leader that everybody else hears. So others are asked first whether they hear one (the
//! pre-vote of the Raft thesis, 9.6).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openraft::ServerState;
use openraft::error::Fatal;
use tokio::task::JoinSet;

use super::network::{Answer, Message};
use super::types::{Members, Raft};
use super::{Running, Shared};
use crate::clock;

/// How many terms one election may skip: nobody is made to count to what a message says.
const TERMS_MAX: u64 = 16;

/// When this node last heard what keeps it from standing for election.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    leader: Option<Instant>,
    /// Somebody who stood got its vote, and may lead in a moment.
    candidate: Option<Instant>,
    /// The newest term that others stood in.
    term: u64,
}

impl Heard {
    pub(super) fn leader(&self) {
        self.with(|times| times.leader = Some(clock::now()));
    }

    pub(super) fn candidate(&self) {
        self.with(|times| times.candidate = Some(clock::now()));
    }

    /// Somebody stands in this term.
    pub(super) fn stands(&self, term: u64) {
        self.with(|times| times.term = times.term.max(term));
    }

    fn term(&self) -> u64 {
        self.with(|times| times.term)
    }

    /// Whether the leader was heard within this time.
    pub(super) fn has_leader_within(&self, limit: Duration) -> bool {
        let now = clock::now();
        self.with(|times| times.leader.is_some_and(|at| now.saturating_duration_since(at) < limit))
    }

    fn has_anybody_within(&self, limit: Duration) -> bool {
        let now = clock::now();
        self.with(|times| times.leader.max(times.candidate).is_some_and(|at| now < at + limit))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Times) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Looks every `tick` whether the leader was silent for `timeout`, until the quorum ends.
pub(super) async fn stand(shared: Arc<Shared>, timeout: Duration, tick: Duration) {
    let Some(running) = shared.running.get() else { return };
    // Whoever starts gives the leader its time.
    shared.heard.candidate();
    loop {
        tokio::time::sleep(tick).await;
        let (members, me) = {
            let metrics = running.raft.metrics();
            let metrics = metrics.borrow();
            if metrics.state == ServerState::Leader {
                continue;
            }
            (metrics.membership_config.membership().clone(), metrics.id)
        };
        let voters: BTreeSet<u64> = members.voter_ids().collect();
        let is_alone = voters.iter().eq([&me]);
        if !voters.contains(&me) || !is_alone && shared.heard.has_anybody_within(timeout) {
            continue;
        }
        if !is_alone && !a_majority_hears_nobody(&shared, running, &members, me, tick).await {
            continue;
        }
        tracing::info!("nobody hears a leader of the quorum, standing for election");
        shared.heard.candidate();
        if elect(&running.raft, &shared.heard).await.is_err() {
            return;
        }
    }
}

/// Stands for election, above every term that others stood in. openraft forgets the term of a candidate whose log is shorter than
/// its own, and would stand in the very term in which that candidate has voted for itself: both again and again, and nobody leads.
pub(super) async fn elect(raft: &Raft, heard: &Heard) -> Result<(), Fatal<u64>> {
    let term = raft.metrics().borrow().current_term;
    for _ in 0..=heard.term().saturating_sub(term).min(TERMS_MAX) {
        raft.trigger().elect().await?;
    }
    Ok(())
}

async fn a_majority_hears_nobody(
    shared: &Shared,
    running: &Running,
    members: &Members,
    me: u64,
    limit: Duration,
) -> bool {
    let mut asked = JoinSet::new();
    for id in members.voter_ids().filter(|id| *id != me) {
        let Some(node) = members.get_node(&id) else { continue };
        let caller = running.caller.clone();
        let (host, port) = shared.contacts.address(id, node);
        asked.spawn(async move {
            let answer = caller.call((&host, port), Some(id), Message::Leader, limit).await;
            matches!(answer, Ok(Answer::Leader { is_heard: false })).then_some(id)
        });
    }
    let mut agree = BTreeSet::from([me]);
    while let Some(answered) = asked.join_next().await {
        agree.extend(answered.ok().flatten());
    }
    is_majority(members, &agree)
}

/// Of each set of voters, while they are being changed.
fn is_majority(members: &Members, agree: &BTreeSet<u64>) -> bool {
    members.get_joint_config().iter().all(|voters| voters.intersection(agree).count() > voters.len() / 2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::meta::raft::types::Node;

    #[test]
    fn while_voters_change_a_majority_of_the_old_and_of_the_new_ones_is_needed() {
        let sets = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([3, 4, 5])];
        let nodes: BTreeMap<u64, Node> = (1..=5).map(|id| (id, Node::default())).collect();
        let members = Members::new(sets, nodes);
        let agree = |ids: &[u64]| is_majority(&members, &ids.iter().copied().collect());
        assert!(agree(&[2, 3, 4]) && agree(&[1, 2, 4, 5]));
        assert!(!agree(&[1, 2, 3]) && !agree(&[1, 3]) && !agree(&[]));
    }
}
