//! In an epoch a partition has one leader at most.

use std::collections::HashMap;

use super::Judge;
use crate::history::Event;

#[derive(Default)]
pub(super) struct Leaders {
    by_epoch: HashMap<(i32, i32), i32>,
}

impl Judge for Leaders {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Leads { partition, epoch, broker } = event else { return };
        let known = *self.by_epoch.entry((*partition, *epoch)).or_insert(*broker);
        if known != *broker {
            violations
                .push(format!("leaders: {known} and {broker} lead partition {partition} in epoch {epoch}"));
        }
    }
}
