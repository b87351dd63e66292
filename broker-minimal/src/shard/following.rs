//! What a follower's shard does: it takes what the leader has, and cuts what the leader has not.

use kinglet_protocol::ErrorCode;

use super::command::{AppendFailure, AppendFollower, Cut, CutLog, FollowerState, PartitionId, Truncate};
use super::replica::Replica;
use super::worker::Worker;
use crate::clock;
use crate::log::{AppendError, LogError};
use crate::meta::image::PartitionImage;
use crate::mutant::{self, Mutant};
use crate::replica::Effect;
use crate::replica::divergence;

impl Worker {
    pub(super) fn append_follower(&mut self, append: AppendFollower) {
        let result = match self.replicas.get_mut(&append.id) {
            Some(replica) => replica.append_follower(&append),
            None => Err(AppendFailure::NotHere),
        };
        self.note_unflushed(append.id);
        let _gone = append.reply.send(result);
    }

    pub(super) fn truncate(&mut self, truncate: Truncate) {
        let result = match self.replicas.get_mut(&truncate.id) {
            Some(replica) => replica.truncate(truncate.id, truncate.leader_epoch, truncate.cut),
            None => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        };
        let _gone = truncate.reply.send(result);
    }

    pub(super) fn follower_states(
        &self,
        ids: Vec<PartitionId>,
    ) -> Vec<(PartitionId, Result<FollowerState, ErrorCode>)> {
        let state = |id: PartitionId| match self.replicas.get(&id) {
            Some(replica) if replica.log.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(replica) if replica.core.leads() => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            Some(replica) => Ok(replica.follower_state()),
            None => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        };
        ids.into_iter().map(|id| (id, state(id))).collect()
    }
}

impl Replica {
    pub(super) fn on_image(
        &mut self,
        id: PartitionId,
        state: &PartitionImage,
        eligible: &[(i32, i64)],
        effects: &mut Vec<Effect>,
    ) {
        let before = (self.core.leader_epoch(), self.core.leads());
        self.core.on_image(state, eligible, clock::now(), self.log.end_offset(), effects);
        if before == (self.core.leader_epoch(), self.core.leads()) {
            return;
        }
        let (topic, partition, epoch) = (&self.topic, id.index, self.core.leader_epoch());
        if !self.core.leads() {
            tracing::debug!(topic, partition, epoch, leader = state.leader, "follows");
            if mutant::makes(Mutant::TruncateToHighWatermark) {
                let _refused = self.log.truncate_to(self.core.high_watermark());
            }
        } else if state.replicas.len() > 1 {
            tracing::info!(topic, partition, epoch, offset = self.log.end_offset(), "leads");
            if let Err(error) = self.log.begin_epoch(epoch) {
                tracing::warn!(topic, partition, epoch, %error, "the epoch's start is not in its file");
            }
        }
    }

    fn append_follower(&mut self, append: &AppendFollower) -> Result<FollowerState, AppendFailure> {
        let AppendFollower { leader_epoch, fetch_offset, batches, high_watermark, log_start, now_ms, .. } =
            append;
        self.core.check_follower(*leader_epoch).map_err(AppendFailure::Replica)?;
        let end = self.log.end_offset();
        if *fetch_offset != end {
            // The log was cut, or has grown, since this was asked for: whether it fits is not known any more.
            return Err(AppendFailure::Log(AppendError::Overlap { end, received: *fetch_offset }));
        }
        self.log.append_as_follower(batches, *now_ms).map_err(AppendFailure::Log)?;
        self.core.on_copied(self.log.end_offset(), *high_watermark);
        if *log_start > self.log.start_offset() {
            // What the leader has deleted is not needed here; if the disk refuses, retention comes to it.
            if let Err(error) = self.log.delete_records_before(*log_start, *now_ms) {
                tracing::warn!(topic = self.topic, partition = append.id.index, %error, "records not deleted");
            }
        }
        Ok(self.follower_state())
    }

    fn truncate(&mut self, id: PartitionId, leader_epoch: i32, cut: Cut) -> Result<CutLog, ErrorCode> {
        match cut {
            Cut::Diverging { .. } | Cut::To(_) => self.core.check_cut(leader_epoch)?,
            Cut::RestartAt(_) => self.core.check_follower(leader_epoch)?,
        }
        let before = self.checkpoint(id, self.log.recovery_point());
        let end = self.log.end_offset();
        let (topic, partition) = (&self.topic, id.index);
        let result = match cut {
            Cut::Diverging { epoch, end_offset } => {
                let own = self.log.epoch_end_offset(epoch);
                let offset = divergence::cut_at((epoch, end_offset), own, end);
                if offset < end {
                    tracing::info!(topic, partition, offset, end, "cut to what the leader has");
                } else {
                    tracing::debug!(topic, partition, epoch, "goes back to the leader's epoch");
                }
                self.log.truncate_to(offset)
            }
            Cut::To(offset) => {
                tracing::info!(topic, partition, offset, end, "cut to the leader's end");
                self.log.truncate_to(offset)
            }
            Cut::RestartAt(offset) => {
                tracing::info!(topic, partition, offset, end, "restarted where the leader's log starts");
                self.log.restart_at(offset)
            }
        };
        self.core.on_cut(self.log.end_offset());
        result.map_err(|error| {
            match &error {
                // That was said when it happened; the leader is asked again and again.
                LogError::Offline => tracing::debug!(topic = self.topic, partition, %error, "log not cut"),
                error => tracing::error!(topic = self.topic, partition, %error, "log not cut"),
            }
            error.code()
        })?;
        let lowers_checkpoint = self.checkpoint(id, self.log.recovery_point()) != before;
        Ok(CutLog { state: self.follower_state(), lowers_checkpoint })
    }
}
