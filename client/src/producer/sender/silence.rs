//! Brokers that say nothing. One that is frozen, or cut off, keeps its connections and answers nothing for `request.timeout.ms`;
//! its partitions are led by others long before. Batches of an idempotent producer may go to those at once: what the silent one
//! has written of them is known there by its numbers, and the rest cannot be written any more under its old epoch.

use std::time::{Duration, Instant};

use super::Sender;
use crate::metadata::Cluster;
use crate::producer::accumulator::Plan;

/// A request without an answer for so long makes one look who leads, …
const SILENCE: Duration = Duration::from_secs(1);
/// … and again after this.
const AGAIN: Duration = Duration::from_millis(500);

impl Sender {
    /// Whether it is time to look if somebody else leads what a silent broker led.
    pub(super) fn doubts_somebody(&self, plan: &mut Plan, now: Instant) -> bool {
        // Without numbers nobody could tell what was written already.
        if !self.with(|acc| acc.is_numbered()) {
            return false;
        }
        let Some(oldest) = self.flying.values().map(|flight| flight.began).min() else { return false };
        let due = (oldest + SILENCE).max(self.refreshed + AGAIN);
        if now < due {
            plan.look_again(due);
        }
        now >= due
    }

    /// Ends connections to brokers that are silent and lead no more what they were sent; what is under way there comes back as
    /// lost, and goes to whoever leads.
    pub(super) fn leave_silent(&self, cluster: &Cluster, now: Instant) {
        if !self.with(|acc| acc.is_numbered()) {
            return;
        }
        for flight in self.flying.values().filter(|flight| now >= flight.began + SILENCE) {
            let is_elsewhere = flight.parcels.iter().any(|parcel| {
                let partition = i32::try_from(parcel.slot.partition).unwrap_or(i32::MAX);
                let leader = cluster.leader(&parcel.topic, partition).and_then(|leader| leader.broker);
                leader.is_some_and(|leader| leader != flight.broker)
            });
            let connection = self.connections.get(&flight.broker).filter(|connection| connection.is_open());
            if let Some(connection) = connection.filter(|_| is_elsewhere) {
                // The answers that are waited for end with it.
                let _ended = connection.give_up(format!(
                    "{} has not answered for {SILENCE:?}, and others lead now",
                    connection.address()
                ));
            }
        }
    }
}
