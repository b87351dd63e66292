//! The judges: one file an invariant. Each sees the history from its beginning and says in a sentence what must not be.

mod committed;
mod denied;
mod holes;
mod leaders;
mod lost;
mod once;
mod order;
mod owners;
mod replicas;
mod values;
mod watermarks;

#[cfg(test)]
mod tests;

pub(crate) use replicas::Replicas;

use crate::history::Event;

/// An invariant of the history.
trait Judge: Send {
    /// Sees the next event.
    fn see(&mut self, event: &Event, violations: &mut Vec<String>);
}

/// All of them.
pub(crate) struct Checker {
    judges: Vec<Box<dyn Judge>>,
    violations: Vec<String>,
}

/// What is wrong is wrong after so many, too.
const VIOLATIONS_MAX: usize = 50;

impl Checker {
    /// Where so many groups read.
    pub(crate) fn new(groups: usize) -> Self {
        let judges: Vec<Box<dyn Judge>> = vec![
            Box::new(lost::Lost::new(groups)),
            Box::<values::Values>::default(),
            Box::<order::Order>::default(),
            Box::<once::Once>::default(),
            Box::<denied::Denied>::default(),
            Box::<watermarks::Watermarks>::default(),
            Box::<committed::Committed>::default(),
            Box::new(owners::Owners),
            Box::<holes::Holes>::default(),
            Box::<leaders::Leaders>::default(),
        ];
        Self { judges, violations: Vec::new() }
    }

    /// Shows them what happened next.
    pub(crate) fn see(&mut self, event: &Event) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.judges.iter_mut().for_each(|judge| judge.see(event, &mut self.violations));
        }
    }

    /// What they have said.
    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }
}
