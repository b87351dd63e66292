//! What the sender measures, and says in the log.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::{Level, debug, enabled};

use super::Sender;
use crate::clock;
use crate::producer::metrics::{self, Measure};
use crate::producer::parcel::Parcel;

/// From this version on a broker answers at once and leaves the wait to the client (KIP-219); before, it had waited itself.
const THROTTLE_FROM: i16 = 6;

impl Sender {
    /// Now and then, as long as there is something to do, the log says at level debug what was measured.
    pub(super) fn report(&mut self, now: Instant) {
        let interval = self.shared.core.config.duration("statistics.interval.ms");
        if interval.is_zero() || now < self.reported + interval || !enabled!(Level::DEBUG) {
            return;
        }
        self.reported = now;
        let gauges = self.shared.lock().gauges();
        let snapshot = self.shared.metrics().snapshot(gauges, now);
        let text: Vec<_> = snapshot.iter().map(|(name, value)| format!("{name}={value:.3}")).collect();
        debug!(client = self.shared.core.config.text("client.id"), "producer: {}", text.join(" "));
    }

    pub(super) fn measure(&self, parcels: &[Parcel], batches: &[Bytes]) {
        let now = clock::now();
        let mut metrics = self.shared.metrics();
        for (parcel, batch) in parcels.iter().zip(batches) {
            metrics.add(Measure::BatchSize, metrics::size(batch.len()), now);
            metrics.add(
                Measure::Compression,
                metrics::size(batch.len()) / metrics::size(parcel.size.max(1)),
                now,
            );
            metrics.add(Measure::Queued, metrics::ms(now.saturating_duration_since(parcel.opened)), now);
            if parcel.attempts > 0 {
                metrics.add(Measure::Retried, f64::from(parcel.count), now);
            }
        }
        let records = parcels.iter().map(|parcel| f64::from(parcel.count)).sum();
        metrics.add(Measure::PerRequest, records, now);
    }

    pub(super) fn on_throttled(&self, flight: u64, throttle_time_ms: i32, now: Instant) {
        self.shared.metrics().add(Measure::Throttled, f64::from(throttle_time_ms), now);
        let Some(flight) = self.flying.get(&flight) else { return };
        let pause = Duration::from_millis(u64::try_from(throttle_time_ms).unwrap_or_default());
        if !pause.is_zero() && flight.version >= THROTTLE_FROM {
            debug!(broker = flight.broker, ?pause, "throttled");
            self.with(|acc| acc.on_throttled(flight.broker, now + pause));
        }
    }
}
