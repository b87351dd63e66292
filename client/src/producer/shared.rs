//! What the producer's handles and its task have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::accumulator::{Accumulator, Clock, Finished};
use super::interceptor::{Acknowledgement, Interceptors};
use super::metrics::{Measure, Metrics};
use super::{request, settings};
use crate::client::Core;
use crate::metadata::Topic;
use crate::net::Lane;
use crate::{Result, TopicPartition, clock};

/// What the handles and the sender's task have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) settings: request::Settings,
    /// Idempotence was asked for by name: without it nothing is sent.
    pub(super) idempotence_required: bool,
    accumulator: Mutex<Accumulator>,
    metrics: Mutex<Metrics>,
    /// Wakes the sender.
    pub(super) wake: Notify,
    /// Wakes those who wait for memory, or for batches to be finished.
    pub(super) progress: Notify,
    /// The time to close is over.
    pub(super) abandoned: Notify,
}

impl Shared {
    pub(super) fn new(core: Arc<Core>) -> Result<Self> {
        let config = &core.config;
        let settings = settings::requests(config);
        let (identity, idempotence_required) = settings::identity(config, settings.acks)?;
        let accumulator = Accumulator::new(
            settings::limits(config, identity, idempotence_required, settings.acks),
            identity,
        );
        Ok(Self {
            settings,
            idempotence_required,
            accumulator: Mutex::new(accumulator),
            metrics: Mutex::new(Metrics::new(clock::now())),
            wake: Notify::new(),
            progress: Notify::new(),
            abandoned: Notify::new(),
            core,
        })
    }

    /// A poisoned lock means that a holder panicked; the accumulator's own steps do not.
    pub(super) fn lock(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never held together with the accumulator's lock.
    pub(super) fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the accumulator, then tells whoever waits what is finished.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Accumulator) -> T) -> T {
        let (value, finished) = {
            let mut accumulator = self.lock();
            let value = work(&mut accumulator);
            (value, accumulator.take_finished())
        };
        if !finished.is_empty() {
            self.measure(&finished);
            self.tell_interceptors(&finished);
            finished.into_iter().for_each(|done| done.batch.complete(done.result));
            self.progress.notify_waiters();
        }
        value
    }

    fn measure(&self, finished: &[Finished]) {
        let now = clock::now();
        let mut metrics = self.metrics();
        for Finished { records, result, .. } in finished {
            let measure = if result.is_ok() { Measure::Sent } else { Measure::Failed };
            metrics.add(measure, f64::from(*records), now);
        }
    }

    fn tell_interceptors(&self, finished: &[Finished]) {
        if self.interceptors().is_empty() {
            return;
        }
        for done in finished {
            self.interceptors().on_acknowledgement(&Acknowledgement {
                topic_partition: TopicPartition::new(done.topic.clone(), done.batch.partition()),
                records: done.records,
                result: done.result.as_ref().map(|written| written.base_offset),
            });
        }
    }

    #[inline]
    pub(super) fn interceptors(&self) -> &Interceptors {
        &self.core.config.interceptors
    }

    /// Waits until `ready` gives something; it is asked again whenever batches are finished.
    pub(super) async fn until<T>(&self, ready: impl Fn(&Accumulator) -> Option<T>) -> T {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if let Some(value) = ready(&self.lock()) {
                return value;
            }
            progress.await;
        }
    }

    /// Whether there are topics whose metadata is worth keeping fresh.
    pub(super) fn in_use(&self) -> bool {
        !self.lock().topic_names().is_empty()
    }

    /// Fails when none of the topic's leaders can be reached.
    pub(super) async fn reach_a_leader(&self, topic: &Topic) -> Result<()> {
        let mut leaders: Vec<i32> = topic.partitions.iter().filter_map(|leader| leader.broker).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let mut first = None;
        for leader in leaders {
            match self.core.metadata.broker(&self.core.pool, leader, Lane::Produce).await {
                Ok(_) => return Ok(()),
                Err(e) => first = first.or(Some(e)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn instant(&self) -> Instant {
        clock::now()
    }

    #[inline]
    fn unix_ms(&self) -> i64 {
        clock::unix_ms()
    }
}
