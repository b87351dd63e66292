//! How the logs of a shard are closed when the broker stops.

use super::command::Checkpoint;
use crate::log::Log;

/// So many logs are closed one after the other; more are shared out among threads.
const ALONE: usize = 64;
/// Each log waits for the disk several times, and the journal of a file system takes what several wait for in one turn.
const THREADS: usize = 8;

/// Flushes and closes all logs; gives the checkpoints of those that could be, with where they end.
pub(super) fn close_all(mut logs: Vec<(Checkpoint, Log)>) -> Vec<Checkpoint> {
    if logs.len() <= ALONE {
        return close(logs);
    }
    let share = logs.len().div_ceil(THREADS);
    let mut shares = Vec::with_capacity(THREADS);
    while !logs.is_empty() {
        shares.push(logs.split_off(logs.len().saturating_sub(share)));
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || close(share))).collect();
        // The logs of one that panicked are not among those that were closed, so that the next start recovers them.
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

fn close(logs: Vec<(Checkpoint, Log)>) -> Vec<Checkpoint> {
    let mut ended = Vec::with_capacity(logs.len());
    for (mut checkpoint, log) in logs {
        match log.close() {
            Ok(end) => {
                checkpoint.recovery_point = end;
                ended.push(checkpoint);
            }
            Err(error) => {
                let (topic, partition) = (&checkpoint.topic, checkpoint.index);
                tracing::error!(topic, partition, %error, "log not closed: the next start recovers it");
            }
        }
    }
    ended
}
