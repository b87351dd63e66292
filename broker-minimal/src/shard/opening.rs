//! How partitions come to a shard and go.

use super::command::{NewReplica, Open, PartitionId};
use super::replica::Replica;
use super::worker::Worker;
use crate::log::{Log, LogError, Recovery, RecoveryReport};
use crate::replica::Partition;

impl Worker {
    pub(super) fn open(&mut self, open: Open) {
        let Open { what, recovery, now_ms, reply } = open;
        let result = self.try_open(&what, recovery, now_ms);
        if let Err(error) = &result {
            let (topic, partition) = (&what.topic, what.id.index);
            tracing::error!(topic, partition, %error, "log not opened");
            if recovery.is_none() {
                self.missing.insert(what.id, what);
            }
        }
        let _gone = reply.send(result);
    }

    fn try_open(
        &mut self,
        what: &NewReplica,
        recovery: Option<Recovery>,
        now_ms: i64,
    ) -> Result<RecoveryReport, LogError> {
        let (log, report) = match recovery {
            Some(recovery) => {
                let (log, report) = Log::open(&what.dir, what.config.clone(), recovery, now_ms)?;
                if log.topic_id().is_zero() || log.topic_id() == what.id.topic {
                    (log, report)
                } else {
                    drop(log);
                    (create(what)?, RecoveryReport::default())
                }
            }
            None => (create(what)?, RecoveryReport::default()),
        };
        let core = Partition::new(what.node_id, what.settings, what.high_watermark);
        let mut replica = Replica::new(what.topic.clone(), core, log);
        replica.on_image(what.id, &what.state, &what.eligible, &mut self.effects);
        replica.carry_out(what.id, &mut self.effects, &self.isr);
        self.replicas.insert(what.id, replica);
        self.watch(what.id);
        self.note_unflushed(what.id);
        Ok(report)
    }

    /// Tries again what could not be made when its topic asked for it.
    pub(super) fn open_missing(&mut self, now_ms: i64) {
        for (id, what) in std::mem::take(&mut self.missing) {
            match self.try_open(&what, None, now_ms) {
                Ok(_) => tracing::info!(topic = what.topic, partition = id.index, "log opened after all"),
                Err(_) => drop(self.missing.insert(id, what)),
            }
        }
    }

    pub(super) fn delete(&mut self, id: PartitionId) {
        self.missing.remove(&id);
        let Some(mut replica) = self.replicas.remove(&id) else { return };
        // Fetches that wait look again and learn that the partition is gone.
        replica.dismiss();
        if let Err(error) = replica.log.delete() {
            tracing::warn!(topic = replica.topic, partition = id.index, %error, "files of a deleted partition stay");
        }
    }
}

/// Makes a new log. What lies in its place belongs to another topic of that name: it is moved aside, never served and never
/// deleted, because the metadata does not say that it may go.
fn create(what: &NewReplica) -> Result<Log, LogError> {
    if what.dir.exists() {
        let aside = what.dir.with_extension(format!("{}-stray", what.id.topic));
        tracing::warn!(from = %what.dir.display(), to = %aside.display(), "files of another topic moved aside");
        std::fs::rename(&what.dir, &aside)
            .map_err(|source| LogError::Disk { path: what.dir.clone(), source })?;
    }
    Log::create(&what.dir, what.id.topic, what.config.clone())
}
