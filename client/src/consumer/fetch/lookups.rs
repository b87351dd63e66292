//! Positions that are looked up: of each leader on its own, so that one that says nothing holds up nobody else's partitions.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use crate::admin::OffsetInfo;
use crate::consumer::buffer::Buffer;
use crate::metadata::Cluster;
use crate::{PerItem, Position, Result, TopicPartition, rng};

/// Index and generation of a cursor, its partition, and the position it wants to know.
pub(super) type Lookup = (usize, u32, TopicPartition, Position);

/// Those under way, by index and generation.
#[derive(Debug, Default)]
pub(super) struct Lookups(HashSet<(usize, u32)>);

impl Lookups {
    /// What is to be asked now, by leader as far as it is known.
    pub(super) fn begin(&mut self, wanted: Vec<Lookup>, cluster: &Cluster) -> Vec<Vec<Lookup>> {
        let mut by_leader: HashMap<Option<i32>, Vec<Lookup>> = HashMap::new();
        for lookup in wanted {
            let (index, generation, at, _) = &lookup;
            if self.0.insert((*index, *generation)) {
                let leader = cluster.leader(&at.topic, at.partition).and_then(|leader| leader.broker);
                by_leader.entry(leader).or_default().push(lookup);
            }
        }
        by_leader.into_values().collect()
    }

    /// These are answered, or never will be.
    pub(super) fn end(&mut self, asked: &[Lookup]) {
        for (index, generation, ..) in asked {
            self.0.remove(&(*index, *generation));
        }
    }
}

/// What became of positions that were asked for.
pub(super) fn on_answer(
    buffer: &mut Buffer,
    asked: Vec<Lookup>,
    found: Result<PerItem<TopicPartition, OffsetInfo>>,
    now: Instant,
) {
    let results: Vec<Result<OffsetInfo>> = match found {
        Ok(found) => found.into_iter().map(|(_, result)| result).collect(),
        Err(e) => asked.iter().map(|_| Err(e.clone())).collect(),
    };
    for ((index, generation, at, to), result) in asked.into_iter().zip(results) {
        let Some(cursor) = buffer.cursors.current(index, generation) else { continue };
        match result {
            Ok(info) if info.offset >= 0 => {
                buffer.move_to(&at, info.offset);
            }
            // No record is that young: the end is the first place where one will be.
            Ok(_) => cursor.lookup = (to != Position::End).then_some(Position::End),
            Err(e) => buffer.fail(index, generation, e, now, rng::unit()),
        }
    }
}
