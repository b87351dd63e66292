//! How senders learn what became of their records: one result a batch, shared by all records in it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Result;

/// What becomes of one record. Awaiting it gives the acknowledgement; dropping it costs nothing and cancels
/// nothing. Cancel safe.
#[derive(Debug)]
#[must_use = "await it, or drop it on purpose and let flush() report failures"]
pub struct Delivery {
    batch: Arc<BatchResult>,
    index: u32,
    timestamp_ms: i64,
    /// Where this future's waker lies in the batch.
    waker: Option<usize>,
}

/// A record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Its partition.
    pub partition: i32,
    /// Its offset; `None` with `acks=0`, or when the broker only remembers that it has the record.
    pub offset: Option<i64>,
    /// Its timestamp in ms since 1970: the broker's if the topic says `LogAppendTime`.
    pub timestamp_ms: i64,
}

/// Where a batch lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) base_offset: Option<i64>,
    /// The broker's clock, if the topic has it replace the records'.
    pub(crate) append_time_ms: Option<i64>,
}

/// The result of a batch. The accumulator and every [`Delivery`] of its records hold it.
#[derive(Debug)]
pub(crate) struct BatchResult {
    partition: i32,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Open(Vec<Waker>),
    Done(Result<Written>),
    /// Records from this index on went into the second of two batches.
    Split(u32, Arc<BatchResult>, Arc<BatchResult>),
}

impl BatchResult {
    pub(crate) fn new(partition: i32) -> Arc<Self> {
        Arc::new(Self { partition, state: Mutex::new(State::Open(Vec::new())) })
    }

    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Says what became of the batch. The first result counts.
    pub(crate) fn complete(&self, result: Result<Written>) {
        let mut state = self.lock();
        if let State::Open(wakers) = &mut *state {
            let wakers = std::mem::take(wakers);
            *state = State::Done(result);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// The records from `at` on get a result of their own, and so do those before.
    pub(crate) fn split(&self, at: u32) -> (Arc<Self>, Arc<Self>) {
        let (first, second) = (Self::new(self.partition), Self::new(self.partition));
        let state = State::Split(at, first.clone(), second.clone());
        let before = std::mem::replace(&mut *self.lock(), state);
        if let State::Open(wakers) = before {
            // Those who wait look again and find where to wait now.
            wakers.into_iter().for_each(Waker::wake);
        }
        (first, second)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    pub(crate) fn new(batch: Arc<BatchResult>, index: u32, timestamp_ms: i64) -> Self {
        Self { batch, index, timestamp_ms, waker: None }
    }

    fn ack(&self, written: Written) -> Ack {
        Ack {
            partition: self.batch.partition,
            offset: written.base_offset.map(|base| base.saturating_add(i64::from(self.index))),
            timestamp_ms: written.append_time_ms.unwrap_or(self.timestamp_ms),
        }
    }
}

impl Future for Delivery {
    type Output = Result<Ack>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Ack>> {
        loop {
            let batch = self.batch.clone();
            let mut state = batch.lock();
            match &mut *state {
                State::Done(Ok(written)) => return Poll::Ready(Ok(self.ack(*written))),
                State::Done(Err(e)) => return Poll::Ready(Err(e.clone())),
                State::Open(wakers) => {
                    match self.waker.and_then(|at| wakers.get_mut(at)) {
                        Some(waker) => waker.clone_from(cx.waker()),
                        None => {
                            self.waker = Some(wakers.len());
                            wakers.push(cx.waker().clone());
                        }
                    }
                    return Poll::Pending;
                }
                State::Split(at, first, second) => {
                    self.waker = None;
                    match self.index.checked_sub(*at) {
                        Some(index) => (self.index, self.batch) = (index, second.clone()),
                        None => self.batch = first.clone(),
                    }
                }
            }
        }
    }
}
