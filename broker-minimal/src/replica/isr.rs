//! A change of the ISR that was proposed to the controller and is not settled.

use std::time::{Duration, Instant};

use kinglet_protocol::ErrorCode;

use super::effect::IsrChange;

/// The pause before a proposal whose fate is not known is sent again.
const RETRY: Duration = Duration::from_millis(200);
/// How long the image may take to bring what the controller said yes to, before it is asked again.
const IMAGE_LATE: Duration = Duration::from_secs(2);

/// A proposal under way. There is one at a time.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) change: IsrChange,
    /// When it is sent again; while it is under way, never.
    retry_at: Option<Instant>,
}

impl Proposal {
    pub(super) fn new(change: IsrChange) -> Self {
        Self { change, retry_at: None }
    }

    pub(super) fn names(&self, broker: i32) -> bool {
        self.change.isr.iter().any(|(member, _)| *member == broker)
    }

    /// Whether the answer says that it was not made and never will be.
    ///
    /// Any other may have been made: those who were proposed count as members until the image says otherwise. Sending it again is
    /// safe, because the controller takes it only on top of the partition epoch that it names.
    pub(super) fn on_answer(&mut self, result: Result<(), ErrorCode>, now: Instant) -> bool {
        let pause = match result {
            Err(ErrorCode::INELIGIBLE_REPLICA | ErrorCode::OPERATION_NOT_ATTEMPTED) => return true,
            Ok(()) => IMAGE_LATE,
            Err(_) => RETRY,
        };
        self.retry_at = now.checked_add(pause);
        false
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// What to send again, if it is time.
    pub(super) fn retry(&mut self, now: Instant) -> Option<IsrChange> {
        self.retry_at.take_if(|at| *at <= now)?;
        Some(self.change.clone())
    }
}
