//! What the active controller remembers of brokers' heartbeats. It is in no log: the next controller begins anew and gives
//! everyone a full session.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::image::{Broker, Image};

/// How often the controller's task must look at the clock, as a part of the session's timeout: so much later a broker that is frozen may
/// be fenced, and until then no partition of it is written.
const LOOKS: u32 = 40;

/// When each broker was heard last, and how far it was.
#[derive(Debug)]
pub(crate) struct Sessions {
    timeout: Duration,
    started: Instant,
    /// When the clock was looked at last.
    looked: Instant,
    brokers: HashMap<i32, Session>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    heard: Instant,
    /// How much of the metadata log it has seen: the offset of the last record.
    offset: i64,
    /// What the others must have seen before it may stop.
    leaves_at: Option<i64>,
}

impl Sessions {
    pub(crate) fn new(timeout: Duration, now: Instant) -> Self {
        Self { timeout, started: now, looked: now, brokers: HashMap::new() }
    }

    /// How long the task may sleep.
    pub(crate) fn interval(&self) -> Duration {
        (self.timeout / LOOKS).max(Duration::from_millis(1))
    }

    /// Looks at the clock. A process that was stopped for long heard nobody, which says nothing about them.
    pub(crate) fn look(&mut self, now: Instant) {
        if now.saturating_duration_since(self.looked) > self.timeout / 2 {
            tracing::warn!(
                "the controller was not running for a while: every broker has a full session again"
            );
            self.started = now;
            for session in self.brokers.values_mut() {
                session.heard = now;
            }
        }
        self.looked = now;
    }

    /// The broker was heard; it has seen the metadata up to this record.
    pub(super) fn hear(&mut self, broker: i32, offset: i64, now: Instant) {
        let session = Session { heard: now, offset, leaves_at: None };
        let session = self.brokers.entry(broker).or_insert(session);
        session.heard = now;
        session.offset = offset;
    }

    /// The broker's process is another one now, or none.
    pub(super) fn end(&mut self, broker: i32) {
        self.brokers.remove(&broker);
    }

    /// Whether the process that registered may still be there.
    pub(super) fn is_alive(&self, broker: &Broker, now: Instant) -> bool {
        match self.brokers.get(&broker.id) {
            Some(session) => now.saturating_duration_since(session.heard) < self.timeout,
            None => !broker.is_fenced && now.saturating_duration_since(self.started) < self.timeout,
        }
    }

    /// The brokers whose session is over and who do not know it.
    pub(crate) fn expired<'i>(&self, image: &'i Image, now: Instant) -> Vec<&'i Broker> {
        let brokers = image.brokers.values().map(|broker| &**broker);
        brokers.filter(|broker| !broker.is_fenced && !self.is_alive(broker, now)).collect()
    }

    /// What the others must have seen before the broker may stop; the first answer holds.
    pub(super) fn leaves_at(&mut self, broker: i32, offset: i64) -> i64 {
        match self.brokers.get_mut(&broker) {
            Some(session) => *session.leaves_at.get_or_insert(offset),
            None => offset,
        }
    }

    /// Whether the broker has told that it has seen the record at this offset.
    pub(super) fn has_seen(&self, broker: i32, offset: i64) -> bool {
        self.brokers.get(&broker).is_some_and(|session| session.offset >= offset)
    }
}
