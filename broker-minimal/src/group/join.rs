//! JoinGroup: who may come in, and what that does to the group.

use std::collections::HashSet;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::join_group::JoinGroupResponseMember;
use kinglet_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::classic::{Env, Group, JoinTimer, State, subscription};
use super::effects::{Effects, Joiner, Reply, ReplyId};
use super::member::{Member, Waiting, millis};

/// Ids that a group hands out and waits for, at a time.
const PENDING_MAX: usize = 10_000;
/// Bytes of a client's name in its member's id: an id is a string of 32,767 bytes at most, and in every answer.
const CLIENT_ID_LEN_MAX: usize = 255;
/// A new member sends no heartbeats while its first request waits, and nobody would see that its client has gone: it is to ask
/// again after this time. Kafka's bound.
const NEW_MEMBER_WAIT: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// One JoinGroup on its way through the group.
pub(super) struct Joining {
    pub(super) request: JoinGroupRequest,
    pub(super) joiner: Joiner,
    pub(super) reply: ReplyId,
}

impl Joining {
    /// The id that a new member gets.
    fn fresh_id(&self) -> String {
        let name = self.request.group_instance_id.as_deref().unwrap_or(&self.joiner.client_id);
        let end = (0..=CLIENT_ID_LEN_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end));
        format!("{}-{}", name.get(..end.unwrap_or(0)).unwrap_or_default(), self.joiner.fresh)
    }

    fn update(self, member: &mut Member, out: &mut Effects) {
        member.session_timeout_ms = self.request.session_timeout_ms;
        member.rebalance_timeout_ms = if self.request.rebalance_timeout_ms < 0 {
            self.request.session_timeout_ms
        } else {
            self.request.rebalance_timeout_ms
        };
        let protocols = self.request.protocols.into_iter();
        member.protocols = protocols.map(|protocol| (protocol.name, protocol.metadata)).collect();
        // The member asked again, on another connection most likely: the older request must not wait for ever.
        if let Some(older) = member.join.replace(Waiting { reply: self.reply }) {
            out.reply(older.reply, Reply::Join(refused(&member.id, ErrorCode::REBALANCE_IN_PROGRESS)));
        }
    }
}

/// The answer to a JoinGroup that got nowhere.
pub(super) fn refused(member_id: &str, error_code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error_code, member_id: member_id.to_owned(), ..Default::default() }
}

impl Group {
    /// A member wants in, or in again.
    pub(super) fn join(&mut self, env: Env<'_>, joining: Joining, out: &mut Effects) {
        let (reply, member_id) = (joining.reply, joining.request.member_id.clone());
        if let Err(code) = self.try_join(env, joining, out) {
            out.reply(reply, Reply::Join(refused(&member_id, code)));
        }
    }

    fn try_join(&mut self, env: Env<'_>, joining: Joining, out: &mut Effects) -> Result<(), ErrorCode> {
        let request = &joining.request;
        let id = request.member_id.clone();
        if !self.has_room(env, &id) {
            self.pending.remove(&id);
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        if !self.supports(&request.protocol_type, &request.protocols) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if id.is_empty() {
            return self.join_unknown(env, joining, out);
        }
        if self.pending.remove(&id).is_some() {
            self.add(env, id, joining, out);
            return Ok(());
        }
        self.check_member(&id, request.group_instance_id.as_deref())?;
        let member = self.members.get(&id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let is_same = member.matches(&request.protocols);
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            // It lost the answer and asks again: nothing has changed.
            State::CompletingRebalance if is_same => {
                let response = self.joined(&id);
                out.reply(joining.reply, Reply::Join(response));
                Ok(())
            }
            // A follower that asks again; the leader does so to make the group assign anew.
            State::Stable if is_same && !self.is_leader(&id) => {
                let response = self.joined(&id);
                out.reply(joining.reply, Reply::Join(response));
                Ok(())
            }
            State::PreparingRebalance | State::CompletingRebalance | State::Stable => {
                if let Some(member) = self.members.get_mut(&id) {
                    joining.update(member, out);
                }
                self.rebalance_or_complete(env, out);
                Ok(())
            }
        }
    }

    fn has_room(&self, env: Env<'_>, id: &str) -> bool {
        let max = env.settings.group_size_max;
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                // How many of the others come back is not known: those that have joined count.
                let joins = |member: &Member| member.join.is_some();
                self.members.get(id).is_some_and(joins)
                    || self.members.values().filter(|member| joins(member)).count() < max
            }
            State::CompletingRebalance | State::Stable => {
                self.members.contains_key(id) || self.members.len() < max
            }
        }
    }

    /// Somebody without an id.
    fn join_unknown(&mut self, env: Env<'_>, joining: Joining, out: &mut Effects) -> Result<(), ErrorCode> {
        let id = joining.fresh_id();
        if let Some(instance) = joining.request.group_instance_id.clone() {
            match self.statics.get(&instance).cloned() {
                Some(old) => self.replace_static(env, (instance, &old), id, joining, out),
                None => self.add(env, id, joining, out),
            }
        } else if joining.joiner.knows_member_id_required {
            if self.pending.len() >= PENDING_MAX {
                return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
            }
            // A client that got no answer would come again without an id, and leave members behind that nobody is (KIP-394).
            let timeout = millis(joining.request.session_timeout_ms);
            self.pending.insert(id.clone(), env.now.at + timeout);
            out.reply(joining.reply, Reply::Join(refused(&id, ErrorCode::MEMBER_ID_REQUIRED)));
        } else {
            self.add(env, id, joining, out);
        }
        Ok(())
    }

    fn add(&mut self, env: Env<'_>, id: String, joining: Joining, out: &mut Effects) {
        if let Some(JoinTimer::Initial { has_newcomer, .. }) = &mut self.join_timer {
            *has_newcomer = self.generation == 0;
        }
        if self.members.is_empty() {
            self.protocol_type = Some(joining.request.protocol_type.clone());
        }
        let instance = joining.request.group_instance_id.clone();
        let mut member = Member::new(id.clone(), instance.clone(), &joining.joiner);
        member.deadline = Some(env.now.at + NEW_MEMBER_WAIT);
        joining.update(&mut member, out);
        if let Some(instance) = instance {
            self.statics.insert(instance, id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        self.rebalance_or_complete(env, out);
    }

    /// A static member came back under a new id (KIP-345): its client was restarted.
    fn replace_static(
        &mut self,
        env: Env<'_>,
        (instance, old): (String, &str),
        id: String,
        joining: Joining,
        out: &mut Effects,
    ) {
        let Some(mut member) = self.members.remove(old) else { return };
        if let Some(waiting) = member.join.take() {
            out.reply(waiting.reply, Reply::Join(refused(old, ErrorCode::FENCED_INSTANCE_ID)));
        }
        if let Some(reply) = member.sync.take() {
            out.reply(reply, super::sync::unsynced(ErrorCode::FENCED_INSTANCE_ID));
        }
        let was_leader = self.is_leader(old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        let topics = |member: &Member, protocol: Option<&String>| -> Option<HashSet<String>> {
            Some(subscription(&member.metadata(protocol?)?)?.into_iter().collect())
        };
        let topics_before = topics(&member, self.protocol.as_ref());
        let knows_skip_assignment = joining.joiner.knows_skip_assignment;
        let reply = joining.reply;
        member.id.clone_from(&id);
        member.client_id.clone_from(&joining.joiner.client_id);
        member.client_host.clone_from(&joining.joiner.client_host);
        member.is_new = false;
        joining.update(&mut member, out);
        member.touch(env.now.at);
        let has_same_topics = topics(&member, self.protocol.as_ref()) == topics_before;
        self.members.insert(id.clone(), member);
        self.statics.insert(instance, id.clone());
        if self.state != State::Stable || !has_same_topics || self.select_protocol() != self.protocol {
            return self.rebalance_or_complete(env, out);
        }
        // Nothing that the assignment was made from has changed: the group does not hear of it.
        if let Some(member) = self.members.get_mut(&id) {
            member.join = None;
        }
        let value = self.to_stored(|member| member.assignment.clone(), self.state_since_ms);
        self.store(value, out);
        let mut response = self.joined(&id);
        if knows_skip_assignment {
            response.skip_assignment = was_leader;
        } else if was_leader {
            // It must not assign anew, and only KIP-814 can say so: it is told that somebody else leads.
            old.clone_into(&mut response.leader);
            response.members = Vec::new();
        }
        out.reply(reply, Reply::Join(response));
    }

    /// The answer that tells a member of the generation. The leader learns who the others are.
    pub(super) fn joined(&self, id: &str) -> JoinGroupResponse {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |member: &Member| JoinGroupResponseMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol).unwrap_or_default(),
        };
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: id.to_owned(),
            members: if self.is_leader(id) {
                self.members.values().map(member).collect()
            } else {
                Vec::new()
            },
            ..Default::default()
        }
    }
}
