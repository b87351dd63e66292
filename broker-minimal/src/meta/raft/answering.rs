//! What this node answers to its peers.

use openraft::error::{InstallSnapshotError, RaftError};
use openraft::raft::AppendEntriesResponse;

use super::Shared;
use super::network::{Answer, Envelope, Message, Refusal};
use super::node::join;

/// Answers a message. What is meant for another member or another cluster is not looked at.
pub(super) async fn answer(shared: &Shared, envelope: Envelope) -> Answer {
    let Envelope { cluster, from, to, message } = envelope;
    let Some(me) = shared.greeting() else { return Answer::Refused(Refusal::NotRunning) };
    if let Message::Hello(theirs) = message {
        if me.cluster.is_none() && theirs.cluster.is_some() {
            shared.poke.notify_one();
        }
        if me.cluster == theirs.cluster || theirs.cluster.is_none() {
            shared.contacts.heard(&from);
        }
        return Answer::Hello(me);
    }
    let Some(ours) = me.cluster else {
        shared.poke.notify_one();
        return Answer::Refused(Refusal::NotFormed);
    };
    if cluster.as_ref() != Some(&ours) {
        return Answer::Refused(Refusal::Cluster(ours));
    }
    let id = me.node.raft_id();
    if to.is_some_and(|to| to != id) {
        return Answer::Refused(Refusal::WrongPeer(id));
    }
    let Some(running) = shared.running.get() else { return Answer::Refused(Refusal::NotRunning) };
    shared.contacts.heard(&from);
    let raft = &running.raft;
    let failed = |error: &dyn std::error::Error| Answer::Refused(Refusal::Failed(error.to_string()));
    match message {
        // Answered above.
        Message::Hello(_) => Answer::Refused(Refusal::NotRunning),
        Message::Join(role) => Answer::Join(join(shared, running, &from, role).await),
        Message::Vote(request) => {
            shared.heard.stands(request.vote.leader_id.term);
            match raft.vote(request).await {
                Ok(answer) => {
                    if answer.vote_granted {
                        shared.heard.candidate();
                    }
                    Answer::Vote(answer)
                }
                Err(error) => failed(&error),
            }
        }
        Message::Append(request) => match raft.append_entries(request).await {
            Ok(answer) => {
                if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
                    shared.heard.leader();
                }
                Answer::Append(answer)
            }
            Err(error) => failed(&error),
        },
        Message::Leader => {
            let leads = shared.leadership.borrow().is_self;
            let is_heard = leads || shared.heard.has_leader_within(shared.settings.election);
            Answer::Leader { is_heard }
        }
        Message::Snapshot(request) => match raft.install_snapshot(request).await {
            Ok(answer) => {
                shared.heard.leader();
                Answer::Snapshot(answer)
            }
            Err(RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch))) => {
                Answer::SnapshotMismatch(mismatch)
            }
            Err(RaftError::Fatal(error)) => failed(&error),
        },
    }
}
