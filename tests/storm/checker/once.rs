//! Idempotent producers' records are there once.

use std::collections::HashMap;

use super::Judge;
use crate::history::{Event, Id, Reader};

#[derive(Default)]
pub(super) struct Once {
    seen: HashMap<(Reader, Id), (i32, i64)>,
}

impl Judge for Once {
    fn see(&mut self, event: &Event, violations: &mut Vec<String>) {
        let Event::Read { by: by @ (Reader::Judge | Reader::Stranger), partition, offset, id: Some(id) } =
            event
        else {
            return;
        };
        if let Some((other, before)) = self.seen.insert((*by, *id), (*partition, *offset)) {
            violations.push(format!("once: {id:?} lies at {other}@{before} and at {partition}@{offset}"));
        }
    }
}
