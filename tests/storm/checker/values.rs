//! One offset has one record, for everybody and for ever.

use std::collections::HashMap;

use super::Judge;
use crate::history::{Event, Id};

#[derive(Default)]
pub(super) struct Values {
    known: HashMap<(i32, i64), Id>,
}

impl Values {
    fn learn(&mut self, partition: i32, offset: i64, id: Id, violations: &mut Vec<String>) {
        let before = self.known.insert((partition, offset), id);
        if let Some(before) = before.filter(|before| *before != id) {
            violations.push(format!("values: {partition}@{offset} was {before:?} and is {id:?}"));
        }
    }
}

impl Judge for Values {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        match event {
            Event::Acked { id, partition, offset } => self.learn(*partition, *offset, *id, violations),
            Event::Read { partition, offset, id: Some(id), .. } => {
                self.learn(*partition, *offset, *id, violations)
            }
            Event::Read { by, partition, offset, id: None } => {
                violations.push(format!("values: {by:?} reads at {partition}@{offset} what nobody has sent"));
            }
            _ => {}
        }
    }
}
