//! In a generation a partition has one owner at most.

use std::collections::HashMap;

use super::Judge;
use crate::history::Event;

pub(super) struct Owners;

impl Judge for Owners {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Owned { group, members } = event else { return };
        let mut owners = HashMap::new();
        for (member, partitions) in members {
            for partition in partitions {
                if let Some(other) = owners.insert(*partition, member) {
                    violations.push(format!(
                        "owners: partition {partition} of group {group} belongs to {other} and {member}"
                    ));
                }
            }
        }
    }
}
