//! Which connections are open: one a broker and lane, made when first needed, made again after it ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Mutex as Gate;

use super::connection::Settings;
use super::greeting::{OldBrokers, greet};
use super::{Address, Backoff, Connection};
use crate::{Config, Result, clock, rng};

/// What a connection is for. A fetch that waits for records must not hold up anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Metadata, admin, offsets.
    General,
    /// Produce.
    Produce,
    /// Fetch, of the consumer with this number.
    Fetch(u64),
    /// Membership in a group, of the consumer with this number: joining waits for all members.
    Group(u64),
}

/// All connections of a client.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    backoff: Backoff,
    slots: Mutex<Slots>,
    old: OldBrokers,
}

type Slots = HashMap<(Address, Lane), Arc<Gate<Slot>>>;

/// Whoever needs the same connection waits for the one attempt that is under way, which has a deadline.
#[derive(Debug, Default)]
struct Slot {
    connection: Option<Arc<Connection>>,
    failures: u32,
    not_before: Option<Instant>,
}

/// Bytes of an answer besides the records.
const RESPONSE_SLACK: usize = 64 * 1024 * 1024;

impl Pool {
    pub(crate) fn new(config: &Config) -> Self {
        // One address that swallows everything must leave time for the others.
        let servers = config.bootstrap().map_or(0, |servers| servers.len());
        let share = u32::try_from(servers).unwrap_or(u32::MAX).saturating_add(1);
        let fair = config.duration("default.api.timeout.ms") / share;
        let settings = Settings {
            client_id: config.text("client.id").to_owned(),
            connect_timeout: config.duration("socket.connection.setup.timeout.ms").min(fair),
            request_timeout: config.duration("request.timeout.ms"),
            response_max: config.size("fetch.max.bytes").unwrap_or(0).saturating_add(RESPONSE_SLACK),
            pinned: config.pinned_release(),
        };
        let backoff = Backoff {
            base: config.duration("reconnect.backoff.ms"),
            max: config.duration("reconnect.backoff.max.ms"),
        };
        Self { settings, backoff, slots: Mutex::default(), old: OldBrokers::default() }
    }

    /// The connection to `address` for this kind of traffic. After a failed attempt the next one waits its time.
    pub(crate) async fn connection(&self, address: &Address, lane: Lane) -> Result<Arc<Connection>> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry((address.clone(), lane)).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.connection.as_ref().filter(|c| c.is_open()) {
            return Ok(connection.clone());
        }
        if let Some(ended) = slot.connection.take()
            && !ended.has_answered()
        {
            self.old.forget(address);
        }
        if let Some(not_before) = slot.not_before {
            tokio::time::sleep_until(not_before.into()).await;
        }
        // Rare, and much larger than all that waits for it.
        match Box::pin(greet(address, &self.settings, &self.old)).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                *slot = Slot { connection: Some(connection.clone()), ..Slot::default() };
                Ok(connection)
            }
            Err(e) => {
                slot.failures += 1;
                slot.not_before = Some(clock::now() + self.backoff.delay(slot.failures, rng::unit()));
                Err(e)
            }
        }
    }

    /// Closes the connections of a lane that nobody uses any more.
    pub(crate) fn release(&self, lane: Lane) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|(_, of), _| *of != lane);
    }

    /// Closes every connection; those who wait for an answer get an error.
    pub(crate) fn close(&self) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
