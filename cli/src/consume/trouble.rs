//! What becomes of a reader's errors: passing trouble is told once, what lasts ends the run.

use std::mem;

use kinglet::ErrorKind;

use crate::connect::failure_of;
use crate::error::Failure;
use crate::tool::warn;

/// Whether reading is in passing trouble.
#[derive(Debug, Default)]
pub struct Trouble {
    /// It was told, and no record came since.
    is_told: bool,
}

impl Trouble {
    /// Tells passing trouble once and lets the reader go on, as Kafka's consumer does: who follows a topic is to survive
    /// the restart of a broker. What lasts ends the run.
    pub fn bear(&mut self, error: &kinglet::Error) -> Result<(), Failure> {
        if !may_pass(error) {
            return Err(failure_of(error, cannot_read(error)));
        }
        if !mem::replace(&mut self.is_told, true) {
            warn(&format!("{}: {error}; still trying", cannot_read(error)));
        }
        Ok(())
    }

    /// A record came.
    pub fn clear(&mut self) {
        self.is_told = false;
    }
}

/// A topic that is gone is retriable for a client that waits for its metadata, but does not come back by waiting.
fn may_pass(error: &kinglet::Error) -> bool {
    match error.kind() {
        ErrorKind::UnknownTopic | ErrorKind::UnknownPartition | ErrorKind::Corrupt => false,
        _ => error.is_retriable(),
    }
}

fn cannot_read(error: &kinglet::Error) -> String {
    let place = error.context().topic_partition.as_ref().map(|place| format!(" {place}")).unwrap_or_default();
    format!("cannot read{place}")
}
