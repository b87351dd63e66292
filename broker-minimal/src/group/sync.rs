//! SyncGroup, Heartbeat and LeaveGroup.

use std::collections::HashMap;

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::leave_group::{MemberIdentity, MemberResponse};
use kinglet_protocol::messages::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};

use super::classic::{Env, Group, State};
use super::effects::{Effects, Reply, ReplyId};
use super::records::Record;

/// Bytes of a group's record around those of its members; more than enough.
const RECORD_OVERHEAD: usize = 256;

/// The answer to a SyncGroup that brings no assignment.
pub(super) fn unsynced(error_code: ErrorCode) -> Reply {
    Reply::Sync(SyncGroupResponse { error_code, ..Default::default() })
}

impl Group {
    /// A member asks for its assignment; the leader brings everyone's.
    pub(super) fn sync(
        &mut self,
        env: Env<'_>,
        request: SyncGroupRequest,
        reply: ReplyId,
        out: &mut Effects,
    ) {
        if let Err(code) = self.try_sync(env, request, reply, out) {
            out.reply(reply, unsynced(code));
        }
    }

    fn try_sync(
        &mut self,
        env: Env<'_>,
        request: SyncGroupRequest,
        reply: ReplyId,
        out: &mut Effects,
    ) -> Result<(), ErrorCode> {
        let id = &request.member_id;
        self.check_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        let differs = |asked: &Option<String>, ours: &Option<String>| asked.is_some() && asked != ours;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance => {
                self.on_synced(id);
                let member = self.members.get_mut(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
                if let Some(older) = member.sync.replace(reply) {
                    out.reply(older, unsynced(ErrorCode::REBALANCE_IN_PROGRESS));
                }
                if self.is_leader(id) {
                    self.assign(env, request, out);
                }
                Ok(())
            }
            State::Stable => {
                self.on_synced(id);
                if let Some(member) = self.members.get_mut(id) {
                    member.touch(env.now.at);
                }
                out.reply(reply, self.assigned(id));
                Ok(())
            }
        }
    }

    fn on_synced(&mut self, id: &str) {
        self.unsynced.remove(id);
        if self.unsynced.is_empty() {
            self.sync_deadline = None;
        }
    }

    /// The leader has assigned: the generation is written down, and its members may work once that is committed.
    fn assign(&mut self, env: Env<'_>, request: SyncGroupRequest, out: &mut Effects) {
        let assignments = request.assignments.into_iter();
        let mut of: HashMap<String, Bytes> =
            assignments.map(|assignment| (assignment.member_id, assignment.assignment)).collect();
        let value = self.to_stored(|member| of.get(&member.id).cloned().unwrap_or_default(), env.now.ms);
        of.clear();
        let record = Record::Group(self.id.clone(), Some(value.clone()));
        let size = record.encode().ok().map(|e| e.key.len() + e.value.map_or(0, |value| value.len()));
        let fits = size.is_some_and(|size| size + RECORD_OVERHEAD <= env.settings.record_size_max);
        if !fits {
            tracing::warn!(group = self.id, size, "the group's record is larger than the log takes");
            for member in self.members.values_mut() {
                if let Some(reply) = member.sync.take() {
                    member.touch(env.now.at);
                    out.reply(reply, unsynced(ErrorCode::UNKNOWN_SERVER_ERROR));
                }
            }
            return self.prepare_rebalance(env, out);
        }
        self.store(value, out);
        tracing::info!(
            group = self.id,
            generation = self.generation,
            members = self.members.len(),
            "group is stable"
        );
        let waiting: Vec<(String, ReplyId)> = self
            .members
            .values_mut()
            .filter_map(|member| {
                let reply = member.sync.take()?;
                member.touch(env.now.at);
                Some((member.id.clone(), reply))
            })
            .collect();
        for (id, reply) in waiting {
            out.reply(reply, self.assigned(&id));
        }
    }

    fn assigned(&self, id: &str) -> Reply {
        Reply::Sync(SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
            ..Default::default()
        })
    }

    /// A member says that it is alive, and hears whether it has to join again.
    pub(super) fn heartbeat(&mut self, env: Env<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.touch(env.now.at);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    /// Members leave, or are made to leave by their instance.
    pub(super) fn leave(
        &mut self,
        env: Env<'_>,
        members: Vec<MemberIdentity>,
        out: &mut Effects,
    ) -> Vec<MemberResponse> {
        let mut has_left = false;
        let mut responses = Vec::with_capacity(members.len());
        for MemberIdentity { member_id, group_instance_id, reason } in members {
            let left = self.leave_one(&member_id, group_instance_id.as_deref(), out);
            if left.is_ok() {
                has_left = true;
                let why = reason.unwrap_or_default();
                tracing::info!(group = self.id, member = member_id, why = %crate::config::Quoted(&why), "member has left");
            }
            let error_code = left.err().unwrap_or_default();
            responses.push(MemberResponse { member_id, group_instance_id, error_code });
        }
        if has_left {
            self.on_removed(env, out);
        }
        responses
    }

    fn leave_one(&mut self, id: &str, instance: Option<&str>, out: &mut Effects) -> Result<(), ErrorCode> {
        if id.is_empty() {
            let current = instance.and_then(|instance| self.statics.get(instance)).cloned();
            self.remove(&current.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?, out);
            return Ok(());
        }
        if self.pending.remove(id).is_some() {
            return Ok(());
        }
        self.check_member(id, instance)?;
        self.remove(id, out);
        Ok(())
    }
}
