//! What is said never to have been written is not read.

use std::collections::{HashMap, HashSet};

use super::Judge;
use crate::history::{Event, Id};

#[derive(Default)]
pub(super) struct Denied {
    denied: HashSet<Id>,
    /// What was read before anything was said of it.
    read: HashMap<Id, (i32, i64)>,
}

impl Judge for Denied {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        match event {
            Event::Failed { id, never: true } => {
                if let Some((partition, offset)) = self.read.get(id) {
                    violations.push(format!(
                        "denied: {id:?} is said not to be written, and was read at {partition}@{offset}"
                    ));
                }
                self.denied.insert(*id);
            }
            Event::Acked { id, .. } => drop(self.read.remove(id)),
            Event::Read { partition, offset, id: Some(id), .. } => {
                if self.denied.contains(id) {
                    violations.push(format!(
                        "denied: {id:?} was said not to be written, and is read at {partition}@{offset}"
                    ));
                }
                self.read.insert(*id, (*partition, *offset));
            }
            _ => {}
        }
    }
}
