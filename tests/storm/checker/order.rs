//! What a producer sent to a partition lies in it in the order in which it was sent.

use std::collections::HashMap;

use super::Judge;
use crate::history::{Event, Reader};

#[derive(Default)]
pub(super) struct Order {
    /// By reader, producer and partition, where it read and which number.
    last: HashMap<(Reader, u32, i32), (i64, u64)>,
}

impl Judge for Order {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        // Groups read some of it again.
        let Event::Read { by: by @ (Reader::Judge | Reader::Stranger), partition, offset, id: Some(id) } =
            event
        else {
            return;
        };
        let last = self.last.insert((*by, id.producer, *partition), (*offset, id.number));
        if let Some((before, number)) =
            last.filter(|(before, number)| *before >= *offset || *number > id.number)
        {
            violations.push(format!(
                "order: {partition}@{offset} has number {} of producer {}, and {before} had {number}",
                id.number, id.producer
            ));
        }
    }
}
