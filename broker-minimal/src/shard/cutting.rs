//! How followers' logs are cut, and how the checkpoint files on disk never say more than is left of them.

use kinglet_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::command::{Cut, CutLog, FollowerState, Truncate};
use super::storage::Storage;
use super::{Command, PartitionId};

/// What is to be cut: whose log, in which epoch of its leader, and where.
pub(crate) type WantedCut = (PartitionId, i32, Cut);

impl Storage {
    /// Cuts followers' logs, and says by cut where each stands then.
    ///
    /// Where that lowers what the checkpoint files say, they are on disk before this returns: what is appended next must not pass for
    /// flushed. They hold all partitions, so they are written once for many cuts, and not at all where only the epoch of a leader goes
    /// that wrote nothing: that is what most cuts are after a restart of many brokers.
    pub(crate) async fn truncate(&self, cuts: &[WantedCut]) -> Vec<Result<FollowerState, ErrorCode>> {
        let mut answers = Vec::with_capacity(cuts.len());
        for &(id, leader_epoch, cut) in cuts {
            let (reply, answer) = oneshot::channel();
            let truncate = Truncate { id, leader_epoch, cut, reply };
            let sent = self.shards.send(id, Command::Truncate(truncate)).await;
            answers.push(sent.map(|()| answer));
        }
        let mut cut = Vec::with_capacity(cuts.len());
        for answer in answers {
            let stopped = Err(ErrorCode::KAFKA_STORAGE_ERROR);
            cut.push(match answer {
                Ok(answer) => answer.await.unwrap_or(stopped),
                Err(_) => stopped,
            });
        }
        let lowers = |cut: &Result<CutLog, ErrorCode>| cut.is_ok_and(|cut| cut.lowers_checkpoint);
        let is_saved = !cut.iter().any(lowers) || self.save_cuts().await;
        let state = |cut: Result<CutLog, ErrorCode>| match cut {
            Ok(cut) if cut.lowers_checkpoint && !is_saved => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            cut => cut.map(|cut| cut.state),
        };
        cut.into_iter().map(state).collect()
    }

    async fn save_cuts(&self) -> bool {
        let storage = self.clone();
        match tokio::task::spawn_blocking(move || storage.save_checkpoints()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a cut is not in the checkpoint file");
                false
            }
            Err(_) => false,
        }
    }
}
