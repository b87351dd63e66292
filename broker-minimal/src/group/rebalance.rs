//! How a group gets from one generation to the next, and what becomes of members that are not heard of.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::ErrorCode;

use super::classic::{Env, Group, JoinTimer, State};
use super::effects::{Effects, Reply};
use super::join::refused;
use super::sync::unsynced;

/// The least time between two looks at a group whose static members do not come back.
const POSTPONE_MIN: Duration = Duration::from_secs(1);

impl Group {
    /// Members changed: a group that runs begins a rebalance, one that rebalances may have everyone now.
    pub(super) fn rebalance_or_complete(&mut self, env: Env<'_>, out: &mut Effects) {
        match self.state {
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare_rebalance(env, out),
            State::PreparingRebalance => self.complete_if_all_joined(env, out),
        }
    }

    pub(super) fn prepare_rebalance(&mut self, env: Env<'_>, out: &mut Effects) {
        if self.state == State::CompletingRebalance {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
                if let Some(reply) = member.sync.take() {
                    member.touch(env.now.at);
                    out.reply(reply, unsynced(ErrorCode::REBALANCE_IN_PROGRESS));
                }
            }
        }
        self.unsynced.clear();
        self.sync_deadline = None;
        let timeout = self.rebalance_timeout();
        let was_empty = self.state == State::Empty;
        self.state = State::PreparingRebalance;
        if was_empty {
            // Members of a new group start one after the other: each would cost all others a rebalance.
            let delay = env.settings.initial_rebalance_delay;
            let remaining = timeout.saturating_sub(delay);
            let at = env.now.at + delay;
            self.join_timer = Some(JoinTimer::Initial { at, delay, remaining, has_newcomer: false });
        } else {
            self.join_timer = Some(JoinTimer::Rebalance { at: env.now.at + timeout });
            self.complete_if_all_joined(env, out);
        }
    }

    pub(super) fn complete_if_all_joined(&mut self, env: Env<'_>, out: &mut Effects) {
        let waits_for_more = matches!(self.join_timer, Some(JoinTimer::Initial { .. }));
        let all_joined = self.pending.is_empty() && self.members.values().all(|member| member.join.is_some());
        if self.state == State::PreparingRebalance && all_joined && !waits_for_more {
            self.complete_join(env, out);
        }
    }

    /// The next generation begins with those that have joined. Static members may be late: they keep their place until their
    /// session ends.
    fn complete_join(&mut self, env: Env<'_>, out: &mut Effects) {
        self.join_timer = None;
        let late =
            self.members.values().filter(|member| member.join.is_none() && member.instance_id.is_none());
        for id in late.map(|member| member.id.clone()).collect::<Vec<_>>() {
            self.remove(&id, out);
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            let at = env.now.at + self.rebalance_timeout().max(POSTPONE_MIN);
            self.join_timer = Some(JoinTimer::Rebalance { at });
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.protocol = None;
            let value = self.to_stored(|_| Bytes::new(), env.now.ms);
            self.store(value, out);
            return;
        }
        self.state = State::CompletingRebalance;
        self.protocol = self.select_protocol();
        self.topics = self.subscribed_topics();
        self.unsynced = self.members.keys().cloned().collect();
        self.sync_deadline = Some(env.now.at + self.rebalance_timeout());
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.assignment = Bytes::new();
            member.touch(env.now.at);
            if let Some(waiting) = member.join.take() {
                out.reply(waiting.reply, Reply::Join(response));
            }
        }
    }

    /// The leader stays if it has joined; else somebody leads who has.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &String| self.members.get(id).is_some_and(|member| member.join.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let joined = self.members.values().find(|member| member.join.is_some());
        let Some(leader) = joined.map(|member| member.id.clone()) else { return false };
        self.leader = Some(leader);
        true
    }

    /// Takes a member out; what waits for it is told. The caller goes on with [`Group::on_removed`].
    pub(super) fn remove(&mut self, id: &str, out: &mut Effects) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(waiting) = member.join {
            out.reply(waiting.reply, Reply::Join(refused(id, ErrorCode::UNKNOWN_MEMBER_ID)));
        }
        if let Some(reply) = member.sync {
            out.reply(reply, unsynced(ErrorCode::UNKNOWN_MEMBER_ID));
        }
        if let Some(instance) = &member.instance_id {
            self.statics.remove(instance);
        }
        self.unsynced.remove(id);
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// Members have gone.
    pub(super) fn on_removed(&mut self, env: Env<'_>, out: &mut Effects) {
        match self.state {
            State::Empty => {}
            State::CompletingRebalance | State::Stable => self.prepare_rebalance(env, out),
            State::PreparingRebalance => self.complete_if_all_joined(env, out),
        }
    }

    /// When [`Group::on_deadline`] wants to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let join = self.join_timer.as_ref().map(JoinTimer::at);
        let members = self.members.values().filter_map(super::member::Member::dies_at).min();
        let pending = self.pending.values().min().copied();
        [join, self.sync_deadline, members, pending].into_iter().flatten().min()
    }

    /// Does what time asks for.
    pub(super) fn on_deadline(&mut self, env: Env<'_>, out: &mut Effects) {
        let now = env.now.at;
        let pending_before = self.pending.len();
        self.pending.retain(|_, at| *at > now);
        if self.pending.len() < pending_before {
            self.complete_if_all_joined(env, out);
        }
        let is_dead = |member: &super::member::Member| member.dies_at().is_some_and(|at| at <= now);
        let dead: Vec<String> =
            self.members.values().filter(|member| is_dead(member)).map(|member| member.id.clone()).collect();
        for id in &dead {
            tracing::info!(group = self.id, member = id, "member's session has ended");
            self.remove(id, out);
        }
        if !dead.is_empty() {
            self.on_removed(env, out);
        }
        if self.sync_deadline.is_some_and(|at| at <= now) {
            self.expire_unsynced(env, out);
        }
        if self.join_timer.is_some_and(|timer| timer.at() <= now) {
            self.on_join_timer(env, out);
        }
    }

    /// Members that joined and never asked for what they were assigned are out.
    fn expire_unsynced(&mut self, env: Env<'_>, out: &mut Effects) {
        self.sync_deadline = None;
        let silent = std::mem::take(&mut self.unsynced);
        if silent.is_empty() {
            return;
        }
        for id in &silent {
            tracing::info!(group = self.id, member = id, "member joined and did not ask for its assignment");
            self.remove(id, out);
        }
        self.on_removed(env, out);
    }

    fn on_join_timer(&mut self, env: Env<'_>, out: &mut Effects) {
        match self.join_timer {
            Some(JoinTimer::Initial { delay, remaining, has_newcomer: true, .. }) if !remaining.is_zero() => {
                let step = env.settings.initial_rebalance_delay.min(remaining);
                let remaining = remaining.saturating_sub(delay);
                let at = env.now.at + step;
                self.join_timer =
                    Some(JoinTimer::Initial { at, delay: step, remaining, has_newcomer: false });
            }
            Some(_) => self.complete_join(env, out),
            None => {}
        }
    }
}
