//! One classic group: its members, where its rebalance stands, and its offsets. Requests are in `join` and `sync`, what makes
//! generations in `rebalance`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use kinglet_protocol::messages::embedded::ConsumerProtocolSubscription;
use kinglet_protocol::messages::group_records::GroupMetadataValue;
use kinglet_protocol::messages::join_group::JoinGroupRequestProtocol;
use kinglet_protocol::wire::{Reader, Wire};

use super::effects::{Effects, Now};
use super::member::{Member, millis};
use super::offsets::Offsets;
use super::records::Record;
use super::settings::Settings;

/// The protocol type of consumers: their metadata names topics.
const CONSUMER: &str = "consumer";

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It has no members.
    Empty,
    /// It waits for its members to join.
    PreparingRebalance,
    /// All have joined; the leader has not assigned yet.
    CompletingRebalance,
    Stable,
}

impl State {
    /// Kafka's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// Until when members may join.
#[derive(Debug, Clone, Copy)]
pub(super) enum JoinTimer {
    /// A new group waits a while for more members, longer while they come, but not longer than `remaining`.
    Initial { at: Instant, delay: Duration, remaining: Duration, has_newcomer: bool },
    /// Members that have not joined then are out.
    Rebalance { at: Instant },
}

impl JoinTimer {
    pub(super) const fn at(&self) -> Instant {
        match self {
            Self::Initial { at, .. } | Self::Rebalance { at } => *at,
        }
    }
}

/// What operations may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Env<'a> {
    pub(super) settings: &'a Settings,
    pub(super) now: Now,
}

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) generation: i32,
    /// When it got into the state that was written last; -1 when nothing was, or by a release that did not say.
    pub(super) state_since_ms: i64,
    pub(super) members: BTreeMap<String, Member>,
    /// Members by their `group.instance.id`.
    pub(super) statics: HashMap<String, String>,
    /// Ids that were handed out and have not come back, with when they are forgotten.
    pub(super) pending: BTreeMap<String, Instant>,
    /// Members of this generation that have not asked for their assignment.
    pub(super) unsynced: BTreeSet<String>,
    pub(super) join_timer: Option<JoinTimer>,
    pub(super) sync_deadline: Option<Instant>,
    /// Topics of all members, where that can be told.
    pub(super) topics: Option<HashSet<String>>,
    /// The log has a record of it.
    pub(super) is_stored: bool,
    pub(super) offsets: Offsets,
}

impl Group {
    pub(super) fn new(id: String) -> Self {
        Self {
            id,
            state: State::Empty,
            protocol_type: None,
            protocol: None,
            leader: None,
            generation: 0,
            state_since_ms: -1,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            join_timer: None,
            sync_deadline: None,
            topics: None,
            is_stored: false,
            offsets: Offsets::default(),
        }
    }

    /// Nothing would be lost with it.
    pub(super) fn is_forgettable(&self) -> bool {
        !self.is_stored
            && self.state == State::Empty
            && self.members.is_empty()
            && self.pending.is_empty()
            && self.offsets.is_empty()
    }

    pub(super) fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub(super) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether the group reads the topic, as far as can be told.
    pub(super) fn is_subscribed(&self, topic: &str) -> bool {
        self.topics.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    /// Says whether this is one of its members, and the only one of its instance.
    pub(super) fn check_member(&self, id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if current != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// The longest that any member allows for a rebalance.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        millis(longest.unwrap_or(0))
    }

    /// Whether a member with these protocols fits the others.
    pub(super) fn supports(&self, kind: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.members.is_empty() {
            return !kind.is_empty() && !protocols.is_empty();
        }
        let all_have =
            |name: &String| self.members.values().all(|m| m.protocols.iter().any(|(n, _)| n == name));
        self.protocol_type.as_deref() == Some(kind) && protocols.iter().any(|p| all_have(&p.name))
    }

    /// The protocol that all members have and most prefer; of several alike, the leader's favourite.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let has = |member: &Member, name: &str| member.protocols.iter().any(|(other, _)| other == name);
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        let judge = leader.or_else(|| self.members.values().next())?;
        let names = judge.protocols.iter().map(|(name, _)| name.as_str());
        let candidates: Vec<&str> =
            names.filter(|name| self.members.values().all(|member| has(member, name))).collect();
        let mut votes: HashMap<&str, usize> = HashMap::new();
        for member in self.members.values() {
            let mut wanted = member.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(name) = wanted.find(|name| candidates.contains(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let count = |name: &&str| votes.get(name).copied().unwrap_or(0);
        // Of equals `max_by_key` takes the last.
        candidates.iter().rev().max_by_key(|name| count(name)).map(|name| (*name).to_owned())
    }

    /// Topics of all members by the group's protocol, where they are consumers whose metadata can be read.
    pub(super) fn subscribed_topics(&self) -> Option<HashSet<String>> {
        if self.members.is_empty() {
            return Some(HashSet::new());
        }
        let protocol = self.protocol.as_deref().filter(|_| self.uses_consumer_protocol())?;
        let mut topics = HashSet::new();
        for member in self.members.values() {
            topics.extend(subscription(&member.metadata(protocol)?)?);
        }
        Some(topics)
    }

    /// What the log is to say of the group, with these assignments.
    pub(super) fn to_stored(&self, assignment: impl Fn(&Member) -> Bytes, now_ms: i64) -> GroupMetadataValue {
        let protocol = self.protocol.as_deref();
        GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: now_ms,
            members: self
                .members
                .values()
                .map(|member| member.to_stored(protocol, assignment(member)))
                .collect(),
        }
    }

    /// Decides for a record, and goes by it at once.
    pub(super) fn store(&mut self, value: GroupMetadataValue, out: &mut Effects) {
        self.replay(&value);
        out.records.push(Record::Group(self.id.clone(), Some(value)));
    }

    /// Goes by a record of the log. Members that are there keep what waits for them.
    pub(super) fn replay(&mut self, value: &GroupMetadataValue) {
        let protocol = value.protocol.clone().unwrap_or_default();
        let mut before = std::mem::take(&mut self.members);
        for stored in &value.members {
            let known = before.remove(&stored.member_id);
            let mut member = known.unwrap_or_else(|| Member::stored(stored));
            member.replay(stored, &protocol);
            self.members.insert(member.id.clone(), member);
        }
        let instance = |member: &Member| Some((member.instance_id.clone()?, member.id.clone()));
        self.statics = self.members.values().filter_map(instance).collect();
        self.protocol_type = Some(value.protocol_type.clone()).filter(|kind| !kind.is_empty());
        self.protocol = value.protocol.clone();
        self.leader = value.leader.clone();
        self.generation = value.generation;
        self.state_since_ms = value.current_state_timestamp;
        self.state = if self.members.is_empty() { State::Empty } else { State::Stable };
        self.topics = self.subscribed_topics();
        self.is_stored = true;
    }

    /// The log has been read: from now on members must be heard of.
    pub(super) fn on_loaded(&mut self, now: Instant) {
        self.members.values_mut().for_each(|member| member.touch(now));
    }

    pub(super) fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == State::Stable;
        let protocol = self.protocol.clone().filter(|_| is_stable);
        let member = |member: &Member| DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            member_metadata: protocol.as_deref().and_then(|name| member.metadata(name)).unwrap_or_default(),
            member_assignment: if is_stable { member.assignment.clone() } else { Bytes::new() },
        };
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state.name().to_owned(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.clone().unwrap_or_default(),
            members: self.members.values().map(member).collect(),
            ..Default::default()
        }
    }
}

/// The topics in a consumer's metadata; `None` if it is not of that form.
pub(super) fn subscription(metadata: &Bytes) -> Option<Vec<String>> {
    const NEWEST: i16 = 3;
    let mut r = Reader::new(metadata, 0, false);
    let version: i16 = Wire::decode(&mut r).ok()?;
    let body = r.rest();
    // Later versions only add fields behind those that are known.
    let mut r = Reader::new(&body, version.min(NEWEST), false);
    let subscription: ConsumerProtocolSubscription = Wire::decode(&mut r).ok()?;
    Some(subscription.topics)
}
