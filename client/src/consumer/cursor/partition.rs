//! One partition: where it is read, who is asked for it, and what stands in the way.

use std::sync::Arc;
use std::time::Instant;

use super::super::batch::Place;
use super::super::progress::Progress;
use crate::metadata::{Cluster, Leader};
use crate::protocol::Uuid;
use crate::{Position, TopicPartition};

/// One partition.
#[derive(Debug)]
pub(in crate::consumer) struct Cursor {
    pub(in crate::consumer) at: TopicPartition,
    /// It is this consumer's to read at present.
    pub(super) assigned: bool,
    /// Counts assignments, of this partition and others.
    pub(super) tenure: u64,
    /// It has a consumer of its own.
    pub(super) claimed: bool,
    pub(in crate::consumer) progress: Arc<Progress>,
    /// The next offset the user gets.
    pub(in crate::consumer) position: Option<i64>,
    /// The next offset to ask for: ahead of `position` by what is buffered.
    pub(super) fetch_offset: Option<i64>,
    /// The position is to be looked up first.
    pub(in crate::consumer) lookup: Option<Position>,
    /// Answers to what was asked before a seek have another generation and are dropped.
    pub(in crate::consumer) generation: u32,
    pub(in crate::consumer) high_watermark: Option<i64>,
    /// What one answer may bring; it grows when a batch does not fit.
    pub(super) max_bytes: i32,
    pub(super) grown: bool,
    pub(super) paused: bool,
    /// Of the topic that the position is of; zero if that is not known.
    pub(super) topic_id: Uuid,
    pub(super) recreated: bool,
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    /// A replica that is nearer than the leader, and until when to ask it (KIP-392).
    pub(super) nearby: Option<(i32, Instant)>,
    /// The epoch of the leader that wrote the record before `position`, and before `fetch_offset`; -1 if unknown.
    pub(super) position_epoch: i32,
    pub(super) fetch_epoch: i32,
    /// The last leader failed: who leads is for newer metadata to say, not for what was known then.
    pub(super) stale: bool,
    pub(super) not_before: Option<Instant>,
    pub(super) failures: u32,
    pub(super) failing_since: Option<Instant>,
    /// An error waits for the user. Nothing is asked meanwhile, or errors would pile up.
    pub(super) untold: bool,
}

impl Cursor {
    pub(super) fn new(
        at: TopicPartition,
        from: Result<i64, Position>,
        max_bytes: i32,
        tenure: u64,
        generation: u32,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            at,
            assigned: true,
            tenure,
            claimed: false,
            progress,
            position: from.ok(),
            fetch_offset: from.ok(),
            lookup: from.err(),
            generation,
            high_watermark: None,
            max_bytes,
            grown: false,
            paused: false,
            topic_id: Uuid::default(),
            recreated: false,
            leader: None,
            leader_epoch: -1,
            nearby: None,
            position_epoch: -1,
            fetch_epoch: -1,
            stale: false,
            not_before: None,
            failures: 0,
            failing_since: None,
            untold: false,
        }
    }

    /// An answer without an error, which goes up to `next`.
    pub(in crate::consumer) fn on_answer(&mut self, high_watermark: i64, next: Option<Place>) {
        self.high_watermark = Some(high_watermark);
        if let Some((next, epoch)) = next.filter(|(next, _)| self.fetch_offset < Some(*next)) {
            (self.fetch_offset, self.fetch_epoch) = (Some(next), epoch);
        }
        self.on_quiet();
    }

    /// An answer that has nothing new.
    pub(in crate::consumer) fn on_quiet(&mut self) {
        (self.failures, self.failing_since) = (0, None);
    }

    /// The user has everything before `offset`, the last of it written by the leader of this epoch.
    pub(in crate::consumer) fn on_taken(&mut self, offset: i64, leader_epoch: i32) {
        (self.position, self.position_epoch) = (Some(offset), leader_epoch);
    }

    /// A replica to ask in the leader's place for some time (KIP-392).
    pub(in crate::consumer) fn go_nearby(&mut self, broker: i32, until: Instant) {
        self.nearby = Some((broker, until));
    }

    /// Back to the leader. Whether it was not the leader that was asked.
    pub(in crate::consumer) fn leave_nearby(&mut self) -> bool {
        self.nearby.take().is_some()
    }

    /// The leader, as its predecessor names it (KIP-951).
    pub(in crate::consumer) fn follow(&mut self, leader: Leader) {
        (self.leader, self.leader_epoch, self.stale) = (leader.broker, leader.epoch, false);
    }

    /// The answer held less than one batch, or one message, which takes so many bytes if that is known.
    pub(in crate::consumer) fn ask_for_more(&mut self, need: i32) {
        self.max_bytes = self.max_bytes.saturating_mul(2).max(need);
        self.grown = true;
    }

    /// The position is outside of the partition: it is looked up anew.
    pub(in crate::consumer) fn reset(&mut self, to: Position) {
        self.renew();
        self.lookup = Some(to);
    }

    /// Whether the user has everything that was fetched.
    pub(in crate::consumer) fn is_drained(&self) -> bool {
        self.position >= self.fetch_offset
    }

    /// The user has the error: asking may go on.
    pub(in crate::consumer) fn on_told(&mut self) {
        self.untold = false;
    }

    /// What is on its way or waits for the user is of no use any more.
    pub(super) fn renew(&mut self) {
        self.generation += 1;
        self.untold = false;
    }

    pub(super) fn take_leader(&mut self, cluster: &Cluster) {
        let Some(topic) = cluster.topics.get(&*self.at.topic) else { return };
        if self.topic_id != topic.id {
            self.recreated |= !self.topic_id.is_zero() && !topic.id.is_zero();
            self.topic_id = topic.id;
        }
        if let Some(leader) = topic.leader(self.at.partition) {
            (self.leader, self.leader_epoch) = (leader.broker, leader.epoch);
        }
    }
}
