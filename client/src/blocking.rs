//! The client for services without async: the same producer and consumer, whose calls wait on the caller's thread.
//!
//! A client brings its own runtime with one worker thread. None of this may be called from async code: it would stop the thread
//! that it waits for, and tokio panics instead.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::producer::ProducerMetrics;
use crate::{
    Ack, Batch, Config, Counts, Error, ErrorKind, FlushReport, Record, Result, Subscription, TryEnqueueError,
};

/// One cluster, as [`crate::Client`].
///
/// ```no_run
/// use kinglet::blocking::Client;
/// use kinglet::{Config, Record};
///
/// let client = Client::connect(Config::new("localhost:9092"))?;
/// let ack = client.producer()?.send(Record::to("orders").key("42").value(b"created"))?;
/// println!("partition {} offset {:?}", ack.partition, ack.offset);
/// # Ok::<(), kinglet::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    runtime: Arc<Worker>,
    client: crate::Client,
}

/// As [`crate::Producer`]. A clone is another handle of the same producer.
#[derive(Clone, Debug)]
pub struct Producer {
    runtime: Arc<Worker>,
    producer: crate::Producer,
}

/// As [`crate::Consumer`].
#[derive(Debug)]
pub struct Consumer {
    runtime: Arc<Worker>,
    consumer: crate::Consumer,
}

/// A record on its way. Dropped, the record is sent nevertheless.
#[derive(Debug)]
pub struct Delivery {
    runtime: Arc<Worker>,
    delivery: crate::Delivery,
}

#[derive(Debug)]
struct Worker(Option<Runtime>);

impl Client {
    /// As [`crate::Client::connect`].
    pub fn connect(config: Config) -> Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("kinglet").enable_all().build();
        let runtime = runtime
            .map_err(|e| Error::new(ErrorKind::Config, "no thread can be started").because(e.to_string()))?;
        let runtime = Arc::new(Worker(Some(runtime)));
        let client = runtime.wait(crate::Client::connect(config))?;
        Ok(Self { runtime, client })
    }

    /// As [`crate::Client::producer`].
    pub fn producer(&self) -> Result<Producer> {
        let producer = self.runtime.wait(async { self.client.producer() })?;
        Ok(Producer { runtime: self.runtime.clone(), producer })
    }

    /// As [`crate::Client::consumer`].
    pub fn consumer(&self, subscription: impl Into<Subscription>) -> Result<Consumer> {
        let consumer = self.runtime.wait(self.client.consumer(subscription))?;
        Ok(Consumer { runtime: self.runtime.clone(), consumer })
    }

    /// Waits for anything else that the asynchronous client can do: `client.wait(|c| async { c.admin()… })`.
    pub fn wait<F: Future>(&self, work: impl FnOnce(crate::Client) -> F) -> F::Output {
        self.runtime.wait(work(self.client.clone()))
    }
}

impl Producer {
    /// Sends a record and waits until it is acknowledged.
    pub fn send(&self, record: Record<'_>) -> Result<Ack> {
        self.runtime.wait(self.producer.send(record))
    }

    /// Takes a record, waiting for the topic's metadata and for memory, `max.block.ms` at most.
    pub fn enqueue(&self, record: Record<'_>) -> Result<Delivery> {
        let delivery = self.producer.enqueue_blocking(record)?;
        Ok(Delivery { runtime: self.runtime.clone(), delivery })
    }

    /// As [`crate::Producer::try_push`]: never waits.
    pub fn try_push(&self, record: Record<'_>) -> Result<(), TryEnqueueError> {
        self.producer.try_push(record)
    }

    /// As [`crate::Producer::push_blocking`]: [`flush`](Self::flush) tells what became of records.
    pub fn push(&self, record: Record<'_>) -> Result<()> {
        self.producer.push_blocking(record)
    }

    /// As [`crate::Producer::flush`].
    pub fn flush(&self) -> Result<FlushReport> {
        self.runtime.wait(self.producer.flush())
    }

    /// As [`crate::Producer::close`].
    pub fn close(&self, deadline: Duration) -> Result<FlushReport> {
        self.runtime.wait(self.producer.close(deadline))
    }

    /// As [`crate::Producer::counts`].
    pub fn counts(&self) -> Counts {
        self.producer.counts()
    }

    /// As [`crate::Producer::metrics`].
    pub fn metrics(&self) -> ProducerMetrics {
        self.producer.metrics()
    }
}

impl Consumer {
    /// As [`crate::Consumer::recv`]; `None` after the consumer was closed.
    pub fn recv(&self) -> Result<Option<Batch>> {
        self.runtime.wait(self.consumer.recv())
    }

    /// As [`recv`](Self::recv), for `limit` at most; `None` also when nothing came in that time.
    pub fn recv_timeout(&self, limit: Duration) -> Result<Option<Batch>> {
        let received = async { tokio::time::timeout(limit, self.consumer.recv()).await };
        self.runtime.wait(received).unwrap_or(Ok(None))
    }

    /// As [`crate::Consumer::commit`].
    pub fn commit(&self) -> Result<()> {
        self.runtime.wait(self.consumer.commit())
    }

    /// As [`crate::Consumer::close`]. A consumer that is only dropped, with the last handle of its client, leaves its group by
    /// the end of its session.
    pub fn close(&self) {
        self.runtime.wait(self.consumer.close());
    }

    /// Waits for anything else that the asynchronous consumer can do: `consumer.wait(|c| async move { c.committed(&at).await })`.
    pub fn wait<F: Future>(&self, work: impl FnOnce(crate::Consumer) -> F) -> F::Output {
        self.runtime.wait(work(self.consumer.clone()))
    }
}

impl Delivery {
    /// Waits until the record is acknowledged or given up.
    pub fn wait(self) -> Result<Ack> {
        self.runtime.wait(self.delivery)
    }
}

impl Worker {
    fn wait<F: Future>(&self, work: F) -> F::Output {
        self.0.as_ref().expect("it is taken only when it is dropped").block_on(work)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Waiting here would panic, should the last handle be dropped in async code. The producer tells what it could not send.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
