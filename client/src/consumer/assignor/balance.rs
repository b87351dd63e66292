//! The sticky assignors' core: equal shares by few moves. Members and partitions are indices here.

use std::collections::{BTreeMap, BTreeSet};

/// Partitions that the same members may have.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) members: Vec<usize>,
    pub(super) partitions: Vec<usize>,
}

/// Who gets which partition, by partition. Afterwards no member has two partitions more than another that could take one of them.
///
/// What has an owner stays where it is as far as that allows. What has none goes to whoever has least; then what is not with its
/// owner is passed on, which costs nothing, and only then what is.
///
/// Every pass takes time in the number of partitions and members; members with equal subscriptions need one.
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
        while classes.iter().fold(false, |moved, class| plan.level(class, movable) || moved) {}
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
}
