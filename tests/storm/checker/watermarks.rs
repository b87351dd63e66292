//! High watermark and start of a log never go back as one client sees them, and what was acked stays below the end.

use std::collections::HashMap;

use super::Judge;
use crate::history::Event;

#[derive(Default)]
pub(super) struct Watermarks {
    seen: HashMap<(usize, i32), (i64, i64)>,
}

impl Judge for Watermarks {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Watermarks { observer, partition, start, high } = event else { return };
        let before = self.seen.insert((*observer, *partition), (*start, *high));
        if let Some((start_before, high_before)) =
            before.filter(|before| before.0 > *start || before.1 > *high)
        {
            violations.push(format!(
                "watermarks: partition {partition} was {start_before} to {high_before} and is {start} to {high}"
            ));
        }
        if start > high {
            violations.push(format!("watermarks: partition {partition} begins at {start}, behind {high}"));
        }
    }
}
