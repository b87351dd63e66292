//! What answers, and the user's giving up, do to a membership.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::{Action, Identity, Membership, PROTOCOL_TYPE, State};
use crate::consumer::assignor::{Member, TopicPartitions, decode_assignment, decode_subscription};
use crate::protocol::ErrorCode;
use crate::protocol::messages::join_group::JoinGroupResponseMember;
use crate::protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use crate::{Error, ErrorKind, Result, TopicPartition};

impl Membership {
    /// The coordinator was found, or not. `unit` is a random number in `0.0..1.0`.
    pub(in crate::consumer) fn on_found(&mut self, found: Result<i32>, now: Instant, unit: f64) {
        self.finding = false;
        match found {
            Ok(broker) => {
                self.coordinator = Some(broker);
                self.heartbeat_due = self.heartbeat_due.min(now);
            }
            Err(error) => self.failed(error, now, unit),
        }
    }

    /// Somebody learned that the coordinator is not, or not any more, where it was thought to be.
    pub(in crate::consumer) fn on_coordinator_lost(&mut self, broker: i32) {
        self.coordinator.take_if(|known| *known == broker);
    }

    pub(in crate::consumer) fn on_joined(
        &mut self,
        era: u64,
        answer: Result<JoinGroupResponse>,
        now: Instant,
        unit: f64,
    ) {
        if era != self.era || self.state != State::Joining {
            return;
        }
        self.state = State::Out;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.unanswered(error, now, unit),
        };
        match answer.error_code {
            ErrorCode::NONE => self.joined(answer, now),
            ErrorCode::MEMBER_ID_REQUIRED => self.identity.member_id = answer.member_id,
            ErrorCode::INVALID_SESSION_TIMEOUT if self.settings.shorter_session.is_some() => {
                let shorter = self.settings.shorter_session.take();
                info!(
                    group = self.settings.group_id,
                    ?shorter,
                    "the broker allows no session as long as the default"
                );
                self.settings.session_timeout = shorter.unwrap_or(self.settings.session_timeout);
            }
            code => {
                self.refused(code, "JoinGroup", now, unit);
                self.fruitless += 1;
                self.wait(self.fruitless, now, unit);
            }
        }
    }

    fn joined(&mut self, answer: JoinGroupResponse, now: Instant) {
        self.recovered(now);
        debug!(
            group = self.settings.group_id,
            generation = answer.generation_id,
            leader = answer.leader,
            "all have joined"
        );
        self.identity = Identity { generation: answer.generation_id, member_id: answer.member_id };
        self.heartbeat_out = false;
        self.heartbeat_due = now + self.settings.heartbeat_interval;
        let chosen = answer.protocol_name.as_deref().unwrap_or_default();
        let assignor = self.settings.assignors.iter().find(|assignor| assignor.name() == chosen).cloned();
        if answer.protocol_type.as_deref().is_some_and(|kind| kind != PROTOCOL_TYPE) || assignor.is_none() {
            let message = format!("group {} chose the protocol {chosen:?}", self.settings.group_id);
            let error = Error::new(ErrorKind::Protocol, message);
            return self.end_with(
                error.hinted("all members need an entry of partition.assignment.strategy in common"),
            );
        }
        self.assignor = assignor;
        self.is_leader = answer.leader == self.identity.member_id;
        self.members = answer.members.into_iter().map(member).collect();
        if !self.is_leader || answer.skip_assignment {
            let sync = self.sync(Vec::new());
            return self.actions.push_back(sync);
        }
        let mut topics: Vec<Arc<str>> = self.members.iter().flat_map(|m| m.topics.iter().cloned()).collect();
        topics.sort();
        topics.dedup();
        self.state = State::Looking;
        self.actions.push_back(Action::Look(self.era, topics));
    }

    /// What there is to share out.
    pub(in crate::consumer) fn on_topics(
        &mut self,
        era: u64,
        found: Result<TopicPartitions>,
        now: Instant,
        unit: f64,
    ) {
        if era != self.era || self.state != State::Looking {
            return;
        }
        match (found, self.assignor.clone()) {
            (Ok(topics), Some(assignor)) => {
                let next = self.share_out(&assignor, &topics);
                self.actions.push_back(next);
            }
            (Ok(_), None) => {}
            // The others wait for this member: joining again lets the coordinator go on.
            (Err(error), _) => {
                self.state = State::Out;
                self.failed(error, now, unit);
            }
        }
    }

    pub(in crate::consumer) fn on_synced(
        &mut self,
        era: u64,
        answer: Result<SyncGroupResponse>,
        now: Instant,
        unit: f64,
    ) {
        if era != self.era || self.state != State::Syncing {
            return;
        }
        self.state = State::Out;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.unanswered(error, now, unit),
        };
        if let Err(code) = answer.error_code.ok() {
            self.refused(code, "SyncGroup", now, unit);
            // The first time nothing is waited for: while others join, a generation may end before it has begun.
            self.fruitless += 1;
            if self.fruitless > 1 {
                self.wait(self.fruitless - 1, now, unit);
            }
            return;
        }
        match decode_assignment(answer.assignment) {
            Ok(partitions) => self.synced(partitions, now),
            Err(error) => self.end_with(error),
        }
    }

    fn synced(&mut self, mut partitions: Vec<TopicPartition>, now: Instant) {
        self.recovered(now);
        self.fruitless = 0;
        self.state = State::Stable;
        self.heartbeat_due = now + self.settings.heartbeat_interval;
        partitions.sort();
        partitions.dedup();
        let owned = std::mem::take(&mut self.owned);
        let added: Vec<_> = partitions.iter().filter(|at| !owned.contains(at)).cloned().collect();
        let (kept, gone): (Vec<_>, Vec<_>) = owned.into_iter().partition(|at| partitions.contains(at));
        self.owned = kept;
        self.owned.extend(added.iter().cloned());
        self.last = (partitions, self.identity.generation);
        if self.told != self.topics {
            self.rejoin("the subscription changed");
        }
        // Also with nothing in it: the user may wait to hear that it has its share.
        self.actions.push_back(Action::Assign { partitions: added });
        if !gone.is_empty() {
            // Whoever is to get them can have them only in the next generation (KIP-429).
            self.rejoin.get_or_insert("partitions were given up");
            let revoke = self.revoke(gone, false);
            self.actions.push_back(revoke);
        }
    }

    /// The user has given up what it was asked to.
    pub(in crate::consumer) fn on_revoked(&mut self, era: u64) {
        self.revoking.remove(&era);
        if !self.revoking.is_empty() || self.state != State::Revoking {
            return;
        }
        self.state =
            if self.identity.generation >= 0 && self.rejoin.is_none() { State::Stable } else { State::Out };
    }

    pub(in crate::consumer) fn on_heartbeat(
        &mut self,
        of: &Identity,
        answer: Result<HeartbeatResponse>,
        now: Instant,
        unit: f64,
    ) {
        if *of != self.identity || matches!(self.state, State::Ended | State::Stalled) {
            return;
        }
        self.heartbeat_out = false;
        self.heartbeat_due = now + self.settings.heartbeat_interval;
        if matches!(self.state, State::Out | State::Joining) {
            return;
        }
        match answer.map(|answer| answer.error_code) {
            Ok(ErrorCode::NONE) => self.recovered(now),
            Ok(ErrorCode::REBALANCE_IN_PROGRESS) if self.state == State::Stable => {
                debug!(group = self.settings.group_id, "the group rebalances");
                self.rejoin.get_or_insert("the group rebalances");
            }
            // It is on its way there.
            Ok(ErrorCode::REBALANCE_IN_PROGRESS) => {
                debug!(group = self.settings.group_id, state = ?self.state, "the group rebalances and waits for this member");
            }
            Ok(code) => self.refused(code, "Heartbeat", now, unit),
            Err(error) => {
                // The next one goes to whoever coordinates then, without waiting.
                self.heartbeat_due = now;
                self.coordinator = None;
                self.failed(error, now, unit);
            }
        }
    }

    /// A commit was refused because this consumer is not, or not any more, the member it was.
    pub(in crate::consumer) fn on_commit_refused(&mut self, code: ErrorCode, of: &Identity, now: Instant) {
        if *of == self.identity && !matches!(self.state, State::Ended | State::Stalled | State::Joining) {
            self.refused(code, "OffsetCommit", now, 0.5);
        }
    }

    /// A broker's refusal of whatever it was.
    fn refused(&mut self, code: ErrorCode, what: &str, now: Instant, unit: f64) {
        let error = || Error::broker(code, format_args!("group {}: {what}", self.settings.group_id));
        match code {
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                let error = error();
                self.coordinator = None;
                self.failed(error, now, unit);
            }
            ErrorCode::REBALANCE_IN_PROGRESS => self.rejoin("the group rebalances"),
            ErrorCode::UNKNOWN_MEMBER_ID => {
                warn!(group = self.settings.group_id, "{}", error());
                self.identity = Identity { member_id: String::new(), generation: -1 };
                self.lose();
            }
            ErrorCode::ILLEGAL_GENERATION => {
                warn!(group = self.settings.group_id, "{}", error());
                self.identity.generation = -1;
                self.lose();
            }
            ErrorCode::FENCED_INSTANCE_ID => {
                let error = error().hinted("another consumer runs with the same group.instance.id");
                self.end_with(error);
            }
            code if code.is_retriable() => {
                let error = error();
                self.failed(error, now, unit);
            }
            _ => {
                let error = error();
                self.lose();
                self.not_before = Some(now + self.settings.retry.max);
                self.actions.push_back(Action::Tell { error, lasting: false });
            }
        }
    }

    /// What it owns may be another's by now.
    pub(super) fn lose(&mut self) {
        self.rejoin = None;
        self.is_leader = false;
        self.heartbeat_out = false;
        self.era += 1;
        let owned = std::mem::take(&mut self.owned);
        if owned.is_empty() && self.state != State::Revoking {
            self.state = State::Out;
        } else {
            let revoke = self.revoke(owned, true);
            self.actions.push_back(revoke);
        }
    }

    fn end_with(&mut self, error: Error) {
        self.lose();
        self.state = State::Ended;
        self.actions.push_back(Action::Tell { error, lasting: true });
    }

    /// No answer came. The coordinator is looked for again; the member id stays, so that no second member appears.
    fn unanswered(&mut self, error: Error, now: Instant, unit: f64) {
        if !error.is_retriable() {
            self.not_before = Some(now + self.settings.retry.max);
            self.actions.push_back(Action::Tell { error, lasting: false });
            return;
        }
        self.coordinator = None;
        self.failed(error, now, unit);
    }

    fn failed(&mut self, error: Error, now: Instant, unit: f64) {
        self.failures += 1;
        if self.trouble.is_there(now) {
            warn!(group = self.settings.group_id, %error, "the group's coordinator");
        } else {
            debug!(group = self.settings.group_id, failures = self.failures, %error, "the group's coordinator, still");
        }
        self.not_before = Some(now + self.settings.retry.delay(self.failures, unit));
        let since = *self.failing_since.get_or_insert(now);
        if !error.is_retriable() || now >= since + self.settings.patience {
            self.failing_since = None;
            self.not_before = Some(now + self.settings.retry.max);
            self.actions.push_back(Action::Tell { error, lasting: false });
        }
    }

    /// What was refused may be for some time: asked again at once, it would be as fast as the coordinator answers.
    fn wait(&mut self, refusals: u32, now: Instant, unit: f64) {
        if self.not_before.is_none() && self.state != State::Ended {
            self.not_before = Some(now + self.settings.retry.delay(refusals, unit));
        }
    }

    fn recovered(&mut self, now: Instant) {
        if let Some(after) = self.trouble.is_over(now) {
            info!(group = self.settings.group_id, ?after, "the group's coordinator answers again");
        }
        (self.failures, self.failing_since, self.not_before) = (0, None, None);
    }
}

/// One whose subscription cannot be read gets nothing, and the others their share.
fn member(member: JoinGroupResponseMember) -> Member {
    let id = member.member_id;
    decode_subscription(id.clone(), member.group_instance_id.clone(), member.metadata).unwrap_or_else(
        |error| {
            warn!(member = id, %error, "a member's subscription cannot be read");
            Member {
                id: id.clone(),
                instance_id: member.group_instance_id,
                rack: None,
                topics: Vec::new(),
                owned: Vec::new(),
                generation: -1,
                user_data: None,
            }
        },
    )
}
