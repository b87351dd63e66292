//! What a group has committed never goes back, and is never above the high watermark.
//!
//! Its members commit what they are done with, in order; a member that takes over begins at what is committed.

use std::collections::HashMap;

use super::Judge;
use crate::history::Event;

#[derive(Default)]
pub(super) struct Committed {
    seen: HashMap<(usize, i32), i64>,
}

impl Judge for Committed {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Committed { group, partition, offset, high } = event else { return };
        let before = self.seen.insert((*group, *partition), *offset);
        if let Some(before) = before.filter(|before| before > offset) {
            violations.push(format!(
                "committed: group {group} went back from {before} to {offset} in partition {partition}"
            ));
        }
        if offset > high {
            violations.push(format!(
                "committed: group {group} has {offset} in partition {partition}, whose high watermark is {high}"
            ));
        }
    }
}
