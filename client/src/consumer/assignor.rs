//! Who of a group reads what: the choice that the leader of a group makes, in the ways of Kafka's own clients.
//!
//! Members and topics come in, the share of each member goes out. Joining and leaving is not done here.

mod java_hash;
#[cfg(test)]
mod model;
mod racks;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, ErrorKind, Result, TopicPartition};
use range::Range;
use round_robin::RoundRobin;
use sticky::{CooperativeSticky, Sticky};

pub(crate) use wire::{decode_assignment, decode_subscription, encode_assignment, encode_subscription};

/// How partitions are shared among the members of a group.
///
/// The members offer the names of what they know, the broker picks one that all of them offer, and one member, the leader,
/// decides by it.
pub trait Assignor: Send + Sync + Debug + 'static {
    /// The protocol's name on the wire: `range`, `roundrobin`, `sticky`, `cooperative-sticky`, or a user's own.
    fn name(&self) -> &str;

    /// Whether members may keep what they own while the group rebalances (KIP-429). Then [`assign`](Self::assign) must not
    /// give a member what another one still owns: it is left out, its owner gives it up, and the group rebalances again.
    fn is_cooperative(&self) -> bool {
        false
    }

    /// What this member tells the leader besides its topics and what it owns; it comes back in [`Member::user_data`].
    /// `generation` is -1 before the first.
    fn user_data(&self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        let _ = (owned, generation);
        None
    }

    /// The leader's decision: for every member id its partitions. Topics that do not exist are not among `topics`.
    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>>;
}

/// The partitions of the topics that members subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPartitions {
    topics: BTreeMap<Arc<str>, Partitions>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Partitions {
    count: i32,
    /// The racks of the replicas, by partition; empty where they are not known.
    racks: Vec<Vec<String>>,
}

impl TopicPartitions {
    /// How many partitions the topic has; `None` for one that does not exist.
    pub fn partition_count(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|partitions| partitions.count)
    }

    /// The topics, sorted by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Whether they are the same but for the racks.
    pub(crate) fn has_counts_of(&self, other: &Self) -> bool {
        let counts = |all: &Self| {
            all.topics.iter().map(|(name, partitions)| (name.clone(), partitions.count)).collect::<Vec<_>>()
        };
        counts(self) == counts(other)
    }

    /// A topic whose replicas lie on racks that are not known.
    pub(crate) fn insert(&mut self, topic: Arc<str>, count: i32) {
        self.topics.insert(topic, Partitions { count, racks: Vec::new() });
    }

    /// A topic, and for each of its partitions the racks of the replicas.
    pub(crate) fn insert_with_racks(&mut self, topic: Arc<str>, racks: Vec<Vec<String>>) {
        let count = i32::try_from(racks.len()).unwrap_or(i32::MAX);
        self.topics.insert(topic, Partitions { count, racks });
    }
}

/// A member of a group, as the leader sees it.
#[derive(Clone, Debug)]
pub struct Member {
    /// The id that the broker gave it.
    pub id: String,
    /// Its `group.instance.id`, which outlives restarts (KIP-345).
    pub instance_id: Option<String>,
    /// Its `client.rack` (KIP-881).
    pub rack: Option<String>,
    /// The topics it subscribes to, whether they exist or not.
    pub topics: Vec<Arc<str>>,
    /// What it says it owns (KIP-429); nothing under eager assignors, whose members give up everything first.
    pub owned: Vec<TopicPartition>,
    /// The last generation it was a member of (KIP-792); -1 where it did not say.
    pub generation: i32,
    /// What its assignor has to say: [`Assignor::user_data`].
    pub user_data: Option<Bytes>,
}

const KNOWN: &str = "range, roundrobin, sticky, cooperative-sticky";

/// Kafka's assignors by the name of their protocol, which is librdkafka's name too, or of their Java class.
pub(crate) fn by_name(name: &str) -> Option<Arc<dyn Assignor>> {
    match name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name) {
        "range" | "RangeAssignor" => Some(Arc::new(Range)),
        "roundrobin" | "RoundRobinAssignor" => Some(Arc::new(RoundRobin)),
        "sticky" | "StickyAssignor" => Some(Arc::new(Sticky)),
        "cooperative-sticky" | "CooperativeStickyAssignor" => Some(Arc::new(CooperativeSticky)),
        _ => None,
    }
}

/// The assignors of a `partition.assignment.strategy`, in the order of preference.
///
/// # Errors
///
/// Of the kind `Config` for a name that is not known, one that comes twice, and an empty list.
pub(crate) fn parse_strategy(text: &str) -> Result<Vec<Arc<dyn Assignor>>> {
    let refused = |why: String| {
        Error::new(ErrorKind::Config, format!("partition.assignment.strategy: {why}"))
            .hinted(format!("known are {KNOWN}"))
    };
    let mut list: Vec<Arc<dyn Assignor>> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let assignor =
            by_name(name).ok_or_else(|| refused(format!("{name:?} is no assignor; known are {KNOWN}")))?;
        if list.iter().any(|other| other.name() == assignor.name()) {
            return Err(refused(format!("{name:?} is there twice")));
        }
        list.push(assignor);
    }
    if list.is_empty() {
        return Err(refused("no assignor is named".to_owned()));
    }
    Ok(list)
}

/// Whether members keep what they own while they rebalance. The broker may pick any of the list, so that all must allow it.
pub(crate) fn are_cooperative(list: &[Arc<dyn Assignor>]) -> bool {
    !list.is_empty() && list.iter().all(|assignor| assignor.is_cooperative())
}

/// A topic that exists and has subscribers.
#[derive(Debug)]
struct Subscribed<'a> {
    topic: &'a Arc<str>,
    count: usize,
    racks: &'a [Vec<String>],
    /// Indices of its subscribers, ascending.
    members: Vec<usize>,
}

impl Subscribed<'_> {
    fn partition(&self, index: usize) -> TopicPartition {
        let partition = i32::try_from(index).unwrap_or(i32::MAX);
        TopicPartition { topic: Arc::clone(self.topic), partition }
    }
}

/// Members as Java's `MemberInfo` sorts them: those with an instance id first, by it, then the others by member id, so that
/// static members get the same partitions after a restart, when their member ids are others.
fn in_order(members: &[Member]) -> Vec<&Member> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_key(|member| {
        (member.instance_id.is_none(), member.instance_id.as_deref(), member.id.as_str())
    });
    sorted
}

/// The topics to share, sorted by name.
fn subscribed<'a>(topics: &'a TopicPartitions, members: &[&Member]) -> Vec<Subscribed<'a>> {
    let mut found = BTreeMap::<&Arc<str>, Subscribed<'a>>::new();
    for (index, member) in members.iter().enumerate() {
        for topic in &member.topics {
            let Some((topic, partitions)) = topics.topics.get_key_value(topic) else { continue };
            let count = usize::try_from(partitions.count).unwrap_or(0);
            if count == 0 {
                continue;
            }
            let entry = found.entry(topic).or_insert_with(|| Subscribed {
                topic,
                count,
                racks: &partitions.racks,
                members: Vec::new(),
            });
            // A member that names a topic twice is one subscriber.
            if entry.members.last() != Some(&index) {
                entry.members.push(index);
            }
        }
    }
    found.into_values().collect()
}

/// The decision in the form of [`Assignor::assign`]: every member is in it.
fn by_member(members: &[&Member], shares: Vec<Vec<TopicPartition>>) -> HashMap<String, Vec<TopicPartition>> {
    members.iter().map(|member| member.id.clone()).zip(shares).collect()
}
