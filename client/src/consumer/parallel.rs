//! Records handled many at a time, by the user's code: in order where that is asked for, tried again, committed without gaps.

mod core;
mod lane;
#[cfg(test)]
mod model;
mod run;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::{Consumer, ConsumerRecord};
use crate::{Error, ErrorKind};
use core::Limits;
use run::Run;

/// Which records wait for each other in [`Consumer::for_each_parallel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those of one partition: they are handled one after the other.
    ByPartition,
    /// Those of one partition with the same key. One without a key waits for none.
    ByKey,
    /// None.
    Unordered,
}

type Work<E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send>>;
type DeadLetter<E> = Arc<dyn Fn(ConsumerRecord, E, u32) -> Work<E> + Send + Sync>;
type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How [`Consumer::for_each_parallel`] works. `E` is the error of the user's code.
#[must_use]
pub struct Parallel<E> {
    order: Order,
    in_flight: usize,
    ahead: usize,
    attempts: u32,
    dead_letter: Option<DeadLetter<E>>,
    until: Option<Until>,
}

/// Why [`Consumer::for_each_parallel`] ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParallelError<E> {
    /// The consumer has trouble that lasts, as [`Consumer::recv`] would tell it.
    #[error(transparent)]
    Client(#[from] Error),
    /// A record could not be handled.
    #[error("{0}")]
    Record(Box<FailedRecord<E>>),
}

/// A record that could not be handled: neither it nor what lies behind it in its partition is committed.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedRecord<E> {
    /// The record.
    pub record: ConsumerRecord,
    /// What the last attempt answered, or what took its dead letter.
    pub error: E,
    /// How often it was tried.
    pub attempts: u32,
}

impl Consumer {
    /// Handles every record by `handle`, many at a time, until [`Parallel::until`] says stop, the consumer is closed, or
    /// something fails for good.
    ///
    /// Each record is handled at least once. A partition's committed offset is that of its first record that is not done,
    /// whatever is done behind it; with `enable.auto.commit` it is committed as usual, and once more at the end. A record is
    /// done when `handle` answers `Ok`, or its dead letter was taken. It runs as a task of its own.
    ///
    /// No more is taken of what was fetched than can be handled soon: at most [`Parallel::ahead`] records of a partition, and
    /// `queued.max.messages.kbytes` of all. Partitions that have a [`PartitionConsumer`](crate::PartitionConsumer) are left to
    /// it.
    ///
    /// In a rebalance what is being handled of the partitions that go is waited for, as long as groups wait for batches;
    /// the rest of it is not begun. What ends later has no effect on commits.
    ///
    /// At the end, too, what is being handled is waited for that long; then it is cancelled. What is not done comes again, from
    /// the next run or the next `recv`. Cancel safe: dropped, it does the same without waiting and without the last commit.
    /// Should `handle` panic, so does this.
    ///
    /// ```no_run
    /// use kinglet::{ConsumerRecord, Order, Parallel};
    ///
    /// # async fn store(_: ConsumerRecord) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn run(consumer: kinglet::Consumer) -> Result<(), Box<dyn std::error::Error>> {
    /// let work = Parallel::new(Order::ByKey).in_flight(64).attempts(5).dead_letter(|record, error, attempts| async move {
    ///     eprintln!("{} @{} after {attempts} attempts: {error}", record.topic_partition(), record.offset);
    ///     Ok(())
    /// });
    /// consumer.for_each_parallel(work, store).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn for_each_parallel<E, F, Fut>(
        &self,
        how: Parallel<E>,
        handle: F,
    ) -> Result<(), ParallelError<E>>
    where
        E: Send + 'static,
        F: Fn(ConsumerRecord) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        how.check()?;
        self.finish_last();
        Run::new(self.handle.clone(), how, handle).run().await
    }
}

impl<E> Parallel<E> {
    /// 16 records at a time, up to 1000 ahead in each partition, one attempt, until the consumer is closed.
    pub fn new(order: Order) -> Self {
        Self { order, in_flight: 16, ahead: 1000, attempts: 1, dead_letter: None, until: None }
    }

    /// So many records are handled at a time, of all partitions together.
    pub fn in_flight(mut self, count: usize) -> Self {
        self.in_flight = count;
        self
    }

    /// How many records of a partition are taken in at most, from the oldest that is not done on. A slow record holds its
    /// partition back once so many lie behind it; so many may be repeated after a crash.
    pub fn ahead(mut self, count: usize) -> Self {
        self.ahead = count;
        self
    }

    /// How often a record is tried. In between it waits, from `retry.backoff.ms` to `retry.backoff.max.ms`; so does what is to
    /// come after it, while others go on.
    pub fn attempts(mut self, count: u32) -> Self {
        self.attempts = count;
        self
    }

    /// What becomes of a record whose last attempt failed: it gets the record, the error and the number of attempts. If it
    /// answers `Ok`, the record is done. Without it, and when it fails, the run ends with the error.
    pub fn dead_letter<F, Fut>(mut self, take: F) -> Self
    where
        F: Fn(ConsumerRecord, E, u32) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        self.dead_letter =
            Some(Arc::new(move |record, error, attempts| Box::pin(take(record, error, attempts)) as Work<E>));
        self
    }

    /// Stops when this is ready: nothing is begun any more, what is being handled is waited for.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(stop));
        self
    }

    fn check(&self) -> crate::Result<()> {
        let numbers =
            [("in_flight", self.in_flight), ("ahead", self.ahead), ("attempts", self.attempts as usize)];
        match numbers.into_iter().find(|(_, number)| *number == 0) {
            Some((name, _)) => Err(Error::new(ErrorKind::Config, format!("{name} must be at least 1"))),
            None => Ok(()),
        }
    }

    fn limits(&self, bytes: usize, retry: crate::net::Backoff) -> Limits {
        let ahead = match self.order {
            // Of one partition only the first can be handled: to have more at hand is of no use.
            Order::ByPartition => self.ahead.min(IN_ORDER_AHEAD),
            Order::ByKey | Order::Unordered => self.ahead,
        };
        Limits { in_flight: self.in_flight, ahead, bytes, attempts: self.attempts, retry }
    }
}

/// Enough to decode records some at a time.
const IN_ORDER_AHEAD: usize = 64;

impl<E> fmt::Debug for Parallel<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, in_flight, ahead, attempts, dead_letter: _, until: _ } = self;
        f.debug_struct("Parallel")
            .field("order", order)
            .field("in_flight", in_flight)
            .field("ahead", ahead)
            .field("attempts", attempts)
            .finish_non_exhaustive()
    }
}

impl<E: fmt::Display> fmt::Display for FailedRecord<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { record, error, attempts } = self;
        let at = record.topic_partition();
        write!(f, "the record at {at} @{} failed, attempts: {attempts}: {error}", record.offset)
    }
}
