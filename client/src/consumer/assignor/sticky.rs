//! Equal shares, and as few moves as that takes.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::balance::{Class, balance};
use super::wire::{decode_previous, encode_previous};
use super::{Assignor, Member, Subscribed, TopicPartitions, by_member, subscribed};
use crate::TopicPartition;

/// `sticky`: members give up everything when they rebalance, and get most of it back (KIP-54). What they had travels in the
/// user data.
#[derive(Debug)]
pub(super) struct Sticky;

/// `cooperative-sticky`: members keep what they have while they rebalance, and give up only what goes to others (KIP-429).
/// That takes a second rebalance in which the others get it.
#[derive(Debug)]
pub(super) struct CooperativeSticky;

impl Assignor for Sticky {
    fn name(&self) -> &str {
        "sticky"
    }

    fn user_data(&self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        if generation < 0 && owned.is_empty() {
            return None;
        }
        encode_previous(owned, generation)
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        let claim = |member: &Member| member.user_data.as_ref().map_or((Vec::new(), -1), decode_previous);
        Group::new(topics, members, claim).assign(|_, _| true)
    }
}

impl Assignor for CooperativeSticky {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn is_cooperative(&self) -> bool {
        true
    }

    fn user_data(&self, _: &[TopicPartition], generation: i32) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        Group::new(topics, members, |member| (member.owned.clone(), generation(member)))
            .assign(|slot, taker| slot.is_free_for(taker))
    }
}

/// The subscription says it from its version 2 on; before, the user data does.
fn generation(member: &Member) -> i32 {
    let said = member.user_data.as_ref().and_then(|data| data.first_chunk::<4>());
    match said {
        Some(said) if member.generation < 0 => i32::from_be_bytes(*said),
        _ => member.generation,
    }
}

/// All partitions, and who says that it owns them.
struct Group<'a> {
    /// Sorted by id, as in Java: who gets what first does not hang on the order in which members joined.
    members: Vec<&'a Member>,
    topics: Vec<Subscribed<'a>>,
    /// By topic, then by partition.
    slots: Vec<Slot>,
}

/// One partition.
#[derive(Clone, Debug, Default)]
struct Slot {
    claim: Option<Claim>,
    /// Who of the claimants owns it and may go on.
    owner: Option<usize>,
}

#[derive(Clone, Debug)]
struct Claim {
    first: usize,
    /// Others claim it, too.
    is_shared: bool,
    generation: i32,
    /// Who claims it in this generation; nobody where several do: one of them must be wrong.
    best: Option<usize>,
}

impl Slot {
    fn claim(&mut self, member: usize, generation: i32) {
        let Some(claim) = &mut self.claim else {
            self.claim = Some(Claim { first: member, is_shared: false, generation, best: Some(member) });
            return;
        };
        if claim.best == Some(member) {
            return;
        }
        claim.is_shared = true;
        if generation > claim.generation {
            claim.generation = generation;
            claim.best = Some(member);
        } else if generation == claim.generation {
            claim.best = None;
        }
    }

    /// Whether a member can have it at once: it has it, or nobody else does.
    fn is_free_for(&self, member: usize) -> bool {
        let is_elsewhere = |claim: &Claim| claim.is_shared || claim.first != member;
        self.owner == Some(member) || !self.claim.as_ref().is_some_and(is_elsewhere)
    }
}

impl<'a> Group<'a> {
    fn new(
        topics: &'a TopicPartitions,
        members: &'a [Member],
        claims: impl Fn(&Member) -> (Vec<TopicPartition>, i32),
    ) -> Self {
        let mut members: Vec<_> = members.iter().collect();
        members.sort_by_key(|member| member.id.as_str());
        let topics = subscribed(topics, &members);
        let mut starts = HashMap::new();
        let mut total = 0;
        for topic in &topics {
            starts.insert(&**topic.topic, (total, topic));
            total += topic.count;
        }
        let mut slots = vec![Slot::default(); total];
        for (index, member) in members.iter().enumerate() {
            let (partitions, generation) = claims(member);
            for TopicPartition { topic, partition } in partitions {
                let Some((start, topic)) = starts.get(&*topic) else { continue };
                let Some(at) = usize::try_from(partition).ok().filter(|at| *at < topic.count) else {
                    continue;
                };
                if let Some(slot) = slots.get_mut(start + at) {
                    slot.claim(index, generation);
                }
            }
        }
        for (start, topic) in starts.into_values() {
            for slot in slots.iter_mut().skip(start).take(topic.count) {
                let best = slot.claim.as_ref().and_then(|claim| claim.best);
                // Who does not subscribe to the topic any more cannot keep it.
                slot.owner = best.filter(|member| topic.members.binary_search(member).is_ok());
            }
        }
        Self { members, topics, slots }
    }

    /// `may_have` says no to what must be left out for now.
    fn assign(self, may_have: impl Fn(&Slot, usize) -> bool) -> HashMap<String, Vec<TopicPartition>> {
        let owners: Vec<_> = self.slots.iter().map(|slot| slot.owner).collect();
        let takers = balance(&self.classes(), &owners, self.members.len());
        let mut shares = vec![Vec::new(); self.members.len()];
        let mut decided = self.slots.iter().zip(takers);
        for topic in &self.topics {
            for (index, (slot, taker)) in decided.by_ref().take(topic.count).enumerate() {
                let Some(taker) = taker.filter(|taker| may_have(slot, *taker)) else { continue };
                if let Some(share) = shares.get_mut(taker) {
                    share.push(topic.partition(index));
                }
            }
        }
        by_member(&self.members, shares)
    }

    /// Topics with the same subscribers are one pool of partitions. Those with few subscribers come first: there is less choice.
    fn classes(&self) -> Vec<Class> {
        let mut classes = BTreeMap::<(usize, &[usize]), Vec<usize>>::new();
        let mut start = 0;
        for topic in &self.topics {
            let partitions = classes.entry((topic.members.len(), &topic.members)).or_default();
            partitions.extend(start..start + topic.count);
            start += topic.count;
        }
        let classes = classes.into_iter();
        classes.map(|((_, members), partitions)| Class { members: members.to_vec(), partitions }).collect()
    }
}
