//! What a leader's shard does: appends, deletions, acks, and the ISR.

use std::sync::atomic::Ordering;

use kinglet_protocol::ErrorCode;

use super::command::{Append, AppendFailure, DeleteRecords, PartitionId};
use super::worker::Worker;
use crate::clock;
use crate::log::AppendError;
use crate::meta::image::PartitionImage;
use crate::replica::Acks;

impl Worker {
    pub(super) fn append(&mut self, append: Append) {
        let Append { id, batches, current_leader_epoch, acks, timeout, now_ms, reply } = append;
        let Some(replica) = self.replicas.get_mut(&id) else {
            let _gone = reply.send(Err(AppendFailure::NotHere));
            return;
        };
        let core = &mut replica.core;
        let allowed = core.check_leads(current_leader_epoch).and_then(|()| core.check_append(acks));
        if let Err(code) = allowed {
            let _gone = reply.send(Err(AppendFailure::Replica(code)));
            return;
        }
        let before = replica.log.end_offset();
        let result = replica.log.append(&batches, core.leader_epoch(), now_ms);
        let result = result.map_err(AppendFailure::Log);
        let end = replica.log.end_offset();
        let now = clock::now();
        let effects = &mut self.effects;
        if end > before {
            replica.core.on_append(now, end, effects);
        }
        let until = match &result {
            Ok(appended) => Some(appended.last_offset + 1),
            // A batch that is in the log already is acked when it is committed, as its original is.
            Err(AppendFailure::Log(AppendError::Duplicate(original))) => Some(original.last_offset + 1),
            Err(_) => None,
        };
        match until.filter(|_| acks == Acks::All) {
            Some(until) => {
                // A wait of more than a year is as good as any.
                let deadline = now.checked_add(timeout).unwrap_or(now);
                replica.ack_later((result, reply), until, deadline, effects);
            }
            None => {
                let _gone = reply.send(result);
            }
        }
        replica.carry_out(id, effects, &self.isr);
        if end > before {
            replica.wake_followers();
            self.note_unflushed(id);
        }
        self.watch(id);
    }
}

impl Worker {
    /// Deletes here, and answers when the followers have done so too.
    pub(super) fn delete_records(&mut self, delete: DeleteRecords) {
        let DeleteRecords { id, before, timeout, now_ms, reply } = delete;
        let start = match self.start_later(id, before, now_ms) {
            Ok(start) => start,
            Err(code) => {
                let _gone = reply.send(Err(code));
                return;
            }
        };
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        let now = clock::now();
        let deadline = now.checked_add(timeout).unwrap_or(now);
        replica.answer_deletion_later(reply, start, deadline, &mut self.effects);
        replica.carry_out(id, &mut self.effects, &self.isr);
        // Those that wait are told, so that they delete too.
        replica.wake_followers();
        self.watch(id);
    }

    fn start_later(&mut self, id: PartitionId, before: i64, now_ms: i64) -> Result<i64, ErrorCode> {
        let replica = self.replicas.get_mut(&id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        replica.core.check_leads(-1)?;
        // With neither policy records stay until somebody deletes them.
        let config = replica.log.config();
        if config.compact && !config.delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let before = replica.core.delete_before(before)?;
        replica.log.delete_records_before(before, now_ms).map_err(|error| error.code())
    }

    /// The metadata says who leads and who is in sync.
    pub(super) fn on_image(&mut self, id: PartitionId, state: &PartitionImage, eligible: &[(i32, i64)]) {
        if let Some(missing) = self.missing.get_mut(&id) {
            missing.state.clone_from(state);
            missing.eligible = eligible.to_vec();
        }
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        replica.on_image(id, state, eligible, &mut self.effects);
        replica.carry_out(id, &mut self.effects, &self.isr);
        self.watch(id);
    }

    pub(super) fn isr_answered(
        &mut self,
        id: PartitionId,
        partition_epoch: i32,
        result: Result<(), ErrorCode>,
    ) {
        let Some(replica) = self.replicas.get_mut(&id) else { return };
        if let Err(error) = result {
            let (topic, partition) = (&replica.topic, id.index);
            tracing::info!(topic, partition, %error, "ISR not changed");
        }
        replica.core.on_isr_answer(partition_epoch, result, clock::now(), &mut self.effects);
        replica.carry_out(id, &mut self.effects, &self.isr);
        self.watch(id);
    }

    /// Appends that waited too long give up; followers that lag leave the ISR.
    pub(super) fn deadlines(&mut self) {
        let now = clock::now();
        let mut watched = std::mem::take(&mut self.watched);
        watched.retain(|id| {
            let Some(replica) = self.replicas.get_mut(id) else { return false };
            if replica.core.deadline().is_some_and(|deadline| deadline <= now) {
                replica.core.on_deadline(now, &mut self.effects);
                replica.carry_out(*id, &mut self.effects, &self.isr);
            }
            replica.is_watched = replica.core.deadline().is_some();
            replica.is_watched
        });
        self.needs.deadlines.store(!watched.is_empty(), Ordering::Relaxed);
        self.watched = watched;
    }

    /// To be called after whatever may give a partition a deadline. Those at rest are not looked at: a broker may lead thousands.
    pub(super) fn watch(&mut self, id: PartitionId) {
        if let Some(replica) = self.replicas.get_mut(&id) {
            replica.watch(id, &mut self.watched, &self.needs);
        }
    }
}
