//! Tells the shards the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::storage::Storage;
use crate::{clock, stopped};

/// How often the shards look at the clock, for what may wait: files to be removed or closed, producers to be forgotten.
const TICK: Duration = Duration::from_secs(1);
/// How often they look whether a flush is due, where something was written.
const FLUSHES: Duration = Duration::from_millis(20);
/// How often they look at acks that wait and followers that lag, where there are any.
const DEADLINES: Duration = Duration::from_millis(100);
/// The first look at retention comes this long after the start, as in Kafka.
const RETENTION_DELAY: Duration = Duration::from_secs(30);
/// How often the checkpoint files are written while the broker runs, as Kafka's `log.flush.offset.checkpoint.interval.ms`.
const CHECKPOINT: Duration = Duration::from_secs(60);

/// Lets what was written be flushed until the broker stops; apart from all that waits for the disk itself.
pub(crate) async fn flush(storage: Arc<Storage>, mut stop: watch::Receiver<bool>) {
    let mut flushes = tokio::time::interval(FLUSHES);
    flushes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = flushes.tick() => storage.shards.flush(clock::now_ms()),
            () = stopped(&mut stop) => return,
        }
    }
}

/// Drives what else depends on time until the broker stops.
pub(crate) async fn run(storage: Arc<Storage>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(TICK);
    let mut deadlines = tokio::time::interval(DEADLINES);
    deadlines.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let every = storage.config().retention_check_interval;
    // Not at once: what comes old already, as from another cluster, stays long enough to be read by who waits for it.
    let first = tokio::time::Instant::now() + every.min(RETENTION_DELAY);
    let mut retentions = tokio::time::interval_at(first, every);
    // The first at once: entries of topics that went while the broker was down must not outlive this start.
    let mut checkpoints = tokio::time::interval(CHECKPOINT);
    loop {
        tokio::select! {
            _ = ticks.tick() => storage.shards.tick(clock::now_ms()),
            _ = deadlines.tick() => storage.shards.deadlines(),
            _ = retentions.tick() => storage.shards.retain(clock::now_ms()),
            _ = checkpoints.tick() => {
                let storage = Arc::clone(&storage);
                let save = tokio::task::spawn_blocking(move || storage.save_checkpoints()).await;
                if let Ok(Err(error)) = save {
                    tracing::warn!(%error, "checkpoints not saved: a restart scans more of the logs");
                }
            }
            () = stopped(&mut stop) => return,
        }
    }
}
