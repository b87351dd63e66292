//! What a replica answers without changing: who leads, what is committed, what may be done here.

use kinglet_protocol::ErrorCode;

use super::effect::Acks;
use super::partition::{Partition, Role};

impl Partition {
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Who leads, as far as this replica knows; -1 is nobody.
    pub(crate) fn leader_id(&self) -> i32 {
        self.leader
    }

    pub(crate) fn leads(&self) -> bool {
        self.leader().is_some()
    }

    /// Whether this leader does not know yet how much of what it found in its log is committed. What it tells as the end then may
    /// lie before what its predecessor told (KIP-207).
    pub(crate) fn is_settling(&self) -> bool {
        matches!(&self.role, Role::Leader(leader) if self.high_watermark < leader.start)
    }

    /// Whether an append may happen now.
    pub(crate) fn check_append(&self, acks: Acks) -> Result<(), ErrorCode> {
        let leader = self.leader().ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        if acks == Acks::All && self.is_under_min_isr(leader) {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        Ok(())
    }

    /// Whether what `leader_epoch`'s leader gave may be written here.
    pub(crate) fn check_follower(&self, leader_epoch: i32) -> Result<(), ErrorCode> {
        match self.role {
            Role::Leader(_) => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            Role::Follower { .. } => self.check_epoch(leader_epoch),
        }
    }

    /// As [`Self::check_follower`], for cutting the log where it parts from the leader's. A leader's log only grows: one that was found
    /// to agree never parts from it, and an answer that says so is of an earlier time.
    pub(crate) fn check_cut(&self, leader_epoch: i32) -> Result<(), ErrorCode> {
        self.check_follower(leader_epoch)?;
        let agrees = matches!(self.role, Role::Follower { agrees: true });
        if agrees { Err(ErrorCode::FENCED_LEADER_EPOCH) } else { Ok(()) }
    }

    /// Up to where records may be deleted for a client that wants to delete everything before `offset`; -1 stands for all that is
    /// committed.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64, ErrorCode> {
        match offset {
            -1 => Ok(self.high_watermark),
            offset if (0..=self.high_watermark).contains(&offset) => Ok(offset),
            _ => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
        }
    }

    /// Compares the epoch a request was made with to ours (KIP-320); -1 asks for no check.
    pub(crate) fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        #[cfg(test)]
        if self.mutant == Some(crate::mutant::Mutant::SkipEpochCheck) {
            return Ok(());
        }
        if current_leader_epoch < 0 || current_leader_epoch == self.leader_epoch {
            Ok(())
        } else if current_leader_epoch < self.leader_epoch {
            Err(ErrorCode::FENCED_LEADER_EPOCH)
        } else {
            Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
        }
    }

    /// As [`Self::check_epoch`], for what only a leader answers.
    pub(crate) fn check_leads(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        self.check_epoch(current_leader_epoch)?;
        if self.leads() { Ok(()) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }
}
