//! The producer: records go into the wire buffer on the caller's thread, a task sends them.

mod accumulator;
mod delivery;
mod interceptor;
mod metrics;
mod parcel;
mod partitioner;
mod queue;
mod request;
mod sender;
mod sequence;
mod settings;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::client::{Core, unknown_partition};
use crate::metadata::Wanted;
use crate::{Error, ErrorKind, Record, Result, TopicPartition, clock, rng};
use accumulator::{Pushed, Refused};
use delivery::BatchResult;
use metrics::Measure;
use sender::Sender;
use shared::{Shared, SystemClock};

pub use delivery::{Ack, Delivery};
pub(crate) use interceptor::Interceptors;
pub use interceptor::{Acknowledgement, Outgoing, OutgoingHeader, ProducerInterceptor};
pub use metrics::ProducerMetrics;
pub(crate) use partitioner::Custom;
pub use partitioner::{Partitioner, TopicView};
pub(crate) use request::VERSION_MAX;

/// Sends records. A clone is another handle of the same producer; it may be used from any thread.
///
/// Records are encoded into their batch at once, and a batch leaves when its broker is free, when it is full, or when
/// its time is over (`linger.ms`). With `acks=all` and the defaults no record is written twice or out of order through
/// retries. When the last handle is dropped, what is enqueued is still delivered while the runtime lives; `close`
/// tells whether it was.
///
/// ```no_run
/// # async fn run(client: kinglet::Client, lines: Vec<String>) -> kinglet::Result<()> {
/// use kinglet::Record;
///
/// let producer = client.producer()?;
/// for line in &lines {
///     let record = Record::to("logs").value(line);
///     // The fast path never waits; the slow one waits for memory or for the topic's metadata.
///     if producer.try_enqueue(record).is_err() {
///         drop(producer.enqueue(record).await?);
///     }
/// }
/// if let Some(error) = producer.flush().await?.first_error {
///     return Err(error);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<ProducerHandle>,
}

/// What became of records.
#[derive(Clone, Debug, Default)]
pub struct FlushReport {
    /// Records that were acknowledged.
    pub delivered: u64,
    /// Records that were given up.
    pub failed: u64,
    /// Why the first of those was.
    pub first_error: Option<Error>,
}

/// Records since the producer was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records taken.
    pub enqueued: u64,
    /// Records acknowledged.
    pub delivered: u64,
    /// Records given up.
    pub failed: u64,
}

/// Why a record was not taken at once.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryEnqueueError {
    /// `buffer.memory` is used up at the moment.
    #[error("the producer's buffer is full")]
    Full,
    /// The topic's partitions are not known yet: `enqueue` or `partitions_for` asks for them.
    #[error("the topic's partitions are not known yet")]
    NoMetadata,
    /// The record can never be taken.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Dropped with the last handle.
#[derive(Debug)]
struct ProducerHandle {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Producer {
    pub(crate) fn start(core: Arc<Core>) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|e| {
            Error::new(ErrorKind::Config, "a producer needs a tokio runtime").because(e.to_string())
        })?;
        let shared = Arc::new(Shared::new(core)?);
        // It ends by itself when the last handle is gone and everything is sent; dropping a producer must not lose
        // records, so nobody can await it.
        runtime.spawn(Sender::new(shared.clone()).run());
        Ok(Self { handle: Arc::new(ProducerHandle { shared, runtime }) })
    }

    /// Sends a record and waits until it is acknowledged.
    ///
    /// Not cancel safe: dropped after it was enqueued, the record is sent nevertheless.
    pub async fn send(&self, record: Record<'_>) -> Result<Ack> {
        self.enqueue(record).await?.await
    }

    /// Takes a record, waiting for the topic's metadata and for memory, `max.block.ms` at most.
    ///
    /// Cancel safe: dropped before it is ready, the record is not enqueued.
    pub async fn enqueue(&self, record: Record<'_>) -> Result<Delivery> {
        if self.shared().interceptors().is_empty() {
            return self.take(record).await;
        }
        let outgoing = self.shared().interceptors().on_send(&record);
        // Rare, and large.
        Box::pin(async { self.take(outgoing.record(&outgoing.headers())).await }).await
    }

    async fn take(&self, record: Record<'_>) -> Result<Delivery> {
        match self.try_take(record) {
            Ok(delivery) => Ok(delivery),
            Err(TryEnqueueError::Failed(e)) => Err(e),
            Err(TryEnqueueError::Full | TryEnqueueError::NoMetadata) => {
                let limit = self.shared().core.config.duration("max.block.ms");
                match timeout(limit, self.enqueue_waiting(record)).await {
                    Ok(result) => result,
                    Err(_) => Err(self.not_taken(limit)),
                }
            }
        }
    }

    /// Takes a record if there is room and the topic is known. Never waits, and allocates nothing a record.
    pub fn try_enqueue(&self, record: Record<'_>) -> Result<Delivery, TryEnqueueError> {
        self.intercepted(record, |record| self.try_take(record))
    }

    #[inline]
    fn try_take(&self, record: Record<'_>) -> Result<Delivery, TryEnqueueError> {
        let pushed = self.put(&record, Arc::clone)?;
        Ok(Delivery::new(pushed.batch, pushed.index, pushed.timestamp_ms))
    }

    /// As [`try_enqueue`](Self::try_enqueue), for those who only ask [`flush`](Self::flush) what became of records:
    /// without a handle a record is cheaper still.
    pub fn try_push(&self, record: Record<'_>) -> Result<(), TryEnqueueError> {
        self.intercepted(record, |record| self.put(&record, |_| ()).map(drop))
    }

    #[inline]
    fn intercepted<T>(&self, record: Record<'_>, take: impl FnOnce(Record<'_>) -> T) -> T {
        let interceptors = self.shared().interceptors();
        if interceptors.is_empty() {
            return take(record);
        }
        let outgoing = interceptors.on_send(&record);
        take(outgoing.record(&outgoing.headers()))
    }

    fn put<B>(
        &self,
        record: &Record<'_>,
        keep: impl FnOnce(&Arc<BatchResult>) -> B,
    ) -> Result<Pushed<B>, TryEnqueueError> {
        let shared = self.shared();
        let pushed = shared.lock().push(record, &SystemClock, keep);
        match pushed {
            Ok(pushed) => {
                if pushed.wake {
                    shared.wake.notify_one();
                }
                Ok(pushed)
            }
            Err(Refused::Full) => {
                shared.wake.notify_one();
                Err(TryEnqueueError::Full)
            }
            Err(Refused::NoMetadata) => Err(TryEnqueueError::NoMetadata),
            Err(Refused::Never(e)) => Err(TryEnqueueError::Failed(e)),
        }
    }

    /// As [`enqueue`](Self::enqueue), for a thread that is not part of a runtime: it blocks while there is no room.
    ///
    /// # Panics
    ///
    /// When it is called from async code.
    pub fn enqueue_blocking(&self, record: Record<'_>) -> Result<Delivery> {
        self.intercepted(record, |record| match self.try_take(record) {
            Ok(delivery) => Ok(delivery),
            Err(TryEnqueueError::Failed(e)) => Err(e),
            Err(TryEnqueueError::Full | TryEnqueueError::NoMetadata) => {
                self.handle.runtime.block_on(self.take(record))
            }
        })
    }

    /// As [`enqueue_blocking`](Self::enqueue_blocking), without a handle: [`flush`](Self::flush) tells what became of
    /// records.
    ///
    /// # Panics
    ///
    /// When it is called from async code.
    pub fn push_blocking(&self, record: Record<'_>) -> Result<()> {
        self.intercepted(record, |record| match self.put(&record, |_| ()) {
            Ok(_) => Ok(()),
            Err(TryEnqueueError::Failed(e)) => Err(e),
            Err(TryEnqueueError::Full | TryEnqueueError::NoMetadata) => {
                self.handle.runtime.block_on(self.take(record)).map(drop)
            }
        })
    }

    /// How many partitions a topic has, asking for it if needed. It also reaches one of its leaders, so that a
    /// cluster that cannot be written to is found out early. Cancel safe.
    pub async fn partitions_for(&self, topic: &str) -> Result<usize> {
        self.load(topic).await
    }

    /// Sends everything that is enqueued and waits until it is delivered or has failed: the report is about all
    /// records since the last report.
    ///
    /// Cancel safe: dropped before it is ready, everything is sent all the same, and is in the next report.
    pub async fn flush(&self) -> Result<FlushReport> {
        self.finish_all().await;
        Ok(self.report())
    }

    /// Takes no more records, delivers what is there, and gives the rest up at the deadline.
    ///
    /// Dropped before it is ready, no more records are taken and what is there is delivered; nobody gives the rest up then
    /// before its time (`delivery.timeout.ms`), unless this is called again.
    pub async fn close(&self, deadline: Duration) -> Result<FlushReport> {
        let shared = self.shared();
        shared.lock().close();
        shared.wake.notify_one();
        if timeout(deadline, self.finish_all()).await.is_err() {
            shared.abandoned.notify_one();
            self.finish_all().await;
        }
        Ok(self.report())
    }

    /// What the producer measured so far, by the names of the Java client.
    pub fn metrics(&self) -> ProducerMetrics {
        let shared = self.shared();
        let gauges = shared.lock().gauges();
        shared.metrics().snapshot(gauges, clock::now())
    }

    /// Records taken, delivered and failed so far.
    pub fn counts(&self) -> Counts {
        let (enqueued, delivered, failed) = self.shared().lock().totals();
        Counts { enqueued, delivered, failed }
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    fn report(&self) -> FlushReport {
        let tally = self.shared().lock().report();
        FlushReport { delivered: tally.delivered, failed: tally.failed, first_error: tally.first_error }
    }

    fn not_taken(&self, limit: Duration) -> Error {
        let shared = self.shared();
        let error = Error::new(ErrorKind::Timeout, format!("a record was not taken within {limit:?}"))
            .hinted("max.block.ms bounds the wait for memory and metadata; buffer.memory is the memory");
        let trouble = shared.lock().trouble();
        match trouble.or_else(|| shared.core.metadata.last_failure().map(|e| e.to_string())) {
            Some(cause) => error.because(cause),
            None => error,
        }
    }

    async fn finish_all(&self) {
        let shared = self.shared();
        let before = shared.lock().flush();
        shared.wake.notify_one();
        shared.until(|acc| acc.is_finished(before).then_some(())).await;
    }

    async fn enqueue_waiting(&self, record: Record<'_>) -> Result<Delivery> {
        let shared = self.shared();
        if !shared.lock().knows(record.topic) {
            let count = self.load(record.topic).await?;
            if let Some(wanted) =
                record.partition.filter(|wanted| usize::try_from(*wanted).map_or(true, |i| i >= count))
            {
                self.look_for(record.topic, wanted).await?;
            }
        }
        loop {
            let progress = shared.progress.notified();
            tokio::pin!(progress);
            // From here on no news is missed, whatever happens between the attempt and the wait.
            progress.as_mut().enable();
            match self.try_take(record) {
                Ok(delivery) => return Ok(delivery),
                Err(TryEnqueueError::Failed(e)) => return Err(e),
                Err(TryEnqueueError::NoMetadata) => self.load(record.topic).await.map(drop)?,
                Err(TryEnqueueError::Full) => {
                    let began = clock::now();
                    progress.await;
                    let now = clock::now();
                    shared.metrics().add(Measure::Waited, metrics::ms(now - began), now);
                }
            }
        }
    }

    /// A partition beyond those that are known may have been added.
    async fn look_for(&self, topic: &str, partition: i32) -> Result<()> {
        let found = self.shared().core.topic(topic, Wanted::Existing(&[topic])).await?;
        if found.leader(partition).is_none() {
            return Err(unknown_partition(&TopicPartition::new(topic, partition), &found));
        }
        self.shared().with(|acc| acc.add_topic(topic, &found, rng::start()));
        Ok(())
    }

    async fn load(&self, topic: &str) -> Result<usize> {
        let shared = self.shared();
        let core = &shared.core;
        let found = async {
            let found = core.topic(topic, Wanted::Topics(&[topic])).await?;
            shared.reach_a_leader(&found).await?;
            Ok(found)
        };
        let found = core.within_api_timeout("asking for a topic", found).await?;
        shared.with(|acc| acc.add_topic(topic, &found, rng::start()));
        Ok(found.partitions.len())
    }
}

impl Drop for ProducerHandle {
    fn drop(&mut self) {
        self.shared.lock().close();
        self.shared.wake.notify_one();
    }
}
