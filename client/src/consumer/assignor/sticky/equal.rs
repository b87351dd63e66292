//! Shares of members who all subscribe to the same topics: as many for each, or one more.

use std::collections::VecDeque;

use super::super::java_hash;
use super::claims::Group;

/// Who gets which partition, as Kafka's `AbstractStickyAssignor` decides it.
///
/// Members keep what they own up to their share, but what is far from them. What is left goes in turn to those who have too
/// little: first to whom it is near, beginning with the partitions that are near to fewest; then to anybody.
pub(super) fn share(group: &Group<'_>) -> Vec<Option<usize>> {
    let among = group.members.len().max(1);
    let mut filling = Filling {
        group,
        takers: vec![None; group.slots.len()],
        counts: vec![0; group.members.len()],
        each: group.slots.len() / among,
        extra: group.slots.len() % among,
        below: Vec::new(),
        next: VecDeque::new(),
    };
    filling.keep();
    let mut left: Vec<_> = (0..group.slots.len()).filter(|at| filling.is_free(*at)).collect();
    if let Some(racks) = &group.racks {
        let near_count = |at: &usize| group.slots.get(*at).map(|slot| racks.near_count(group.replicas(slot)));
        left.sort_by_cached_key(near_count);
        filling.give_near(&mut left);
    }
    filling.give(left);
    filling.takers
}

struct Filling<'a> {
    group: &'a Group<'a>,
    takers: Vec<Option<usize>>,
    counts: Vec<usize>,
    /// What every member gets at least.
    each: usize,
    /// How many members may still get one more.
    extra: usize,
    /// Members with less than `each`.
    below: Vec<usize>,
    /// Members with `each`, in the order in which they get one more.
    next: VecDeque<usize>,
}

impl Filling<'_> {
    fn is_free(&self, slot: usize) -> bool {
        self.takers.get(slot).is_some_and(Option::is_none)
    }

    /// Returns how many the member has then.
    fn hand_to(&mut self, slot: usize, member: usize) -> usize {
        if let Some(taker) = self.takers.get_mut(slot) {
            *taker = Some(member);
        }
        let Some(count) = self.counts.get_mut(member) else { return usize::MAX };
        *count += 1;
        *count
    }

    /// A member gets one more than others.
    fn exceed(&mut self) {
        self.extra -= 1;
        if self.extra == 0 {
            self.next.clear();
        }
    }

    /// Members keep what they own. Who comes first in Java's map may keep one more.
    fn keep(&mut self) {
        let mut owned = vec![Vec::new(); self.group.members.len()];
        for (at, slot) in self.group.slots.iter().enumerate() {
            let Some(owner) = slot.sole_owner().filter(|owner| !self.group.is_far(*owner, slot)) else {
                continue;
            };
            if let Some(owned) = owned.get_mut(owner) {
                owned.push((slot.index, slot.topic, at));
            }
        }
        for member in java_hash::order(self.group.members.iter().map(|member| member.id.as_str())) {
            let Some(owned) = owned.get_mut(member) else { continue };
            owned.sort_unstable();
            let keeps = if owned.len() < self.each {
                self.below.push(member);
                owned.len()
            } else if owned.len() > self.each && self.extra > 0 {
                self.exceed();
                self.each + 1
            } else {
                if self.extra > 0 {
                    self.next.push_back(member);
                }
                self.each
            };
            owned.iter().take(keeps).for_each(|(_, _, at)| {
                self.hand_to(*at, member);
            });
        }
        self.below.sort_unstable();
        self.next.make_contiguous().sort_unstable();
    }

    /// Gives out what is near to a member with room.
    fn give_near(&mut self, left: &mut Vec<usize>) {
        let mut turn = 0;
        left.retain(|at| match self.near_taker(*at, &mut turn) {
            Some(member) => {
                self.hand_to(*at, member);
                false
            }
            None => true,
        });
    }

    /// Who is next among those near, who comes off the lists if that is its last.
    fn near_taker(&mut self, at: usize, turn: &mut usize) -> Option<usize> {
        let (Some(racks), Some(slot)) = (&self.group.racks, self.group.slots.get(at)) else { return None };
        let replicas = self.group.replicas(slot);
        let is_near = |member: &usize| racks.is_near(*member, replicas);
        let (before, behind) = self.below.split_at_checked(*turn)?;
        let from_turn = behind.iter().position(is_near).map(|at| at + before.len());
        if let Some(index) = from_turn.or_else(|| before.iter().position(is_near)) {
            let member = self.below.get(index).copied()?;
            *turn = index + 1;
            if self.counts.get(member).is_some_and(|count| count + 1 >= self.each) {
                self.below.remove(index);
                *turn = index;
                if self.extra > 0 {
                    self.next.push_back(member);
                }
            }
            if *turn >= self.below.len() {
                *turn = 0;
            }
            return Some(member);
        }
        let index = self.next.iter().position(is_near)?;
        let member = self.next.remove(index);
        self.exceed();
        member
    }

    /// Gives out the rest in turn: as many as there is room for, as all shares together are all partitions.
    fn give(&mut self, left: Vec<usize>) {
        let mut turn = 0;
        for at in left {
            if turn >= self.below.len() {
                turn = 0;
            }
            let Some(member) = self.below.get(turn).copied() else {
                let Some(member) = self.next.pop_front() else { return };
                self.hand_to(at, member);
                continue;
            };
            if self.hand_to(at, member) < self.each {
                turn += 1;
            } else {
                self.below.remove(turn);
                self.next.push_back(member);
            }
        }
    }
}
