//! A partition that a run reads.

use std::sync::Arc;

use crate::TopicPartition;
use crate::consumer::Batch;
use crate::consumer::buffer::Buffer;
use crate::consumer::progress::Progress;

/// One assignment of a partition, without a seek in between.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) at: TopicPartition,
    pub(super) tenure: u64,
    pub(super) progress: Arc<Progress>,
    /// What was taken from the buffer and not taken in.
    pub(super) rest: Option<Batch>,
    /// How many batches were taken from the buffer.
    pub(super) batches: usize,
    /// Where the next batch begins, or behind that.
    pub(super) end: i64,
    /// There may be something in the buffer.
    pub(super) looks: bool,
    /// Nothing is begun any more: the partition is gone, or is read from elsewhere.
    pub(super) ended: bool,
    /// The position is not this one's to set back any more.
    pub(super) moved: bool,
}

impl Lane {
    pub(super) fn new(at: TopicPartition, tenure: u64, progress: Arc<Progress>) -> Self {
        Self {
            at,
            tenure,
            progress,
            rest: None,
            batches: 0,
            end: i64::MIN,
            looks: true,
            ended: false,
            moved: false,
        }
    }

    pub(super) fn is_held(&self, buffer: &Buffer) -> bool {
        buffer.cursors.is_held(&self.at, self.tenure)
    }

    /// Whether it is still what the partition is read by.
    pub(super) fn is_current(&self, buffer: &Buffer) -> bool {
        self.is_held(buffer) && buffer.is_read_by(&self.at, &self.progress)
    }

    pub(super) fn done(&self, moved: Option<(i64, i32)>) {
        moved.into_iter().for_each(|(offset, leader_epoch)| self.progress.done(offset, leader_epoch));
    }
}
