//! What was acked is read, at its offset, by each group and by the judge.

use std::collections::{BTreeMap, HashSet};

use super::Judge;
use crate::history::{Event, Id, Reader};

/// Partition and offset.
type At = (i32, i64);

pub(super) struct Lost {
    readers: Vec<Reading>,
    acked: HashSet<At>,
}

/// One who has to read everything.
struct Reading {
    by: Reader,
    /// Acked, and not read yet.
    missing: BTreeMap<At, Id>,
    /// Read before its ack was known: the first answer may have been lost.
    early: BTreeMap<At, Id>,
}

impl Lost {
    pub(super) fn new(groups: usize) -> Self {
        let readers = (0..groups).map(Reader::Group).chain([Reader::Judge]);
        let reading = |by| Reading { by, missing: BTreeMap::new(), early: BTreeMap::new() };
        Self { readers: readers.map(reading).collect(), acked: HashSet::new() }
    }
}

impl Judge for Lost {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        match event {
            Event::Acked { id, partition, offset } => {
                let at = (*partition, *offset);
                self.acked.insert(at);
                for Reading { by, missing, early } in &mut self.readers {
                    match early.remove(&at) {
                        Some(read) if read == *id => {}
                        Some(read) => violations.push(other(*by, at, *id, Some(read))),
                        None => drop(missing.insert(at, *id)),
                    }
                }
            }
            Event::Read { by, partition, offset, id } => {
                let at = (*partition, *offset);
                let Some(reading) = self.readers.iter_mut().find(|reading| reading.by == *by) else { return };
                match (reading.missing.remove(&at), *id) {
                    (Some(acked), read) if Some(acked) != read => {
                        violations.push(other(*by, at, acked, read));
                    }
                    // Groups read some again.
                    (None, Some(read)) if !self.acked.contains(&at) => drop(reading.early.insert(at, read)),
                    _ => {}
                }
            }
            Event::Settled { ends } => {
                for (partition, end) in (0..).zip(ends) {
                    for Reading { by, missing, .. } in &mut self.readers {
                        for ((_, offset), id) in missing.range((partition, 0)..(partition, *end)) {
                            violations.push(format!(
                                "lost: {id:?}, acked as {partition}@{offset}, was not read by {by:?}"
                            ));
                        }
                        missing.retain(|(of, offset), _| *of != partition || offset >= end);
                    }
                }
            }
            _ => {}
        }
    }
}

fn other(reader: Reader, (partition, offset): At, acked: Id, read: Option<Id>) -> String {
    format!("lost: {acked:?} was acked as {partition}@{offset}, where {reader:?} reads {read:?}")
}
