//! The ways to the leaders: connections that come about, or do not.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::Sender;
use crate::net::Connection;
use crate::{Result, rng};

impl Sender {
    pub(super) fn on_connected(&mut self, broker: i32, connected: Result<Arc<Connection>>, now: Instant) {
        self.connecting.remove(&broker);
        match connected {
            Ok(connection) => {
                self.connections.insert(broker, connection);
                if let Some(after) = self.unreachable.remove(&broker).and_then(|mut gone| gone.is_over(now)) {
                    info!(broker, ?after, "connected again");
                }
                self.with(|acc| acc.on_broker(broker, true));
            }
            Err(error) => {
                if self.unreachable.entry(broker).or_default().is_there(now) {
                    warn!(broker, %error, "cannot connect");
                } else {
                    debug!(broker, %error, "still cannot connect");
                }
                self.with(|acc| acc.on_unreachable(broker, &error, now, rng::unit()));
            }
        }
    }
}
