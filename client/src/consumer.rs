//! The consumer: a task fetches ahead, the user takes batches, another task plays the member of the group.

mod apart;
mod assignor;
mod batch;
mod buffer;
mod cursor;
mod fetch;
mod group;
mod listener;
mod membership;
mod offsets;
mod parallel;
mod partitions;
mod progress;
mod record;
mod rests;
mod session;
mod shared;
mod start;
mod stream;
mod subscription;
mod upgrade;

use std::sync::{Arc, Mutex, PoisonError};

use crate::client::Core;
use crate::{Error, ErrorKind, Result, TopicPartition};
use buffer::Buffer;
use fetch::Fetcher;
use group::{Group, Task, Topics};
use progress::Progress;
use shared::Shared;

pub use assignor::{Assignor, Member, TopicPartitions};
pub use batch::{Batch, Iter};
pub(crate) use fetch::VERSION_MAX;
pub(crate) use listener::Listener;
pub use listener::RebalanceListener;
pub use parallel::{FailedRecord, Order, Parallel, ParallelError};
pub use partitions::PartitionConsumer;
pub use record::ConsumerRecord;
pub use stream::RecordStream;
pub use subscription::{Assignment, Subscription};

/// Where the first record lies that is as young as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in ms since 1970.
    pub timestamp: i64,
}

/// Who this consumer is in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    /// `group.id`.
    pub group_id: String,
    /// The id that the coordinator gave; empty while this is no member.
    pub member_id: String,
    /// The generation, counted by rebalances; -1 while this is no member.
    pub generation: i32,
}

/// Reads records: of partitions that its group gives it, or of given ones. A clone is another handle of the same consumer;
/// it may be used from any thread.
///
/// A task fetches ahead of the user, up to 64 MiB (`queued.max.messages.kbytes`); another one keeps up the membership. Leaders and coordinators that move
/// are followed.
///
/// Records are handled at least once: with `enable.auto.commit` what is done is committed, and a batch is done when the same
/// handle asks for the next one, or by [`Batch::done`]. Tasks that share the work take a clone each. In a rebalance nothing
/// more is handed out of the partitions that go; what was may be finished, for half of `max.poll.interval.ms` and at most
/// 30 s, and is committed before another member goes on.
///
/// ```no_run
/// # async fn run(config: kinglet::Config) -> kinglet::Result<()> {
/// let client = kinglet::Client::connect(config.set("group.id", "billing")?).await?;
/// let consumer = client.consumer(["orders"]).await?;
/// while let Some(batch) = consumer.recv().await? {
///     for record in batch.iter() {
///         println!("{}-{} @{}: {:?}", batch.topic(), batch.partition(), record.offset, record.value);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Consumer {
    handle: Arc<ConsumerHandle>,
    /// The batch that this handle gave out last.
    last: Mutex<Option<Handed>>,
}

/// Dropped with the last handle.
#[derive(Debug)]
struct ConsumerHandle {
    shared: Arc<Shared>,
}

/// A batch in the user's hands.
#[derive(Debug)]
struct Handed {
    progress: Arc<Progress>,
    first_offset: i64,
    next_offset: i64,
    leader_epoch: i32,
}

impl Consumer {
    pub(crate) async fn start(core: Arc<Core>, subscription: Subscription) -> Result<Self> {
        let topics = Topics::new(&subscription)?;
        let group = Group::new(&core, topics.is_some())?;
        let assignment = match subscription {
            Subscription::Assignment(assignment) => assignment,
            Subscription::Topics(_) | Subscription::Pattern(_) => Assignment::default(),
        };
        let work = start::begin(&core, group.as_deref(), assignment);
        let cursors = core.within_api_timeout("finding the positions", work).await?;
        let buffer = Buffer::new(cursors, start::ahead(&core.config));
        let shared = Arc::new(Shared::new(core, buffer, group.clone()));
        // Both end when the consumer is closed, which dropping the last handle does too: nobody can await them then.
        tokio::spawn(Fetcher::new(shared.clone()).run());
        if let Some(group) = group {
            tokio::spawn(Task::new(group, shared.clone(), topics).run());
        }
        let handle = Arc::new(ConsumerHandle { shared });
        handle.shared.held_by(&handle);
        Ok(Self::of(handle))
    }

    fn of(handle: Arc<ConsumerHandle>) -> Self {
        Self { handle, last: Mutex::default() }
    }

    /// The next records, of one partition; `None` after [`close`](Self::close). The batch before it is done, unless the user
    /// marks batches itself.
    ///
    /// Cancel safe: dropped before it is ready, nothing is lost. After an error it may be called again: passing
    /// trouble is not reported, and what is lasting comes again.
    pub async fn recv(&self) -> Result<Option<Batch>> {
        self.finish_last();
        let shared = self.shared();
        let _waiting = shared.wait();
        let next = shared.until(|_| match self.next()? {
            Some(batch) => Ok(Some(Some(batch))),
            None if self.is_closed() => Ok(Some(None)),
            None => Ok(None),
        });
        next.await
    }

    /// The next records if there are any right now. Never waits; verifies and decompresses on this thread.
    pub fn try_recv(&self) -> Result<Option<Batch>> {
        self.finish_last();
        self.shared().act();
        self.next()
    }

    /// From now on only [`Batch::done`] says what is done; asking for the next batch does not.
    pub fn mark_by_hand(&self) {
        self.shared().be_explicit();
    }

    /// The partitions it reads.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared().with(|buffer| buffer.cursors.iter().map(|cursor| cursor.at.clone()).collect())
    }

    /// The offset that comes next; `None` while it is not known, or when the partition is not assigned.
    pub fn position(&self, at: &TopicPartition) -> Option<i64> {
        self.shared().with(|buffer| {
            let index = buffer.cursors.find(at)?;
            buffer.cursors.get(index)?.position
        })
    }

    /// How many offsets lie between the position and the high watermark, where both are known.
    pub fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.shared().with(|buffer| {
            let lag = |cursor: &cursor::Cursor| {
                let lag = cursor.high_watermark?.saturating_sub(cursor.position?);
                Some((cursor.at.clone(), lag.max(0)))
            };
            buffer.cursors.iter().filter_map(lag).collect()
        })
    }

    /// Stops reading these partitions; their positions stay.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    /// Goes on reading these partitions.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
    }

    /// Stops. Nothing is handed out from here on. What is done is committed, and so is the batch this handle got last unless
    /// the user marks batches itself; then the group is left. Whoever waits in [`recv`](Self::recv) gets `None` after that.
    ///
    /// Cancel safe: once begun, all of it happens, whether somebody waits for that or not.
    pub async fn close(&self) {
        let shared = self.shared();
        shared.with(Buffer::stop);
        self.finish_last();
        if let Some(group) = &shared.group {
            group.close();
            group.ended().await;
        }
        shared.close();
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn is_closed(&self) -> bool {
        self.shared().with(|buffer| buffer.closed)
    }

    fn set_paused(&self, partitions: &[TopicPartition], paused: bool) {
        let shared = self.shared();
        shared.with(|buffer| partitions.iter().for_each(|at| buffer.set_paused(at, paused)));
        shared.wake.notify_one();
    }

    fn take_last(&self) -> Option<Handed> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The user asks for more, so the batch before is done, unless that is the user's to say.
    fn finish_last(&self) {
        if let Some(last) = self.take_last() {
            last.finish(self.shared().marks_done());
        }
    }

    fn next(&self) -> Result<Option<Batch>> {
        let batch = self.shared().next_of(None)?;
        if let Some(batch) = &batch {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Handed::new(batch));
        }
        Ok(batch)
    }
}

impl Handed {
    fn new(batch: &Batch) -> Self {
        Self {
            progress: batch.progress().clone(),
            first_offset: batch.first_offset(),
            next_offset: batch.next_offset(),
            leader_epoch: batch.leader_epoch().unwrap_or(-1),
        }
    }

    /// The user asks for more. Whether that says that it is done with this is the question.
    fn finish(self, is_done: bool) {
        if is_done {
            self.progress.done_of(self.first_offset, self.next_offset, self.leader_epoch);
        }
        self.progress.give_back(self.first_offset);
    }
}

impl Clone for Consumer {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl Drop for Consumer {
    /// Nobody works on the batch any more; whether it is done is not known.
    fn drop(&mut self) {
        if let Some(last) = self.take_last() {
            last.progress.give_back(last.first_offset);
        }
    }
}

impl Drop for ConsumerHandle {
    fn drop(&mut self) {
        if let Some(group) = &self.shared.group {
            group.close();
        }
        self.shared.close();
    }
}

fn not_assigned(at: &TopicPartition) -> Error {
    Error::new(ErrorKind::UnknownPartition, format!("partition {at} is not assigned to this consumer"))
}
