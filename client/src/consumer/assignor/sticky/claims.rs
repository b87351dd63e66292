//! All partitions, and who says that it owns them.

use std::collections::{BTreeSet, HashMap};

use super::super::racks::MemberRacks;
use super::super::{Member, Subscribed, TopicPartitions, by_member, subscribed};
use super::{equal, uneven};
use crate::TopicPartition;

/// What there is to share. Members and partitions are indices, in the order of ids, of topics' names and of numbers.
pub(super) struct Group<'a> {
    /// Sorted by id: who gets what first does not hang on the order in which members joined.
    pub(super) members: Vec<&'a Member>,
    pub(super) topics: Vec<Subscribed<'a>>,
    pub(super) slots: Vec<Slot>,
    /// `None` where racks make no difference.
    pub(super) racks: Option<MemberRacks<'a>>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// All members subscribe to the same.
    Equal,
    Uneven,
}

/// One partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    pub(super) topic: usize,
    /// Its number within the topic.
    pub(super) index: usize,
    /// Who says that it owns it, whatever the generation.
    claimants: Vec<usize>,
    /// The last claimant that did not come behind another, and its generation.
    last: Option<(usize, i32)>,
    /// Who of the claimants has it.
    pub(super) owner: Option<usize>,
    /// Several claim it in one generation: one of them must be wrong.
    is_contested: bool,
    /// Of those who claim it in a generation before the group's last one: the last, and its generation.
    previous: Option<(usize, i32)>,
}

impl Slot {
    fn claim(&mut self, member: usize, generation: i32) {
        if self.claimants.last() == Some(&member) {
            return;
        }
        self.claimants.push(member);
        match self.last {
            Some((_, other)) if generation < other => {}
            Some((_, other)) if generation == other => {
                self.is_contested = true;
                self.owner = None;
                self.last = Some((member, generation));
            }
            _ => {
                self.owner = Some(member);
                self.last = Some((member, generation));
            }
        }
    }

    fn claim_of_old(&mut self, member: usize, generation: i32) {
        if self.previous.is_none_or(|(_, other)| generation > other) {
            self.previous = Some((member, generation));
        }
    }

    /// Who owned it before the owner.
    pub(super) fn previous_owner(&self) -> Option<usize> {
        self.previous.map(|(member, _)| member)
    }

    /// Who may keep it where nobody may have what is contested.
    pub(super) fn sole_owner(&self) -> Option<usize> {
        self.owner.filter(|_| !self.is_contested)
    }
}

impl<'a> Group<'a> {
    /// `claims` says what a member owns, and since which generation; -1 where it does not say.
    pub(super) fn new(
        topics: &'a TopicPartitions,
        members: &'a [Member],
        claims: impl Fn(&Member) -> (Vec<TopicPartition>, i32),
    ) -> Self {
        let mut members: Vec<_> = members.iter().collect();
        members.sort_by_key(|member| member.id.as_str());
        let topics = subscribed(topics, &members);
        let mut slots = Vec::new();
        let mut starts = HashMap::new();
        for (at, topic) in topics.iter().enumerate() {
            starts.insert(&**topic.topic, (slots.len(), topic.count));
            slots.extend((0..topic.count).map(|index| Slot { topic: at, index, ..Slot::default() }));
        }
        let claims: Vec<_> = members.iter().map(|member| claims(member)).collect();
        let last = claims.iter().map(|(_, generation)| *generation).max().unwrap_or(-1);
        for (member, (partitions, generation)) in claims.iter().enumerate() {
            for TopicPartition { topic, partition } in partitions {
                let Some((start, count)) = starts.get(&**topic) else { continue };
                let at = usize::try_from(*partition).ok().filter(|at| at < count);
                let Some(slot) = at.and_then(|at| slots.get_mut(start + at)) else { continue };
                slot.claim(member, *generation);
                if *generation < last {
                    slot.claim_of_old(member, *generation);
                }
            }
        }
        let racks = MemberRacks::new(&members, slots.iter().map(|slot| replicas(&topics, slot)));
        let kind = if are_equal(&members) { Kind::Equal } else { Kind::Uneven };
        Self { members, topics, slots, racks, kind }
    }

    /// Who gets each partition.
    pub(super) fn takers(&self) -> Vec<Option<usize>> {
        match self.kind {
            Kind::Equal => equal::share(self),
            Kind::Uneven => uneven::share(self),
        }
    }

    /// What another member has to give up first is nobody's for now.
    pub(super) fn leave_out(&self, takers: &mut [Option<usize>]) {
        for (slot, taker) in self.slots.iter().zip(takers) {
            let waits = |taker: &usize| match self.kind {
                Kind::Equal => slot.is_contested || slot.owner.is_some_and(|owner| owner != *taker),
                Kind::Uneven => !slot.claimants.is_empty() && !slot.claimants.contains(taker),
            };
            if taker.as_ref().is_some_and(waits) {
                *taker = None;
            }
        }
    }

    /// The decision by member.
    pub(super) fn shares(&self, takers: &[Option<usize>]) -> HashMap<String, Vec<TopicPartition>> {
        let mut shares = vec![Vec::new(); self.members.len()];
        for (slot, taker) in self.slots.iter().zip(takers) {
            let share = taker.and_then(|taker| shares.get_mut(taker));
            if let (Some(share), Some(topic)) = (share, self.topics.get(slot.topic)) {
                share.push(topic.partition(slot.index));
            }
        }
        by_member(&self.members, shares)
    }

    /// Whether the member subscribes to the topic.
    pub(super) fn subscribes(&self, member: usize, topic: usize) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.members.binary_search(&member).is_ok())
    }

    /// The racks of the partition's replicas.
    pub(super) fn replicas(&self, slot: &Slot) -> &[String] {
        replicas(&self.topics, slot)
    }

    /// Whether the member has a rack, racks make a difference, and no replica is there.
    pub(super) fn is_far(&self, member: usize, slot: &Slot) -> bool {
        self.racks.as_ref().is_some_and(|racks| racks.is_far(member, self.replicas(slot)))
    }
}

fn replicas<'a>(topics: &[Subscribed<'a>], slot: &Slot) -> &'a [String] {
    topics.get(slot.topic).and_then(|topic| topic.racks.get(slot.index)).map_or(&[], Vec::as_slice)
}

/// Whether all subscribe to the same, be it there or not. Kafka's counts a member in that subscribes to nothing if it comes
/// first, and gives it what it did not ask for.
fn are_equal(members: &[&Member]) -> bool {
    let topics = |member: &&Member| member.topics.iter().cloned().collect::<BTreeSet<_>>();
    let mut sets = members.iter().map(topics);
    let first = sets.next();
    sets.all(|set| first.as_ref() == Some(&set))
}
