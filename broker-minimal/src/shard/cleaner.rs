//! The log cleaner: one pass at a time, on the partition that is dirtiest, on a thread that may block.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::storage::Storage;
use super::{Command, PartitionId, Shards, Stopped};
use crate::log::{CleanError, CleanJob, CleanLimits, CleanReport};
use crate::{clock, rng, stopped};

/// A partition that is dirty enough.
pub(crate) struct Candidate {
    pub(crate) id: PartitionId,
    pub(crate) topic: String,
    pub(crate) job: CleanJob,
}

impl Candidate {
    /// This one, or the other if that is as dirty.
    pub(crate) fn or_dirtier(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.job.dirty_ppm() >= self.job.dirty_ppm() => other,
            Some(_) | None => self,
        }
    }
}

/// Cleans until the broker stops.
pub(crate) async fn run(storage: Arc<Storage>, mut stop: watch::Receiver<bool>) {
    let mut config = storage.watch_config();
    if !config.borrow().cleaner_enable {
        return;
    }
    let seeds = rng::seeds();
    loop {
        let (backoff, buffer_bytes) = {
            let config = config.borrow_and_update();
            (config.cleaner_backoff, config.cleaner_buffer_bytes)
        };
        let limits = CleanLimits { buffer_bytes, seeds };
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            // The wait may be another now.
            Ok(()) = config.changed() => continue,
            () = stopped(&mut stop) => return,
        }
        while !*stop.borrow() {
            let Ok(Some(candidate)) = dirtiest(&storage.shards).await else { break };
            let (shards, stop) = (Arc::clone(&storage.shards), stop.clone());
            // A pass that panicked would be tried again and again without the wait.
            let pass = move || clean(&shards, candidate, limits, &stop);
            if !matches!(tokio::task::spawn_blocking(pass).await, Ok(Ok(()))) {
                break;
            }
        }
    }
}

/// The dirtiest partition of all shards.
async fn dirtiest(shards: &Shards) -> Result<Option<Candidate>, Stopped> {
    let mut best: Option<Candidate> = None;
    for index in 0..shards.count() {
        let (reply, answer) = oneshot::channel();
        shards.send_to(index, Command::PlanCleaning { now_ms: clock::now_ms(), reply }).await?;
        if let Some(found) = answer.await.map_err(|_| Stopped)? {
            best = Some(found.or_dirtier(best));
        }
    }
    Ok(best)
}

/// One pass; its end is told to the owner whatever it is.
fn clean(
    shards: &Shards,
    candidate: Candidate,
    limits: CleanLimits,
    stop: &watch::Receiver<bool>,
) -> Result<(), Stopped> {
    let Candidate { id, topic, job } = candidate;
    let partition = id.index;
    let result = job.run(limits, &|| *stop.borrow(), &mut |cleaned| {
        let (reply, answer) = oneshot::channel();
        let swap = Command::SwapCleaned { id, cleaned, now_ms: clock::now_ms(), reply };
        shards.send_blocking(id, swap).map_err(|_| CleanError::Stopped)?;
        answer.blocking_recv().map_err(|_| CleanError::Stopped)?
    });
    match &result {
        Ok(CleanReport { end, bytes_before, bytes_after, records_dropped }) => {
            tracing::info!(topic, partition, end, bytes_before, bytes_after, records_dropped, "log cleaned");
        }
        Err(error @ (CleanError::Changed | CleanError::Stopped)) => {
            tracing::debug!(topic, partition, %error, "log not cleaned");
        }
        Err(error @ (CleanError::Disk { .. } | CleanError::Corrupt { .. })) => {
            tracing::warn!(topic, partition, %error, "log not cleaned: it is served as it is");
        }
    }
    let has_changed = matches!(result, Err(CleanError::Changed | CleanError::Stopped));
    shards.send_blocking(id, Command::Cleaned { id, now_ms: clock::now_ms(), result })?;
    // What has changed is looked at again after the wait.
    if has_changed { Err(Stopped) } else { Ok(()) }
}
