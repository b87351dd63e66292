//! A member's side of the classic group protocol: joins, takes its share, stays alive, gives partitions up, leaves.
//!
//! Answers and time come in, what to do comes out. It knows no socket, no clock and no task.

mod answers;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assignor::{Assignor, Member, TopicPartitions, are_cooperative};
use super::assignor::{encode_assignment, encode_subscription};
use crate::net::Backoff;
use crate::protocol::messages::join_group::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group::MemberIdentity;
use crate::protocol::messages::sync_group::SyncGroupRequestAssignment;
use crate::protocol::messages::{HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};
use crate::trouble::Trouble;
use crate::{Error, Result, TopicPartition};

/// The kind of group that consumers form.
pub(super) const PROTOCOL_TYPE: &str = "consumer";

/// What the configuration says about the group.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) group_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) session_timeout: Duration,
    /// What to say when the broker allows no session as long as that: brokers up to 0.10.0 allow 30 s, and the default is more.
    pub(super) shorter_session: Option<Duration>,
    /// How long the others wait in a rebalance: `max.poll.interval.ms`.
    pub(super) rebalance_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) retry: Backoff,
    /// Trouble that lasts this long is told to the user.
    pub(super) patience: Duration,
    pub(super) assignors: Vec<Arc<dyn Assignor>>,
}

/// Who this consumer is in its group; what commits carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) member_id: String,
    /// -1: not a member at present.
    pub(super) generation: i32,
}

/// What is to be done. Answers come back with the era of their request; those of an earlier one are of no use any more.
#[derive(Debug)]
pub(super) enum Action {
    /// Find the coordinator: [`Membership::on_found`].
    Find,
    /// [`Membership::on_joined`].
    Join(u64, JoinGroupRequest),
    /// This member shares out: it needs to know the partitions of these topics. [`Membership::on_topics`].
    Look(u64, Vec<Arc<str>>),
    /// [`Membership::on_synced`].
    Sync(u64, SyncGroupRequest),
    /// [`Membership::on_heartbeat`].
    Heartbeat(HeartbeatRequest),
    /// The user gives partitions up: [`Membership::on_revoked`]. If they are lost somebody else may have them already, so
    /// nothing can be committed any more.
    Revoke { era: u64, partitions: Vec<TopicPartition>, lost: bool },
    /// The user gets partitions, besides those it has.
    Assign { partitions: Vec<TopicPartition> },
    /// Leave without waiting for an answer.
    Leave(LeaveGroupRequest),
    /// The user is to hear of it. A lasting one ends the membership.
    Tell { error: Error, lasting: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not in the group, or about to join again.
    Out,
    /// The user gives partitions up; then the group is joined, if that is due.
    Revoking,
    Joining,
    /// The leader looks up what there is to share.
    Looking,
    Syncing,
    Stable,
    /// The user has made no progress for too long: left, until it does.
    Stalled,
    /// For good.
    Ended,
}

#[derive(Debug)]
pub(super) struct Membership {
    settings: Settings,
    topics: Vec<Arc<str>>,
    /// What it said to the group it wants to read.
    told: Vec<Arc<str>>,
    state: State,
    era: u64,
    actions: VecDeque<Action>,
    coordinator: Option<i32>,
    finding: bool,
    identity: Identity,
    /// The assignor of this generation.
    assignor: Option<Arc<dyn Assignor>>,
    owned: Vec<TopicPartition>,
    /// What the user is asked to give up and has not yet: until then the group is not joined again.
    revoking: BTreeSet<u64>,
    /// What the last assignment was, and in which generation: sticky assignors tell it, also after it was given up.
    last: (Vec<TopicPartition>, i32),
    /// The members this leader shares out to. Others do not hear of them.
    members: Vec<Member>,
    is_leader: bool,
    /// Why the group is to be joined again.
    rejoin: Option<&'static str>,
    heartbeat_due: Instant,
    heartbeat_out: bool,
    failures: u32,
    /// Refusals to join or to sync since there was a share last.
    fruitless: u32,
    failing_since: Option<Instant>,
    trouble: Trouble,
    not_before: Option<Instant>,
}

impl Membership {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            topics: Vec::new(),
            told: Vec::new(),
            state: State::Out,
            era: 0,
            actions: VecDeque::new(),
            coordinator: None,
            finding: false,
            identity: Identity { member_id: String::new(), generation: -1 },
            assignor: None,
            owned: Vec::new(),
            revoking: BTreeSet::new(),
            last: (Vec::new(), -1),
            members: Vec::new(),
            is_leader: false,
            rejoin: None,
            heartbeat_due: now,
            heartbeat_out: false,
            failures: 0,
            fruitless: 0,
            failing_since: None,
            trouble: Trouble::default(),
            not_before: None,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity.clone()
    }

    pub(super) fn coordinator(&self) -> Option<i32> {
        self.coordinator
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn topics(&self) -> &[Arc<str>] {
        &self.topics
    }

    /// Whether it shares out: then it is the one to notice new partitions.
    pub(super) fn is_leader(&self) -> bool {
        self.is_leader && self.state == State::Stable
    }

    /// Whether there are members that say in which rack they are, as far as the leader knows.
    pub(super) fn has_racks(&self) -> bool {
        self.members.iter().any(|member| member.rack.as_deref().is_some_and(|rack| !rack.is_empty()))
    }

    pub(super) fn owns(&self, at: &TopicPartition) -> bool {
        self.owned.contains(at)
    }

    /// The topics to read; a change makes the group rebalance.
    pub(super) fn subscribe(&mut self, mut topics: Vec<Arc<str>>) {
        topics.sort();
        topics.dedup();
        if topics != self.topics {
            self.topics = topics;
            self.rejoin("the subscription changed");
        }
    }

    /// The group is to be joined again, for a reason that brokers log.
    pub(super) fn rejoin(&mut self, reason: &'static str) {
        if self.identity.generation >= 0 {
            self.rejoin.get_or_insert(reason);
        }
    }

    /// The next thing to do now; asked until there is none.
    pub(super) fn next(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        self.not_before.take_if(|at| *at <= now);
        if self.not_before.is_some() || matches!(self.state, State::Ended | State::Stalled) {
            return None;
        }
        if self.coordinator.is_none() {
            let needed = !self.finding && (self.state != State::Out || !self.topics.is_empty());
            return needed.then(|| {
                self.finding = true;
                Action::Find
            });
        }
        match self.state {
            State::Out if !self.topics.is_empty() && self.revoking.is_empty() => Some(self.prepare()),
            State::Stable if self.rejoin.is_some() => Some(self.prepare()),
            _ => self.heartbeat(now),
        }
    }

    /// When [`next`](Self::next) may have something to do, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Ended | State::Stalled => None,
            _ if self.not_before.is_some() => self.not_before,
            _ if self.may_beat() && self.coordinator.is_some() => Some(self.heartbeat_due),
            _ => None,
        }
    }

    /// Before the group is joined again: what cannot be kept is given up.
    fn prepare(&mut self) -> Action {
        let keeps = are_cooperative(&self.settings.assignors);
        let topics = &self.topics;
        let (kept, given): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.owned).into_iter().partition(|at| keeps && topics.contains(&at.topic));
        self.owned = kept;
        if given.is_empty() { self.join() } else { self.revoke(given, false) }
    }

    fn revoke(&mut self, partitions: Vec<TopicPartition>, lost: bool) -> Action {
        self.state = State::Revoking;
        self.era += 1;
        self.revoking.insert(self.era);
        Action::Revoke { era: self.era, partitions, lost }
    }

    fn join(&mut self) -> Action {
        let settings = &self.settings;
        let (last, last_generation) = &self.last;
        let protocols = settings.assignors.iter().map(|assignor| {
            let data = assignor.user_data(last, *last_generation);
            let rack = settings.rack.as_deref();
            let metadata = encode_subscription(&self.topics, &self.owned, *last_generation, rack, data)?;
            Ok(JoinGroupRequestProtocol { name: assignor.name().to_owned(), metadata })
        });
        let protocols = match protocols.collect::<Result<Vec<_>>>() {
            Ok(protocols) => protocols,
            Err(error) => {
                self.state = State::Ended;
                return Action::Tell { error, lasting: true };
            }
        };
        let request = JoinGroupRequest {
            group_id: settings.group_id.clone(),
            session_timeout_ms: millis(settings.session_timeout),
            rebalance_timeout_ms: millis(settings.rebalance_timeout),
            member_id: self.identity.member_id.clone(),
            group_instance_id: settings.instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols,
            reason: self.rejoin.take().map(str::to_owned),
        };
        self.told.clone_from(&self.topics);
        self.state = State::Joining;
        self.era += 1;
        Action::Join(self.era, request)
    }

    fn share_out(&mut self, assignor: &Arc<dyn Assignor>, topics: &TopicPartitions) -> Action {
        let mut shares = assignor.assign(topics, &self.members);
        let assignments = self.members.iter().map(|member| {
            let share = shares.remove(&member.id).unwrap_or_default();
            Ok(SyncGroupRequestAssignment {
                member_id: member.id.clone(),
                assignment: encode_assignment(&share, None)?,
            })
        });
        match assignments.collect::<Result<Vec<_>>>() {
            Ok(assignments) => self.sync(assignments),
            Err(error) => {
                self.state = State::Ended;
                Action::Tell { error, lasting: true }
            }
        }
    }

    fn sync(&mut self, assignments: Vec<SyncGroupRequestAssignment>) -> Action {
        self.state = State::Syncing;
        let request = SyncGroupRequest {
            group_id: self.settings.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: self.assignor.as_ref().map(|assignor| assignor.name().to_owned()),
            assignments,
        };
        Action::Sync(self.era, request)
    }

    fn may_beat(&self) -> bool {
        let is_member =
            matches!(self.state, State::Stable | State::Syncing | State::Looking | State::Revoking);
        is_member && self.identity.generation >= 0 && !self.heartbeat_out
    }

    fn heartbeat(&mut self, now: Instant) -> Option<Action> {
        if !self.may_beat() || now < self.heartbeat_due {
            return None;
        }
        self.heartbeat_out = true;
        let request = HeartbeatRequest {
            group_id: self.settings.group_id.clone(),
            generation_id: self.identity.generation,
            member_id: self.identity.member_id.clone(),
            group_instance_id: self.settings.instance_id.clone(),
        };
        Some(Action::Heartbeat(request))
    }

    /// The user has handed in nothing for `max.poll.interval.ms`: others get the partitions.
    pub(super) fn on_stalled(&mut self) {
        if self.identity.generation < 0 || matches!(self.state, State::Ended | State::Stalled) {
            return;
        }
        self.actions.extend(self.farewell("max.poll.interval.ms is over").map(Action::Leave));
        self.identity = Identity { member_id: String::new(), generation: -1 };
        self.lose();
        self.state = State::Stalled;
    }

    /// The user gets on again.
    pub(super) fn on_progress(&mut self) {
        if self.state == State::Stalled {
            self.state = State::Out;
        }
    }

    /// The consumer ends: what it still has, to be given up before [`farewell`](Self::farewell) is sent.
    pub(super) fn end(&mut self) -> Vec<TopicPartition> {
        self.state = State::Ended;
        self.era += 1;
        self.actions.clear();
        std::mem::take(&mut self.owned)
    }

    /// The request that leaves the group. Static members leave by their session only, so that a restart moves nothing
    /// (KIP-345).
    pub(super) fn farewell(&self, reason: &str) -> Option<LeaveGroupRequest> {
        let is_known = !self.identity.member_id.is_empty();
        (is_known && self.settings.instance_id.is_none()).then(|| LeaveGroupRequest {
            group_id: self.settings.group_id.clone(),
            member_id: self.identity.member_id.clone(),
            members: vec![MemberIdentity {
                member_id: self.identity.member_id.clone(),
                group_instance_id: None,
                reason: Some(reason.to_owned()),
            }],
        })
    }
}

fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
