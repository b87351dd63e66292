//! The sticky assignors' core: equal shares by few moves. Members and partitions are indices here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Partitions that the same members may have.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) members: Vec<usize>,
    pub(super) partitions: Vec<usize>,
}

/// Who gets which partition, by partition. Shares are as equal as subscriptions allow: there is no member with two partitions
/// more than another to which it could pass one on, by way of third ones or not.
///
/// What has an owner stays where it is as far as that allows. What has none goes to whoever has least; then what is not with its
/// owner is passed on, which costs nothing, and only then what is. As this ends in the most equal shares there are, a
/// cooperative group comes to rest in its second rebalance: what owners gave up in between finds its place without any
/// further move.
///
/// A pass takes time in the number of partitions and members; a group whose subscriptions are equal needs one or two.
pub(super) fn balance(
    classes: &[Class],
    owners: &[Option<usize>],
    member_count: usize,
) -> Vec<Option<usize>> {
    let mut plan = Plan { owners, holders: owners.to_vec(), counts: vec![0; member_count] };
    for holder in owners.iter().flatten() {
        plan.add(*holder);
    }
    for class in classes {
        plan.fill(class);
    }
    for movable in [Movable::Away, Movable::All] {
        // Each move lowers the sum of the squares of the counts: this ends.
        while classes.iter().filter(|class| plan.level(class, movable)).count() > 0 {}
        // Within a single class everything is equal by now.
        while classes.len() > 1 && plan.pass_along(classes, movable) {}
    }
    plan.holders
}

/// What may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Movable {
    /// What is not with its owner.
    Away,
    All,
}

struct Plan<'a> {
    owners: &'a [Option<usize>],
    holders: Vec<Option<usize>>,
    counts: Vec<usize>,
}

impl Plan<'_> {
    fn count(&self, member: usize) -> usize {
        self.counts.get(member).copied().unwrap_or(0)
    }

    fn add(&mut self, member: usize) {
        if let Some(count) = self.counts.get_mut(member) {
            *count += 1;
        }
    }

    fn owner(&self, partition: usize) -> Option<usize> {
        self.owners.get(partition).copied().flatten()
    }

    fn holder(&self, partition: usize) -> Option<usize> {
        self.holders.get(partition).copied().flatten()
    }

    fn hand_to(&mut self, partition: usize, member: usize) {
        if let Some(holder) = self.holders.get_mut(partition) {
            if let Some(count) = holder.and_then(|from| self.counts.get_mut(from)) {
                *count -= 1;
            }
            *holder = Some(member);
        }
        self.add(member);
    }

    fn queue(&self, class: &Class) -> BTreeSet<(usize, usize)> {
        class.members.iter().map(|member| (self.count(*member), *member)).collect()
    }

    /// What nobody has goes to whoever has least.
    fn fill(&mut self, class: &Class) {
        let mut queue = self.queue(class);
        for partition in &class.partitions {
            if self.holder(*partition).is_some() {
                continue;
            }
            let Some((count, member)) = queue.pop_first() else { return };
            self.hand_to(*partition, member);
            queue.insert((count + 1, member));
        }
    }

    /// From whoever has most to whoever has least, until these are equal within the class.
    fn level(&mut self, class: &Class, movable: Movable) -> bool {
        let mut held = self.held(class, movable);
        let mut takers = self.queue(class);
        let mut givers: BTreeSet<_> = held.keys().map(|member| (self.count(*member), *member)).collect();
        let mut moved = false;
        while let (Some((most, from)), Some((least, to))) = (givers.last().copied(), takers.first().copied())
        {
            if most < least + 2 {
                break;
            }
            givers.remove(&(most, from));
            let Some(partition) = held.get_mut(&from).and_then(Vec::pop) else { continue };
            self.hand_to(partition, to);
            moved = true;
            takers.remove(&(most, from));
            takers.insert((most - 1, from));
            takers.remove(&(least, to));
            takers.insert((least + 1, to));
            if held.get(&from).is_some_and(|left| !left.is_empty()) {
                givers.insert((most - 1, from));
            }
            givers.remove(&(least, to));
            if movable == Movable::All || self.owner(partition) != Some(to) {
                held.entry(to).or_default().push(partition);
            }
            if held.get(&to).is_some_and(|left| !left.is_empty()) {
                givers.insert((least + 1, to));
            }
        }
        moved
    }

    /// What each member has of the class and may give: first what it should keep, last what it should give first.
    fn held(&self, class: &Class, movable: Movable) -> BTreeMap<usize, Vec<usize>> {
        let mut held = BTreeMap::<usize, Vec<usize>>::new();
        let with_holder = class.partitions.iter().filter_map(|at| Some((*at, self.holder(*at)?)));
        let (home, away): (Vec<_>, Vec<_>) =
            with_holder.partition(|(partition, holder)| self.owner(*partition) == Some(*holder));
        let home = home.into_iter().filter(|_| movable == Movable::All);
        for (partition, holder) in home.chain(away) {
            held.entry(holder).or_default().push(partition);
        }
        held
    }

    /// Looks for a chain of members in which each can pass one on to the next and the first has two more than the last, and
    /// lets them do it. Says whether there was one; from its first member it is the shortest.
    fn pass_along(&mut self, classes: &[Class], movable: Movable) -> bool {
        let gifts = self.gifts(classes, movable);
        let mut givers: Vec<_> = (0..self.counts.len()).collect();
        givers.sort_by_key(|member| Reverse(self.count(*member)));
        let mut seen = vec![false; self.counts.len()];
        let mut seen_classes = vec![false; classes.len()];
        // From whom a member would get what.
        let mut gets: Vec<Option<(usize, usize)>> = vec![None; self.counts.len()];
        for giver in givers {
            // Whoever a larger giver reached has no less than that one, but for one partition: there is no use in going on.
            if mark(&mut seen, giver) {
                continue;
            }
            let mut queue = VecDeque::from([giver]);
            while let Some(from) = queue.pop_front() {
                for (at, partition) in gifts.get(from).into_iter().flatten() {
                    let Some(class) = classes.get(*at).filter(|_| !mark(&mut seen_classes, *at)) else {
                        continue;
                    };
                    for taker in &class.members {
                        if mark(&mut seen, *taker) {
                            continue;
                        }
                        if let Some(gets) = gets.get_mut(*taker) {
                            *gets = Some((from, *partition));
                        }
                        if self.count(*taker) + 2 <= self.count(giver) {
                            self.hand_along(&gets, *taker);
                            return true;
                        }
                        queue.push_back(*taker);
                    }
                }
            }
        }
        false
    }

    /// What each member would give of which class, by member.
    fn gifts(&self, classes: &[Class], movable: Movable) -> Vec<Vec<(usize, usize)>> {
        let mut gifts = vec![Vec::new(); self.counts.len()];
        for (at, class) in classes.iter().enumerate() {
            for (member, partitions) in self.held(class, movable) {
                if let (Some(gifts), Some(partition)) = (gifts.get_mut(member), partitions.last()) {
                    gifts.push((at, *partition));
                }
            }
        }
        gifts
    }

    /// Follows the chain back from its end.
    fn hand_along(&mut self, gets: &[Option<(usize, usize)>], end: usize) {
        let mut taker = end;
        while let Some((from, partition)) = gets.get(taker).copied().flatten() {
            self.hand_to(partition, taker);
            taker = from;
        }
    }
}

/// Whether it was marked before.
fn mark(marks: &mut [bool], at: usize) -> bool {
    marks.get_mut(at).is_none_or(|mark| std::mem::replace(mark, true))
}
