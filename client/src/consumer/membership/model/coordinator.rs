//! A coordinator as brokers are, with one group, kept as small as the rules allow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;

use super::{Event, Identity, REBALANCE, SESSION};
use crate::protocol::ErrorCode;
use crate::protocol::messages::join_group::JoinGroupResponseMember;
use crate::protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    SyncGroupRequest, SyncGroupResponse,
};
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) enum Asked {
    Join(u64, JoinGroupRequest),
    Sync(u64, SyncGroupRequest),
    Beat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
}

#[derive(Debug, Default)]
pub(super) struct Coordinator {
    generation: i32,
    state: State,
    members: BTreeMap<String, Member>,
    leader: String,
    ids: u64,
    /// Given out, and not used yet.
    pending: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    /// Until then members may join.
    Preparing(Instant),
    Completing,
    Stable,
}

#[derive(Debug)]
struct Member {
    seen: Instant,
    metadata: Bytes,
    protocol: String,
    share: Bytes,
    joins: Option<(usize, u64)>,
    syncs: Option<(usize, u64)>,
}

type Answers = Vec<(usize, Event)>;

impl Coordinator {
    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.members.contains_key(id)
    }

    pub(super) fn is_stable(&self, members: usize) -> bool {
        self.state == State::Stable && self.members.len() == members
    }

    pub(super) fn on_request(&mut self, node: usize, asked: Asked, now: Instant) -> Answers {
        match asked {
            Asked::Join(era, request) => self.join(node, era, request, now),
            Asked::Sync(era, request) => self.sync(node, era, request, now),
            Asked::Beat(request) => vec![(node, self.beat(request, now))],
            Asked::Leave(request) => {
                let before = self.members.len();
                request.members.iter().for_each(|member| drop(self.members.remove(&member.member_id)));
                if self.members.len() < before { self.prepare(now) } else { Vec::new() }
            }
        }
    }

    fn join(&mut self, node: usize, era: u64, request: JoinGroupRequest, now: Instant) -> Answers {
        let refuse = |error_code, member_id: String| {
            let answer = JoinGroupResponse { error_code, member_id, ..Default::default() };
            vec![(node, Event::Joined(era, Ok(answer)))]
        };
        let mut id = request.member_id;
        if id.is_empty() {
            self.ids += 1;
            id = format!("m{}", self.ids);
            self.pending.insert(id.clone());
            return refuse(ErrorCode::MEMBER_ID_REQUIRED, id);
        }
        if !self.members.contains_key(&id) && !self.pending.remove(&id) {
            return refuse(ErrorCode::UNKNOWN_MEMBER_ID, id);
        }
        let Some(protocol) = request.protocols.into_iter().next() else {
            return refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL, id);
        };
        let member = Member {
            seen: now,
            metadata: protocol.metadata,
            protocol: protocol.name,
            share: self.members.get(&id).map_or_else(Bytes::new, |member| member.share.clone()),
            joins: Some((node, era)),
            syncs: None,
        };
        let mut answers = Vec::new();
        if let Some((node, era)) = self.members.insert(id, member).and_then(|before| before.joins) {
            let answer =
                JoinGroupResponse { error_code: ErrorCode::REBALANCE_IN_PROGRESS, ..Default::default() };
            answers.push((node, Event::Joined(era, Ok(answer))));
        }
        answers.extend(self.prepare(now));
        answers
    }

    /// The group rebalances from now on, unless it does.
    fn prepare(&mut self, now: Instant) -> Answers {
        let mut answers = Vec::new();
        if !matches!(self.state, State::Preparing(_)) {
            self.state = State::Preparing(now + REBALANCE);
            for member in self.members.values_mut() {
                let answer =
                    SyncGroupResponse { error_code: ErrorCode::REBALANCE_IN_PROGRESS, ..Default::default() };
                answers.extend(member.syncs.take().map(|(node, era)| (node, Event::Synced(era, Ok(answer)))));
            }
        }
        answers.extend(self.complete(now));
        answers
    }

    /// Everybody has joined, or the time for it is over.
    fn complete(&mut self, now: Instant) -> Answers {
        let State::Preparing(until) = self.state else { return Vec::new() };
        let all = self.members.values().all(|member| member.joins.is_some());
        if !all && now < until {
            return Vec::new();
        }
        self.members.retain(|_, member| member.joins.is_some());
        self.generation += 1;
        let Some(first) = self.members.keys().next().cloned() else {
            self.state = State::Empty;
            return Vec::new();
        };
        self.state = State::Completing;
        if !self.members.contains_key(&self.leader) {
            self.leader = first;
        }
        let list = self.members.iter().map(|(id, member)| JoinGroupResponseMember {
            member_id: id.clone(),
            metadata: member.metadata.clone(),
            ..Default::default()
        });
        let list = list.collect::<Vec<_>>();
        let mut answers = Vec::new();
        for (id, member) in &mut self.members {
            let Some((node, era)) = member.joins.take() else { continue };
            (member.seen, member.share) = (now, Bytes::new());
            let answer = JoinGroupResponse {
                generation_id: self.generation,
                protocol_name: Some(member.protocol.clone()),
                leader: self.leader.clone(),
                member_id: id.clone(),
                members: if *id == self.leader { list.clone() } else { Vec::new() },
                ..Default::default()
            };
            answers.push((node, Event::Joined(era, Ok(answer))));
        }
        answers
    }

    fn sync(&mut self, node: usize, era: u64, request: SyncGroupRequest, now: Instant) -> Answers {
        let code = self.check(&request.member_id, request.generation_id);
        let is_preparing = matches!(self.state, State::Preparing(_));
        let code =
            if code == ErrorCode::NONE && is_preparing { ErrorCode::REBALANCE_IN_PROGRESS } else { code };
        let answer = |error_code, assignment| {
            Event::Synced(era, Ok(SyncGroupResponse { error_code, assignment, ..Default::default() }))
        };
        let Some(member) = self.members.get_mut(&request.member_id).filter(|_| code == ErrorCode::NONE)
        else {
            return vec![(node, answer(code, Bytes::new()))];
        };
        member.seen = now;
        if self.state == State::Stable {
            return vec![(node, answer(ErrorCode::NONE, member.share.clone()))];
        }
        member.syncs = Some((node, era));
        if request.member_id != self.leader {
            return Vec::new();
        }
        self.state = State::Stable;
        for share in request.assignments {
            if let Some(member) = self.members.get_mut(&share.member_id) {
                member.share = share.assignment;
            }
        }
        let waiting = self.members.values_mut().filter_map(|member| {
            let (node, era) = member.syncs.take()?;
            let answer = SyncGroupResponse { assignment: member.share.clone(), ..Default::default() };
            Some((node, Event::Synced(era, Ok(answer))))
        });
        waiting.collect()
    }

    fn beat(&mut self, request: HeartbeatRequest, now: Instant) -> Event {
        let mut error_code = self.check(&request.member_id, request.generation_id);
        if let Some(member) =
            self.members.get_mut(&request.member_id).filter(|_| error_code == ErrorCode::NONE)
        {
            member.seen = now;
            if matches!(self.state, State::Preparing(_)) {
                error_code = ErrorCode::REBALANCE_IN_PROGRESS;
            }
        }
        let of = Identity { member_id: request.member_id, generation: request.generation_id };
        Event::Beat(of, Ok(HeartbeatResponse { error_code, ..Default::default() }))
    }

    fn check(&self, id: &str, generation: i32) -> ErrorCode {
        match self.members.get(id) {
            None => ErrorCode::UNKNOWN_MEMBER_ID,
            Some(_) if generation != self.generation => ErrorCode::ILLEGAL_GENERATION,
            Some(_) => ErrorCode::NONE,
        }
    }

    /// Sessions and rebalances end.
    pub(super) fn on_time(&mut self, now: Instant) -> Answers {
        let before = self.members.len();
        self.members.retain(|_, member| member.joins.is_some() || now < member.seen + SESSION);
        if self.members.len() < before { self.prepare(now) } else { self.complete(now) }
    }

    /// It restarts: members and shares are kept, who waits for an answer gets none. Sessions begin anew.
    pub(super) fn crash(&mut self, until: Instant) -> Answers {
        let mut lost = Vec::new();
        for member in self.members.values_mut() {
            let (joins, syncs) = (member.joins.take(), member.syncs.take());
            member.seen = until;
            lost.extend(joins.map(|(node, era)| (node, Event::Joined(era, Err(nobody())))));
            lost.extend(syncs.map(|(node, era)| (node, Event::Synced(era, Err(nobody())))));
        }
        lost
    }

    /// A member that waits for no answer is forgotten, as after a session that was too short.
    pub(super) fn forget(&mut self, rng: &mut StdRng, count: &mut u64) {
        let idle = |member: &Member| member.joins.is_none() && member.syncs.is_none();
        let ids: Vec<String> =
            self.members.iter().filter(|(_, member)| idle(member)).map(|(id, _)| id.clone()).collect();
        if !ids.is_empty() {
            *count += 1;
            // Its session is over at the next look at the clock.
            let id = &ids[rng.random_range(0..ids.len())];
            if let Some(member) = self.members.get_mut(id) {
                member.seen = member.seen.checked_sub(2 * SESSION).unwrap_or(member.seen);
            }
        }
    }
}

impl Asked {
    /// What its sender hears when nobody is there.
    pub(super) fn unanswered(self) -> Option<Event> {
        match self {
            Self::Join(era, _) => Some(Event::Joined(era, Err(nobody()))),
            Self::Sync(era, _) => Some(Event::Synced(era, Err(nobody()))),
            Self::Beat(request) => {
                let of = Identity { member_id: request.member_id, generation: request.generation_id };
                Some(Event::Beat(of, Err(nobody())))
            }
            Self::Leave(_) => None,
        }
    }
}

fn nobody() -> Error {
    Error::new(ErrorKind::Disconnected, "nobody is there")
}
