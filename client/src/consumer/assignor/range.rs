//! Topic by topic, each member a range.

use std::collections::{BTreeMap, HashMap};

use super::racks::{rack_of, racks_differ};
use super::{Assignor, Member, Subscribed, TopicPartitions, by_member, in_order, subscribed};
use crate::TopicPartition;

/// `range`: the partitions of each topic are cut into as many ranges as it has subscribers, the first of them longer by one
/// where it does not come out even. Topics with the same number of partitions and the same subscribers line up: a member
/// has the same partitions of all of them.
///
/// Where members and replicas say on which racks they are, members get partitions with a replica near them, as far as shares
/// stay equal and topics lined up (KIP-881).
#[derive(Debug)]
pub(super) struct Range;

impl Assignor for Range {
    fn name(&self) -> &str {
        "range"
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        let members = in_order(members);
        let topics = subscribed(topics, &members);
        let mut cuts: Vec<_> = topics.iter().map(|topic| Cut::new(topic, &members)).collect();
        if cuts.iter().any(|cut| cut.rack_aware) {
            match_racks(&mut cuts);
        }
        let mut shares = vec![Vec::new(); members.len()];
        for cut in &mut cuts {
            cut.take_ranges();
            for (index, seat) in cut.holders.iter().enumerate() {
                let member = seat.and_then(|seat| cut.seats.get(seat));
                if let Some(share) = member.and_then(|seat| shares.get_mut(seat.member)) {
                    share.push(cut.topic.partition(index));
                }
            }
        }
        by_member(&members, shares)
    }
}

/// A topic while it is cut.
struct Cut<'a> {
    topic: &'a Subscribed<'a>,
    seats: Vec<Seat<'a>>,
    /// Who has which partition, by its index: indices of `seats`.
    holders: Vec<Option<usize>>,
    /// What every subscriber gets at least.
    each: usize,
    /// How many may still get one more.
    extra: usize,
    /// Whether racks are known and make a difference.
    rack_aware: bool,
}

/// A subscriber of the topic.
struct Seat<'a> {
    member: usize,
    rack: Option<&'a str>,
    taken: usize,
}

impl<'a> Cut<'a> {
    fn new(topic: &'a Subscribed<'a>, members: &[&'a Member]) -> Self {
        let seat = |member: &usize| {
            let rack = members.get(*member).and_then(|member| rack_of(member));
            Seat { member: *member, rack, taken: 0 }
        };
        let seats: Vec<_> = topic.members.iter().map(seat).collect();
        let among = seats.len().max(1);
        Self {
            topic,
            holders: vec![None; topic.count],
            each: topic.count / among,
            extra: topic.count % among,
            rack_aware: racks_differ(
                seats.iter().filter_map(|seat| seat.rack),
                topic.racks.iter().map(Vec::as_slice),
            ),
            seats,
        }
    }

    fn has_racks(&self) -> bool {
        self.seats.iter().any(|seat| seat.rack.is_some())
    }

    /// How many partitions the subscriber may still take.
    fn room(&self, seat: usize) -> usize {
        let taken = self.seats.get(seat).map_or(usize::MAX, |seat| seat.taken);
        (self.each + usize::from(self.extra > 0)).saturating_sub(taken)
    }

    /// Whether a replica is near; who has no rack is near to all.
    fn is_near(&self, seat: usize, index: usize) -> bool {
        let Some(rack) = self.seats.get(seat).and_then(|seat| seat.rack) else { return true };
        self.topic.racks.get(index).is_some_and(|racks| racks.iter().any(|near| near == rack))
    }

    fn give(&mut self, seat: usize, indices: &[usize]) {
        let Some(taker) = self.seats.get_mut(seat) else { return };
        let had = taker.taken;
        taker.taken += indices.len();
        if had <= self.each && taker.taken > self.each {
            self.extra = self.extra.saturating_sub(1);
        }
        for index in indices {
            if let Some(holder) = self.holders.get_mut(*index) {
                *holder = Some(seat);
            }
        }
    }

    fn unassigned(&self) -> Vec<usize> {
        let free = self.holders.iter().enumerate().filter(|(_, holder)| holder.is_none());
        free.map(|(index, _)| index).collect()
    }

    /// Each in turn takes what there is, up to its share.
    fn take_ranges(&mut self) {
        let unassigned = self.unassigned();
        let mut rest = unassigned.as_slice();
        for seat in 0..self.seats.len() {
            let (range, behind) = rest.split_at(self.room(seat).min(rest.len()));
            self.give(seat, range);
            rest = behind;
        }
    }

    /// Each in turn takes what is near, up to its share.
    fn take_near(&mut self) {
        let mut rest = self.unassigned();
        for seat in 0..self.seats.len() {
            let room = self.room(seat);
            let near: Vec<_> =
                rest.iter().copied().filter(|index| self.is_near(seat, *index)).take(room).collect();
            rest.retain(|index| near.binary_search(index).is_err());
            self.give(seat, &near);
        }
    }
}

/// Gives out what is near, topics that line up together.
fn match_racks(cuts: &mut [Cut<'_>]) {
    let mut alike = BTreeMap::<(&[usize], usize), Vec<&mut Cut<'_>>>::new();
    for cut in cuts {
        // Without any member's rack there is nothing to match.
        if cut.has_racks() {
            alike.entry((&cut.topic.members, cut.topic.count)).or_default().push(cut);
        }
    }
    for ((members, count), mut cuts) in alike {
        match cuts.as_mut_slice() {
            [cut] if cut.rack_aware => cut.take_near(),
            [_] => {}
            several => take_near_together(members.len(), count, several),
        }
    }
}

/// A partition goes to the first who has room, and to whom it is near in all of the topics.
fn take_near_together(seats: usize, count: usize, cuts: &mut [&mut Cut<'_>]) {
    let mut left: Vec<_> = (0..seats).collect();
    for index in 0..count {
        let fits = |seat: &usize| cuts.iter().all(|cut| cut.is_near(*seat, index) && cut.room(*seat) > 0);
        let Some(seat) = left.iter().copied().find(fits) else { continue };
        cuts.iter_mut().for_each(|cut| cut.give(seat, &[index]));
        if cuts.iter().all(|cut| cut.room(seat) == 0) {
            left.retain(|other| *other != seat);
        }
    }
}
