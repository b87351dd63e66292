//! The groups of one partition of `__consumer_offsets`: (request, time) in, (records, replies) out.
//!
//! Every record that comes out has been replayed here already, so that the next request sees it; a reply must not leave before the
//! records in front of it are committed. If they are not, this is dropped and made anew from the log.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use kinglet_protocol::messages::describe_groups::DescribedGroup;
use kinglet_protocol::messages::leave_group::{MemberIdentity, MemberResponse};
use kinglet_protocol::messages::list_groups::ListedGroup;
use kinglet_protocol::messages::offset_commit::{
    OffsetCommitRequestTopic, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kinglet_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest};
use kinglet_protocol::{ErrorCode, Uuid};

use super::classic::{Env, Group, State};
use super::effects::{Effects, Joiner, Now, Reply, ReplyId, Request, Unknown};
use super::join::{Joining, refused};
use super::offsets;
use super::records::Record;
use super::settings::Settings;
use super::sync::unsynced;

/// Bytes of a group's, a member's or an instance's id: they come back in many answers and records.
const ID_LEN_MAX: usize = 1024;
/// Protocols of a member, and bytes of all their metadata: the group keeps them as long as it is there.
const PROTOCOLS_MAX: usize = 100;
const METADATA_MAX: usize = 1024 * 1024;
/// The first version of OffsetCommit that can say that there is no such group.
const COMMIT_SAYS_NOT_FOUND_FROM: i16 = 9;

/// All groups of a partition.
#[derive(Debug)]
pub(crate) struct Core {
    settings: Settings,
    groups: HashMap<String, Group>,
    /// When groups want to be looked at.
    deadlines: BTreeSet<(Instant, String)>,
    scheduled: HashMap<String, Instant>,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, groups: HashMap::new(), deadlines: BTreeSet::new(), scheduled: HashMap::new() }
    }

    pub(crate) fn on_request(&mut self, now: Now, id: ReplyId, request: Request, out: &mut Effects) {
        match request {
            Request::Join(request, joiner) => self.join(now, id, request, joiner, out),
            Request::Sync(request) => match self.groups.contains_key(&request.group_id) {
                true => self.with(now, &request.group_id.clone(), out, |group, env, out| {
                    group.sync(env, request, id, out);
                }),
                false => out.reply(id, unsynced(no_group(&request.group_id))),
            },
            Request::Heartbeat(request) => {
                let mut code = no_group(&request.group_id);
                self.with(now, &request.group_id, out, |group, env, _| {
                    code = group.heartbeat(env, &request).err().unwrap_or_default();
                });
                out.reply(id, Reply::Heartbeat(code));
            }
            Request::Leave(request) => self.leave(now, id, request, out),
            Request::Commit { request, version, unknown } => {
                let topics = self.commit(now, version, request, &unknown, out);
                out.reply(id, Reply::Commit(topics));
            }
            Request::Fetch { group, topics } => {
                let told = match self.groups.get(&group) {
                    Some(group) => group.fetch(topics),
                    None => offsets::fetch(topics.unwrap_or_default(), |_, _| None),
                };
                out.reply(id, Reply::Fetch(told));
            }
            Request::DeleteOffsets { request, unknown } => {
                let mut result = Err(ErrorCode::GROUP_ID_NOT_FOUND);
                self.with(now, &request.group_id.clone(), out, |group, _, out| {
                    result = group.delete_offsets(request, &unknown, out);
                });
                let (code, topics) = match result {
                    Ok(topics) => (ErrorCode::NONE, topics),
                    Err(code) => (code, Vec::new()),
                };
                out.reply(id, Reply::DeleteOffsets(code, topics));
            }
            Request::DeleteGroup(group) => {
                let code = self.delete(now, &group, out).err().unwrap_or_default();
                out.reply(id, Reply::DeleteGroup(code));
            }
            Request::Describe(group) => {
                let described = self.groups.get(&group).map_or_else(|| absent(&group), Group::describe);
                out.reply(id, Reply::Describe(described));
            }
            Request::List => out.reply(id, Reply::List(self.groups.values().map(listed).collect())),
        }
    }

    /// Runs an operation on a group that is there, and keeps what follows from it.
    fn with(
        &mut self,
        now: Now,
        name: &str,
        out: &mut Effects,
        operation: impl FnOnce(&mut Group, Env<'_>, &mut Effects),
    ) {
        let Some(group) = self.groups.get_mut(name) else { return };
        operation(group, Env { settings: &self.settings, now }, out);
        self.settle(name);
    }

    /// Forgets a group of which nothing is left, and knows when to look at it otherwise.
    fn settle(&mut self, name: &str) {
        let deadline = match self.groups.get(name) {
            Some(group) if group.is_forgettable() => {
                self.groups.remove(name);
                None
            }
            Some(group) => group.deadline(),
            None => None,
        };
        let before = match deadline {
            Some(at) => self.scheduled.insert(name.to_owned(), at),
            None => self.scheduled.remove(name),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.deadlines.remove(&(before, name.to_owned()));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, name.to_owned()));
        }
    }

    fn join(
        &mut self,
        now: Now,
        reply: ReplyId,
        request: JoinGroupRequest,
        joiner: Joiner,
        out: &mut Effects,
    ) {
        let member_id = request.member_id.clone();
        let name = request.group_id.clone();
        let is_known = self.groups.contains_key(&name);
        let exists = is_known || member_id.is_empty();
        let checked =
            self.check_join(&request).and(if exists { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) });
        if let Err(code) = checked {
            return out.reply(reply, Reply::Join(refused(&member_id, code)));
        }
        self.groups.entry(name.clone()).or_insert_with(|| Group::new(name.clone()));
        self.with(now, &name, out, |group, env, out| {
            group.join(env, Joining { request, joiner, reply }, out);
        });
    }

    fn check_join(&self, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
        let is_valid = |id: &str| id.len() <= ID_LEN_MAX;
        if request.group_id.is_empty() || !is_valid(&request.group_id) {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let sessions = self.settings.session_timeout_min_ms..=self.settings.session_timeout_max_ms;
        if !sessions.contains(&request.session_timeout_ms) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        let sizes = request.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len());
        let ids_fit =
            is_valid(&request.member_id) && request.group_instance_id.as_deref().is_none_or(is_valid);
        let protocols_fit = request.protocols.len() <= PROTOCOLS_MAX
            && is_valid(&request.protocol_type)
            && sizes.sum::<usize>() <= METADATA_MAX;
        if ids_fit && protocols_fit { Ok(()) } else { Err(ErrorCode::INVALID_REQUEST) }
    }

    fn leave(&mut self, now: Now, id: ReplyId, request: LeaveGroupRequest, out: &mut Effects) {
        let LeaveGroupRequest { group_id, member_id, members } = request;
        if group_id.is_empty() {
            return out.reply(id, Reply::Leave(ErrorCode::INVALID_GROUP_ID, Vec::new()));
        }
        // Up to version 2 a member leaves alone.
        let members = match members.is_empty() {
            true => vec![MemberIdentity { member_id, ..Default::default() }],
            false => members,
        };
        let unknown = |member: &MemberIdentity| MemberResponse {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            error_code: ErrorCode::UNKNOWN_MEMBER_ID,
        };
        let mut responses: Vec<MemberResponse> = Vec::new();
        if self.groups.contains_key(&group_id) {
            self.with(now, &group_id, out, |group, env, out| responses = group.leave(env, members, out));
        } else {
            responses = members.iter().map(unknown).collect();
        }
        out.reply(id, Reply::Leave(ErrorCode::NONE, responses));
    }

    fn commit(
        &mut self,
        now: Now,
        version: i16,
        request: OffsetCommitRequest,
        unknown: &Unknown,
        out: &mut Effects,
    ) -> Vec<OffsetCommitResponseTopic> {
        let name = request.group_id.clone();
        if name.len() > ID_LEN_MAX {
            return all_refused(request.topics, ErrorCode::INVALID_GROUP_ID);
        }
        if !self.groups.contains_key(&name) {
            if request.generation_id_or_member_epoch >= 0 {
                let code = if version < COMMIT_SAYS_NOT_FOUND_FROM {
                    ErrorCode::ILLEGAL_GENERATION
                } else {
                    ErrorCode::GROUP_ID_NOT_FOUND
                };
                return all_refused(request.topics, code);
            }
            // Whoever assigns partitions by hand needs no group, but a place for its offsets.
            self.groups.insert(name.clone(), Group::new(name.clone()));
        }
        let mut topics = Vec::new();
        self.with(now, &name, out, |group, env, out| topics = group.commit(env, request, unknown, out));
        topics
    }

    fn delete(&mut self, now: Now, name: &str, out: &mut Effects) -> Result<(), ErrorCode> {
        let group = self.groups.get(name).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state != State::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.with(now, name, out, |group, _, out| group.forget_all(out));
        self.bury(name, out);
        tracing::info!(group = name, "group deleted");
        Ok(())
    }

    /// Takes the group's record back.
    fn bury(&mut self, name: &str, out: &mut Effects) {
        if self.groups.get(name).is_some_and(|group| group.is_stored) {
            out.records.push(Record::Group(name.to_owned(), None));
            self.replay(Record::Group(name.to_owned(), None));
        }
    }

    /// Goes by a record of the log.
    pub(crate) fn replay(&mut self, record: Record) {
        let name = match &record {
            Record::Offset(key, _) => key.group.clone(),
            Record::Group(name, _) => name.clone(),
        };
        let group = self.groups.entry(name.clone()).or_insert_with(|| Group::new(name.clone()));
        match record {
            Record::Offset(key, value) => group.offsets.replay(&key.topic, key.partition, value),
            Record::Group(_, Some(value)) => group.replay(&value),
            Record::Group(_, None) => {
                let offsets = std::mem::take(&mut group.offsets);
                let pending = std::mem::take(&mut group.pending);
                *group = Group { offsets, pending, ..Group::new(name.clone()) };
            }
        }
        self.settle(&name);
    }

    /// The whole log has been read: from now on time counts.
    pub(crate) fn on_loaded(&mut self, now: Now) {
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            if let Some(group) = self.groups.get_mut(&name) {
                group.on_loaded(now.at);
            }
            self.settle(&name);
        }
    }

    /// When [`Core::on_deadline`] wants to be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Does what time asks for.
    pub(crate) fn on_deadline(&mut self, now: Now, out: &mut Effects) {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.at);
        for name in due.map(|(_, name)| name.clone()).collect::<Vec<_>>() {
            self.with(now, &name, out, |group, env, out| group.on_deadline(env, out));
        }
    }

    /// Forgets offsets and groups that nobody has used for long.
    pub(crate) fn expire(&mut self, now: Now, out: &mut Effects) {
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.with(now, &name, out, |group, env, out| group.expire_offsets(env, out));
            let is_over = |group: &Group| {
                group.state == State::Empty && group.offsets.is_empty() && group.pending.is_empty()
            };
            if self.groups.get(&name).is_some_and(is_over) {
                self.bury(&name, out);
            }
        }
    }

    /// Topics were deleted: so are the offsets in them. An offset has the id of its topic, or zero where that was not written.
    pub(crate) fn forget_topics(
        &mut self,
        now: Now,
        is_gone: &dyn Fn(&str, Uuid) -> bool,
        out: &mut Effects,
    ) {
        let has_gone =
            |group: &Group| group.offsets.iter().any(|(topic, _, value)| is_gone(topic, value.topic_id));
        let touched = self.groups.values().filter(|group| has_gone(group));
        for name in touched.map(|group| group.id.clone()).collect::<Vec<_>>() {
            self.with(now, &name, out, |group, _, out| group.forget_topics(is_gone, out));
        }
    }

    #[cfg(test)]
    pub(super) fn groups(&self) -> &HashMap<String, Group> {
        &self.groups
    }
}

/// What a member of a group that is not there is told.
fn no_group(name: &str) -> ErrorCode {
    if name.is_empty() { ErrorCode::INVALID_GROUP_ID } else { ErrorCode::UNKNOWN_MEMBER_ID }
}

fn all_refused(
    topics: Vec<OffsetCommitRequestTopic>,
    error_code: ErrorCode,
) -> Vec<OffsetCommitResponseTopic> {
    let topic = |topic: OffsetCommitRequestTopic| OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|p| OffsetCommitResponsePartition { partition_index: p.partition_index, error_code })
            .collect(),
    };
    topics.into_iter().map(topic).collect()
}

fn absent(name: &str) -> DescribedGroup {
    DescribedGroup {
        group_id: name.to_owned(),
        group_state: "Dead".to_owned(),
        error_code: ErrorCode::GROUP_ID_NOT_FOUND,
        error_message: Some(format!("Group {} not found.", crate::config::Quoted(name))),
        ..Default::default()
    }
}

fn listed(group: &Group) -> ListedGroup {
    ListedGroup {
        group_id: group.id.clone(),
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        group_state: group.state.name().to_owned(),
        group_type: "classic".to_owned(),
    }
}
