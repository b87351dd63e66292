//! What a leader knows of its epoch: the ISR, its followers, and who may become a member.

use std::collections::BTreeMap;
use std::time::Instant;

use super::follower::Follower;
use super::isr::Proposal;
use super::pending::Pending;
use crate::meta::image::PartitionImage;

/// What a leader has on its mind.
#[derive(Debug)]
pub(super) struct Leader {
    /// Where its log ended when its epoch began.
    pub(super) start: i64,
    pub(super) end: i64,
    /// As the newest image says.
    pub(super) isr: Vec<i32>,
    pub(super) followers: BTreeMap<i32, Follower>,
    /// Brokers that may be in an ISR, with their epochs: registered, not fenced, not shutting down.
    pub(super) eligible: BTreeMap<i32, i64>,
    pub(super) proposal: Option<Proposal>,
    pub(super) pending: Pending,
    /// Where its log starts, as the last deletion left it.
    pub(super) log_start: i64,
    /// Deletions that some follower has not made yet.
    pub(super) deletions: Pending,
}

impl Leader {
    pub(super) fn new(end: i64, pending: Pending) -> Self {
        Self {
            start: end,
            end,
            isr: Vec::new(),
            followers: BTreeMap::new(),
            eligible: BTreeMap::new(),
            proposal: None,
            pending,
            log_start: -1,
            deletions: Pending::default(),
        }
    }

    pub(super) fn follow(&mut self, me: i32, image: &PartitionImage, eligible: &[(i32, i64)], now: Instant) {
        let before = std::mem::replace(&mut self.eligible, eligible.iter().copied().collect());
        self.isr.clone_from(&image.isr);
        let mut known = std::mem::take(&mut self.followers);
        for &id in image.replicas.iter().filter(|id| **id != me) {
            let has_restarted = before.get(&id) != self.eligible.get(&id);
            // What a broker had in an earlier life says nothing about what it has now.
            let follower = known.remove(&id).filter(|_| !has_restarted);
            let follower = follower.unwrap_or_else(|| Follower::new(image.isr.contains(&id), now));
            self.followers.insert(id, follower);
        }
    }

    /// Whether it is, or may have become, a member of the ISR.
    pub(super) fn is_member(&self, id: i32) -> bool {
        self.isr.contains(&id) || self.proposal.as_ref().is_some_and(|proposal| proposal.names(id))
    }

    pub(super) fn may_join(&self, id: i32, follower: &Follower) -> bool {
        let registered = self.eligible.get(&id);
        registered.is_some_and(|epoch| follower.broker_epoch < 0 || follower.broker_epoch == *epoch)
    }
}
