//! What went from one member to another while shares were evened out.

use std::collections::HashMap;

use super::super::java_hash;
use super::claims::Group;

/// Remembers, so that of one topic nothing goes to and fro between two members.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// From whom to whom, by partition.
    by_slot: HashMap<usize, (usize, usize)>,
    /// By topic, from whom and to whom.
    by_way: HashMap<(usize, usize, usize), Moved>,
}

/// Java's set of the partitions that went the same way.
#[derive(Debug, Default)]
struct Moved {
    slots: Vec<usize>,
    /// The most there were.
    most: usize,
}

impl Moves {
    /// The partition to move instead: one of the topic that went the other way before, if there is one.
    pub(super) fn instead(&self, group: &Group<'_>, at: usize, from: usize, to: usize) -> usize {
        let Some(slot) = group.slots.get(at) else { return at };
        let from = self.by_slot.get(&at).map_or(from, |(first, _)| *first);
        let Some(moved) = self.by_way.get(&(slot.topic, to, from)) else { return at };
        let place = |at: &&usize| {
            let slot = group.slots.get(**at)?;
            let partition = group.topics.get(slot.topic)?.partition(slot.index);
            Some(java_hash::partition_place(&partition.topic, partition.partition, moved.most))
        };
        moved.slots.iter().min_by_key(place).copied().unwrap_or(at)
    }

    pub(super) fn note(&mut self, topic: usize, at: usize, from: usize, to: usize) {
        let first = match self.by_slot.remove(&at) {
            Some((first, last)) => {
                self.forget((topic, first, last), at);
                first
            }
            None => from,
        };
        if first == to {
            return;
        }
        self.by_slot.insert(at, (first, to));
        let moved = self.by_way.entry((topic, first, to)).or_default();
        moved.slots.push(at);
        moved.most = moved.most.max(moved.slots.len());
    }

    fn forget(&mut self, way: (usize, usize, usize), at: usize) {
        let Some(moved) = self.by_way.get_mut(&way) else { return };
        moved.slots.retain(|other| *other != at);
        if moved.slots.is_empty() {
            self.by_way.remove(&way);
        }
    }
}
