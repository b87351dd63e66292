//! The consumer of given partitions: a task fetches ahead, the user takes batches.

mod batch;
mod buffer;
mod cursor;
mod fetch;
mod start;
mod upgrade;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::client::Core;
use crate::{Error, ErrorKind, Position, Result, TopicPartition};
use batch::Trouble;
use buffer::{Buffer, Next};
use fetch::{Fetcher, Settings};

pub use batch::{Batch, Iter};
pub(crate) use fetch::VERSION_MAX;

/// Which partitions a consumer reads, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    topics: Vec<(Arc<str>, Position)>,
    partitions: Vec<(TopicPartition, Position)>,
}

impl Assignment {
    /// All partitions these topics have now.
    pub fn topics(names: impl IntoIterator<Item = impl Into<Arc<str>>>, from: Position) -> Self {
        let topics = names.into_iter().map(|name| (name.into(), from)).collect();
        Self { topics, partitions: Vec::new() }
    }

    /// These partitions.
    pub fn partitions(partitions: impl IntoIterator<Item = (TopicPartition, Position)>) -> Self {
        Self { topics: Vec::new(), partitions: partitions.into_iter().collect() }
    }
}

/// Where the first record lies that is as young as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, in ms since 1970.
    pub timestamp: i64,
}

/// Reads records of given partitions. A clone is another handle of the same consumer; it may be used from any thread.
///
/// A task fetches ahead of the user, up to 64 MiB. Leaders that move are followed.
///
/// ```no_run
/// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
/// use kinglet::{Assignment, Position};
///
/// let consumer = client.consumer(Assignment::topics(["orders"], Position::Beginning)).await?;
/// while let Some(batch) = consumer.recv().await? {
///     for record in batch.iter() {
///         println!("{}-{} @{}: {:?}", batch.topic(), batch.partition(), record.offset, record.value);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Consumer {
    handle: Arc<ConsumerHandle>,
}

/// Dropped with the last handle.
#[derive(Debug)]
struct ConsumerHandle {
    shared: Arc<Shared>,
}

/// What the handles and the fetching task have in common.
#[derive(Debug)]
struct Shared {
    core: Arc<Core>,
    settings: Settings,
    /// Its connections are its own: a fetch waits.
    lane: u64,
    buffer: Mutex<Buffer>,
    trouble: Trouble,
    /// Wakes the fetching task.
    wake: Notify,
    /// Wakes the user.
    ready: Notify,
}

impl Consumer {
    pub(crate) async fn start(core: Arc<Core>, assignment: Assignment) -> Result<Self> {
        let work = start::begin(&core, assignment);
        let cursors = core.within_api_timeout("finding the positions", work).await?;
        let shared = Arc::new(Shared {
            settings: start::settings(&core.config),
            lane: core.lane(),
            buffer: Mutex::new(Buffer::new(cursors, BUFFER_MAX)),
            trouble: Trouble::default(),
            wake: Notify::new(),
            ready: Notify::new(),
            core,
        });
        // It ends when the consumer is closed, which dropping the last handle does too: nobody can await it then.
        tokio::spawn(Fetcher::new(shared.clone()).run());
        Ok(Self { handle: Arc::new(ConsumerHandle { shared }) })
    }

    /// The next records, of one partition; `None` after [`close`](Self::close).
    ///
    /// Cancel safe: dropped before it is ready, nothing is lost. After an error it may be called again: passing
    /// trouble is not reported, and what is lasting comes again.
    pub async fn recv(&self) -> Result<Option<Batch>> {
        let shared = self.shared();
        loop {
            let ready = shared.ready.notified();
            tokio::pin!(ready);
            // From here on no news is missed, whatever happens between the look and the wait.
            ready.as_mut().enable();
            match self.next()? {
                Some(batch) => return Ok(Some(batch)),
                None if self.is_closed() => return Ok(None),
                None => ready.await,
            }
        }
    }

    /// The next records if there are any right now. Never waits; verifies and decompresses on this thread.
    pub fn try_recv(&self) -> Result<Option<Batch>> {
        self.next()
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

    /// Goes on elsewhere in a partition. What was fetched of it is dropped.
    pub async fn seek(&self, at: &TopicPartition, to: Position) -> Result<()> {
        let shared = self.shared();
        let offset = match to {
            Position::Offset(offset) => offset,
            Position::Beginning | Position::End | Position::Timestamp(_) => {
                let wanted = [(at.clone(), to)];
                let found = shared.core.list_offsets(&wanted);
                let found = shared.core.within_api_timeout("ListOffsets", found).await?;
                let (_, info) = found.into_iter().next().ok_or_else(|| not_assigned(at))?;
                match info?.offset {
                    -1 => {
                        self.end_offsets(std::slice::from_ref(at)).await?.first().map_or(0, |(_, end)| *end)
                    }
                    offset => offset,
                }
            }
        };
        if !shared.with(|buffer| buffer.move_to(at, offset)) {
            return Err(not_assigned(at));
        }
        shared.wake.notify_one();
        Ok(())
    }

    /// Stops reading these partitions; their positions stay.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    /// Goes on reading these partitions.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
    }

    /// Where these partitions end: the offset the next record will get.
    pub async fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>> {
        self.offsets(partitions, Position::End).await
    }

    /// Where these partitions begin: the offset of the oldest record.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, i64)>> {
        self.offsets(partitions, Position::Beginning).await
    }

    /// The first record of each partition that is as young as its timestamp (ms since 1970) or younger.
    pub async fn offsets_for_times(
        &self,
        times: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndTimestamp>)>> {
        let wanted: Vec<_> = times.iter().map(|(at, ms)| (at.clone(), Position::Timestamp(*ms))).collect();
        let core = &self.shared().core;
        let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await?;
        let place = |(at, info): (_, Result<crate::admin::OffsetInfo>)| {
            let info = info?;
            let place = OffsetAndTimestamp { offset: info.offset, timestamp: info.timestamp };
            Ok((at, (info.offset >= 0).then_some(place)))
        };
        found.into_iter().map(place).collect()
    }

    /// Stops fetching. Whoever waits in [`recv`](Self::recv) gets `None`.
    pub async fn close(&self) {
        self.handle.shared.close();
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

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        to: Position,
    ) -> Result<Vec<(TopicPartition, i64)>> {
        let wanted: Vec<_> = partitions.iter().map(|at| (at.clone(), to)).collect();
        let core = &self.shared().core;
        let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await?;
        found.into_iter().map(|(at, info)| Ok((at, info?.offset))).collect()
    }

    fn next(&self) -> Result<Option<Batch>> {
        let shared = self.shared();
        if let Some(error) = shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).pop_front() {
            return Err(error);
        }
        loop {
            let (next, wake) = shared.lock().take();
            if wake {
                shared.wake.notify_one();
            }
            let (share, index, generation) = match next {
                Next::Share { share, index, generation } => (share, index, generation),
                Next::Failed(error) => return Err(error),
                Next::Nothing | Next::Closed => return Ok(None),
            };
            let (first, end) = (share.first_offset, share.next_offset);
            match share.open(shared.settings.check_crcs, &shared.trouble) {
                Ok(Some(batch)) => {
                    if batch.next_offset() < end {
                        // Damage lies behind it; asked for again, it comes first and is told.
                        shared.with(|buffer| buffer.on_damage(index, generation, batch.next_offset()));
                        shared.wake.notify_one();
                    }
                    return Ok(Some(batch));
                }
                Ok(None) => {}
                Err(error) => {
                    // The position stays in front of the damage, so that nothing is skipped in silence.
                    shared.with(|buffer| buffer.on_damage(index, generation, first));
                    shared.wake.notify_one();
                    return Err(error);
                }
            }
        }
    }
}

impl Drop for ConsumerHandle {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    /// A poisoned lock means that a holder panicked; the buffer's own steps do not.
    fn lock(&self) -> std::sync::MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the buffer, then wakes the user if there is something to take.
    fn with<T>(&self, work: impl FnOnce(&mut Buffer) -> T) -> T {
        let mut buffer = self.lock();
        let before = buffer.is_ready();
        let value = work(&mut buffer);
        let news = buffer.is_ready() && !before;
        drop(buffer);
        if news {
            self.ready.notify_waiters();
        }
        value
    }

    fn close(&self) {
        self.with(|buffer| buffer.closed = true);
        self.ready.notify_waiters();
        self.wake.notify_one();
    }
}

/// Bytes fetched ahead, as they are on the wire.
const BUFFER_MAX: usize = 64 * 1024 * 1024;
fn not_assigned(at: &TopicPartition) -> Error {
    Error::new(ErrorKind::UnknownPartition, format!("partition {at} is not assigned to this consumer"))
}
