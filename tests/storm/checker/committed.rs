//! What a group has committed never goes back, and is never above the high watermark.
//!
//! Its members commit what they are done with, in order; a member that takes over begins at what is committed. A leader that others have
//! replaced, and that does not know it yet, tells an older high watermark: what it says is no proof once a newer epoch is known.

use std::collections::HashMap;

use super::Judge;
use crate::history::Event;

#[derive(Default)]
pub(super) struct Committed {
    seen: HashMap<(usize, i32), i64>,
    /// By partition.
    newest_epoch: HashMap<i32, i32>,
    suspects: Vec<Suspect>,
}

/// A commit above what a leader told.
struct Suspect {
    partition: i32,
    epoch: i32,
    violation: String,
    /// All was well once since: at the next time whoever led is known.
    is_old: bool,
}

impl Judge for Committed {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        match event {
            Event::Committed { group, partition, offset, high, epoch } => {
                let before = self.seen.insert((*group, *partition), *offset);
                if let Some(before) = before.filter(|before| before > offset) {
                    violations.push(format!(
                        "committed: group {group} went back from {before} to {offset} in partition {partition}"
                    ));
                }
                if offset > high {
                    let violation = format!(
                        "committed: group {group} has {offset} in partition {partition}, whose high watermark is {high}"
                    );
                    let (partition, epoch) = (*partition, *epoch);
                    self.suspects.push(Suspect { partition, epoch, violation, is_old: false });
                }
            }
            Event::Leads { partition, epoch, .. } => {
                let newest = self.newest_epoch.entry(*partition).or_insert(*epoch);
                *newest = (*newest).max(*epoch);
            }
            Event::Settled { .. } => {
                let newest = &self.newest_epoch;
                self.suspects.retain(|suspect| newest.get(&suspect.partition) <= Some(&suspect.epoch));
                let confirmed = self.suspects.extract_if(.., |suspect| suspect.is_old);
                violations.extend(confirmed.map(|suspect| suspect.violation));
                self.suspects.iter_mut().for_each(|suspect| suspect.is_old = true);
            }
            _ => {}
        }
    }
}
