//! What a replica is told and what it wants done.

use std::time::Duration;

use kinglet_protocol::ErrorCode;

use super::pending::ReplyId;
use crate::meta::image::{Image, PartitionImage};

/// Nobody, where a broker is named.
pub(super) const NOBODY: i32 = -1;

/// What the topic and the broker say about replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `min.insync.replicas`.
    pub(crate) min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`.
    pub(crate) lag_time_max: Duration,
}

/// Which acks an append waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    /// The leader's log has it, which is the answer to 0 and 1.
    Leader,
    /// The whole ISR has it.
    All,
}

/// What a broker goes by of what the metadata says. `is_registered`: the metadata has reached the registration of this process.
///
/// A process that has just started and reads that it leads may be reading of its earlier life: the ISR may have grown since, and
/// another may lead. Until it has read its own registration nobody leads, as far as it is concerned.
pub(crate) fn as_known(state: &PartitionImage, me: i32, is_registered: bool) -> PartitionImage {
    let mut known = state.clone();
    if known.leader == me && !is_registered {
        known.leader = NOBODY;
    }
    known
}

/// Replicas that may be in an ISR, with the epochs that their brokers registered with.
pub(crate) fn eligible(image: &Image, state: &PartitionImage) -> Vec<(i32, i64)> {
    let brokers = state.replicas.iter().filter_map(|id| image.broker(*id));
    let able = brokers.filter(|broker| {
        !broker.is_fenced && !broker.is_shutting_down && !image.has_failed(state, broker.id)
    });
    able.map(|broker| (broker.id, broker.epoch)).collect()
}

/// What the owner has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The high watermark moved: whoever waits for records of this partition looks again.
    Progress,
    /// Somebody else leads, or in another epoch: whoever waits here learns of it.
    Moved,
    /// What was appended is committed.
    Ack(ReplyId),
    /// What was appended is not known to be committed.
    Fail(ReplyId, ErrorCode),
    /// The ISR should become another.
    ProposeIsr(IsrChange),
}

/// An ISR that a leader wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsrChange {
    pub(crate) leader_epoch: i32,
    /// What it was decided on: the controller refuses it on top of anything else.
    pub(crate) partition_epoch: i32,
    /// The members, each with the epoch that its broker registered with, or -1.
    pub(crate) isr: Vec<(i32, i64)>,
}

/// A follower's fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FollowerFetch {
    pub(crate) broker: i32,
    /// The epoch that it registered with; -1 if the request does not say (KIP-903).
    pub(crate) broker_epoch: i64,
    /// Where its log ends.
    pub(crate) offset: i64,
    /// Where its log starts; -1 if the request does not say.
    pub(crate) log_start: i64,
}
