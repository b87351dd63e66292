//! Offsets follow one another: whoever reads a partition from its beginning misses none.

use std::collections::HashMap;

use super::Judge;
use crate::history::{Event, Reader};

#[derive(Default)]
pub(super) struct Holes {
    /// By reader and partition, the offset that comes next.
    next: HashMap<(Reader, i32), i64>,
}

impl Judge for Holes {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Read { by: by @ (Reader::Judge | Reader::Stranger), partition, offset, .. } = event else {
            return;
        };
        let next = self.next.insert((*by, *partition), offset + 1).unwrap_or(0);
        if next != *offset {
            violations.push(format!("holes: {by:?} reads {partition}@{offset} where {next} comes next"));
        }
    }
}
