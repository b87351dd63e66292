//! When a shard brings what was written to the disk: 100 ms after it was at the latest, while the disk keeps up.

use std::sync::atomic::Ordering;

use super::command::PartitionId;
use super::flusher::Task;
use super::worker::Worker;

impl Worker {
    /// Remembers the partition if something of it has to be flushed.
    pub(super) fn note_unflushed(&mut self, id: PartitionId) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        if replica.log.has_unflushed() && !replica.is_noted {
            replica.is_noted = true;
            self.unflushed.push(id);
            self.needs.flushes.store(true, Ordering::Relaxed);
        }
    }

    /// Starts the flushes that are due, those that have waited longest first.
    pub(super) fn flush(&mut self, now_ms: i64) {
        let mut has_room = true;
        let mut waiting = std::mem::take(&mut self.unflushed);
        waiting.retain(|id| {
            let Some(replica) = self.replicas.get_mut(id) else { return false };
            if replica.log.is_flush_due(now_ms)
                && (has_room || replica.log.is_flush_late(now_ms))
                // A log that is offline says so itself.
                && let Ok(job) = replica.log.start_flush()
                && let Err(Task { job, .. }) = self.flusher.submit(Task { id: *id, job }, &self.own)
            {
                // All threads are busy or there is none: this log waits itself, the others until there is room, or until they are
                // late. That bounds what is not on disk.
                has_room = false;
                let result = job.run();
                let _logged = replica.log.on_flushed(&job, result);
            }
            replica.is_noted = replica.log.has_unflushed();
            replica.is_noted
        });
        self.needs.flushes.store(!waiting.is_empty(), Ordering::Relaxed);
        self.unflushed = waiting;
    }
}
