//! The partitions of one topic, and which of them records without a partition go to.

use std::sync::Arc;

use crate::metadata::Topic;
use crate::producer::partitioner;
use crate::producer::queue::PartitionQueue;
use crate::{Error, ErrorKind};

#[derive(Debug)]
pub(super) struct TopicQueue {
    pub(super) name: Arc<str>,
    pub(super) partitions: Vec<PartitionQueue>,
    /// Where records without a key go until that batch is closed.
    pub(super) sticky: usize,
    /// At which size a batch is full: `batch.size`, or less if the topic takes less.
    pub(super) batch_size: usize,
    /// Answers in a row that did not have it.
    pub(super) missing: u32,
}

impl TopicQueue {
    pub(super) fn update(&mut self, topic: &Topic) {
        self.missing = 0;
        self.partitions
            .resize_with(self.partitions.len().max(topic.partitions.len()), PartitionQueue::default);
        for (queue, leader) in self.partitions.iter_mut().zip(&topic.partitions) {
            queue.leader = leader.broker;
        }
    }

    /// A batch that is not begun yet goes to a partition with a leader, if there is one: it would wait otherwise.
    #[inline]
    pub(super) fn avoid_leaderless(&mut self, adaptive: bool) {
        let sticky = self.partitions.get(self.sticky);
        if sticky.is_some_and(|queue| queue.leader.is_none() && queue.open.is_none()) {
            self.stick_to_next(adaptive);
        }
    }

    pub(super) fn stick_to_next(&mut self, adaptive: bool) {
        self.sticky = partitioner::rotate(self.sticky, &self.partitions, adaptive);
    }
}

pub(super) fn no_partition(topic: &str, partition: i32, count: usize) -> Error {
    Error::new(ErrorKind::UnknownPartition, format!("topic {topic} has no partition {partition}"))
        .hinted(format!("it has {count}: 0 to {}", count.saturating_sub(1)))
}
