//! One consumer a partition: for tasks that each look after their own.

use std::sync::Arc;

use super::shared::Shared;
use super::{Batch, Consumer, ConsumerHandle, Handed};
use crate::{Result, TopicPartition};

/// One partition of a consumer, for as long as it is assigned: [`Consumer::next_partition`].
///
/// A batch is done when the next one is asked for, or by [`Batch::done`]; dropped in between it is not.
#[derive(Debug)]
pub struct PartitionConsumer {
    handle: Arc<ConsumerHandle>,
    at: TopicPartition,
    /// Which assignment of the partition it is.
    tenure: u64,
    last: Option<Handed>,
}

impl Consumer {
    /// The next partition that is assigned and has no [`PartitionConsumer`] yet; `None` after [`close`](Consumer::close). It
    /// comes again after it was away.
    ///
    /// Records of a partition go to whoever asks first: either everything is read by [`recv`](Consumer::recv), or every
    /// partition by its own consumer.
    ///
    /// Cancel safe: dropped before it is ready, no partition is left out.
    ///
    /// ```no_run
    /// # async fn run(consumer: kinglet::Consumer) -> kinglet::Result<()> {
    /// while let Some(mut partition) = consumer.next_partition().await? {
    ///     tokio::spawn(async move {
    ///         // It ends when the partition goes to another member.
    ///         while let Ok(Some(batch)) = partition.recv().await {
    ///             for record in batch.iter() {
    ///                 println!("{} @{}: {:?}", partition.topic_partition(), record.offset, record.value);
    ///             }
    ///         }
    ///     });
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_partition(&self) -> Result<Option<PartitionConsumer>> {
        let shared = self.shared();
        let found = shared.until(|shared| {
            shared.check()?;
            Ok(shared.with(|buffer| match (buffer.closed, buffer.cursors.claim()) {
                (true, _) => Some(None),
                (false, Some(claimed)) => Some(Some(claimed)),
                (false, None) => None,
            }))
        });
        let Some((at, tenure)) = found.await? else { return Ok(None) };
        Ok(Some(PartitionConsumer { handle: self.handle.clone(), at, tenure, last: None }))
    }
}

impl PartitionConsumer {
    /// Topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }

    /// The next records of the partition; `None` once it is assigned to another member, or the consumer is closed. The batch
    /// before it is done, unless the user marks batches itself.
    ///
    /// Cancel safe, as [`Consumer::recv`]. Trouble with the group or with other partitions is not told here, but by
    /// [`Consumer::next_partition`].
    pub async fn recv(&mut self) -> Result<Option<Batch>> {
        self.finish_last();
        let shared = self.handle.shared.clone();
        shared.act();
        let batch = shared.until(|shared| self.look(shared)).await?;
        self.last = batch.as_ref().map(Handed::new);
        Ok(batch)
    }

    pub(super) fn handle(&self) -> &Arc<ConsumerHandle> {
        &self.handle
    }

    fn look(&self, shared: &Shared) -> Result<Option<Option<Batch>>> {
        if shared.with(|buffer| buffer.closed || !buffer.cursors.is_held(&self.at, self.tenure)) {
            return Ok(Some(None));
        }
        Ok(shared.next_of(Some(&self.at))?.map(Some))
    }

    fn finish_last(&mut self) {
        if let Some(last) = self.last.take() {
            last.finish(self.handle.shared.marks_done());
        }
    }
}

impl Drop for PartitionConsumer {
    /// Nobody works on the batch any more; whether it is done is not known.
    fn drop(&mut self) {
        if let Some(last) = self.last.take() {
            last.progress.give_back(last.first_offset);
        }
        let shared = &self.handle.shared;
        shared.with(|buffer| buffer.cursors.unclaim(&self.at, self.tenure));
        // Whoever takes partitions is to see it again, or nobody would read it.
        shared.ready.notify_waiters();
    }
}
