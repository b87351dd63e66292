//! Shares of members who subscribe to different topics: as equal as that allows.

use std::collections::BTreeSet;

use super::claims::{Group, Slot};
use super::moves::Moves;

/// How often the partitions are gone through. A few times are enough; but as another partition may be moved than the one that
/// should be, it is not certain that Kafka's way always comes to an end.
const PASSES_MAX: usize = 100;

/// Who gets which partition, as Kafka's `AbstractStickyAssignor` decides it.
///
/// Members keep what they own, but what is far from them and what they do not subscribe to any more. The rest goes to whoever
/// has least of those to whom it is near, and what is near to nobody to whoever has least. Then partitions pass from those
/// who have two more to those who have least, until nobody can give any. Racks play no part in that.
///
/// Unlike Kafka's it does not give a partition back to a former owner that does not subscribe to the topic any more.
pub(super) fn share(group: &Group<'_>) -> Vec<Option<usize>> {
    let mut plan = Plan {
        group,
        holders: vec![None; group.slots.len()],
        counts: vec![0; group.members.len()],
        queue: BTreeSet::new(),
        moves: Moves::default(),
    };
    let revoked = plan.keep();
    plan.queue = plan.counts.iter().enumerate().map(|(member, count)| (*count, member)).collect();
    // Where nobody owned anything there is nothing to go back to.
    let is_new = plan.queue.last().is_none_or(|(count, _)| *count == 0);

    let slots = in_order(group);
    let mut left: Vec<_> = slots.iter().copied().filter(|at| plan.holder(*at).is_none()).collect();
    let mut rest = left.clone();
    if group.racks.is_some() {
        rest.retain(|at| !plan.fill(*at, |member, slot| !group.is_far(member, slot)));
    }
    rest.retain(|at| !plan.fill(*at, |_, _| true));

    let participate = participants(&plan);
    plan.queue.retain(|(_, member)| participate.get(*member).copied().unwrap_or(false));
    left.retain(|at| is_movable(group, *at));
    let before = (plan.holders.clone(), plan.score());
    if !revoked {
        plan.even_out(&left);
    }
    let all: Vec<_> = slots.into_iter().filter(|at| is_movable(group, *at)).collect();
    let moved = plan.even_out(&all);
    if moved && !is_new && plan.score() >= before.1 {
        return before.0;
    }
    plan.holders
}

struct Plan<'a> {
    group: &'a Group<'a>,
    holders: Vec<Option<usize>>,
    counts: Vec<usize>,
    /// By what they have: members who may give or take.
    queue: BTreeSet<(usize, usize)>,
    moves: Moves,
}

impl Plan<'_> {
    fn count(&self, member: usize) -> usize {
        self.counts.get(member).copied().unwrap_or(0)
    }

    fn holder(&self, at: usize) -> Option<usize> {
        self.holders.get(at).copied().flatten()
    }

    fn hand_to(&mut self, at: usize, member: usize) {
        let Some(holder) = self.holders.get_mut(at) else { return };
        if let Some(from) = holder.replace(member) {
            self.change_count(from, |count| count.saturating_sub(1));
        }
        self.change_count(member, |count| count + 1);
    }

    fn change_count(&mut self, member: usize, change: impl Fn(usize) -> usize) {
        let Some(count) = self.counts.get_mut(member) else { return };
        let had = std::mem::replace(count, change(*count));
        if self.queue.remove(&(had, member)) {
            self.queue.insert((*count, member));
        }
    }

    /// Members keep what they own. Says whether one has to give up something.
    fn keep(&mut self) -> bool {
        let mut revoked = false;
        for (at, slot) in self.group.slots.iter().enumerate() {
            let Some(owner) = slot.owner else { continue };
            if self.group.subscribes(owner, slot.topic) && !self.group.is_far(owner, slot) {
                self.hand_to(at, owner);
            } else {
                revoked = true;
            }
        }
        revoked
    }

    /// Gives it to whoever has least of those who may have it. Says whether there is one.
    fn fill(&mut self, at: usize, may_have: impl Fn(usize, &Slot) -> bool) -> bool {
        let Some(slot) = self.group.slots.get(at) else { return false };
        let fits = |member: usize| self.group.subscribes(member, slot.topic) && may_have(member, slot);
        let Some(member) = self.queue.iter().map(|(_, member)| *member).find(|member| fits(*member)) else {
            return false;
        };
        self.hand_to(at, member);
        true
    }

    /// Passes partitions on until nobody has two more than another who could take one. Says whether there was something to do.
    fn even_out(&mut self, slots: &[usize]) -> bool {
        let mut moved = false;
        for _ in 0..PASSES_MAX {
            let mut moved_now = false;
            for at in slots {
                if let Some((from, to)) = self.step(*at) {
                    let at = self.moves.instead(self.group, *at, from, to);
                    self.pass_on(at, to);
                    moved_now = true;
                }
            }
            if !moved_now {
                break;
            }
            moved = true;
        }
        moved
    }

    /// From whom to whom the partition should go: back to whom it was taken from, or to whoever has least.
    fn step(&self, at: usize) -> Option<(usize, usize)> {
        let slot = self.group.slots.get(at)?;
        let holder = self.holder(at)?;
        let has = self.count(holder);
        if has < self.queue.first()?.0 + 2 {
            return None;
        }
        let takes = |member: &usize| self.group.subscribes(*member, slot.topic);
        let lacks = |member: &usize| has > self.count(*member) + 1;
        let previous = slot.previous_owner().filter(takes).filter(lacks);
        let least = || self.queue.iter().map(|(_, member)| *member).find(takes).filter(lacks);
        Some((holder, previous.or_else(least)?))
    }

    fn pass_on(&mut self, at: usize, to: usize) {
        let (Some(slot), Some(from)) = (self.group.slots.get(at), self.holder(at)) else { return };
        self.moves.note(slot.topic, at, from, to);
        self.hand_to(at, to);
    }

    /// The differences between all who may give or take, summed up: the less the more equal.
    fn score(&self) -> u128 {
        let mut sum = 0;
        let mut before = 0;
        // Sorted by their counts: each differs from those before it by as much as it has more.
        for (index, (count, _)) in (0_u128..).zip(&self.queue) {
            let count = *count as u128;
            sum += count * index - before;
            before += count;
        }
        sum
    }
}

/// First what has fewest subscribers: there is less choice.
fn in_order(group: &Group<'_>) -> Vec<usize> {
    let mut slots: Vec<_> = (0..group.slots.len()).collect();
    slots.sort_by_cached_key(|at| {
        let topic = group.slots.get(*at).map(|slot| slot.topic);
        (topic.and_then(|topic| group.topics.get(topic)).map(|topic| topic.members.len()), topic)
    });
    slots
}

/// Whether each member could have more, or has what another could have.
fn participants(plan: &Plan<'_>) -> Vec<bool> {
    let mut possible = vec![0; plan.counts.len()];
    for topic in &plan.group.topics {
        for member in &topic.members {
            if let Some(possible) = possible.get_mut(*member) {
                *possible += topic.count;
            }
        }
    }
    let mut participate: Vec<_> =
        plan.counts.iter().zip(possible).map(|(count, possible)| *count < possible).collect();
    for (at, holder) in plan.holders.iter().enumerate() {
        let participates = holder.and_then(|holder| participate.get_mut(holder));
        if let Some(participates) = participates.filter(|_| is_movable(plan.group, at)) {
            *participates = true;
        }
    }
    participate
}

/// Whether there is more than one who could have it.
fn is_movable(group: &Group<'_>, at: usize) -> bool {
    let topic = group.slots.get(at).and_then(|slot| group.topics.get(slot.topic));
    topic.is_some_and(|topic| topic.members.len() > 1)
}
