//! Records waiting to be sent: one open batch a partition, full ones behind it, those to be sent again in front.
//!
//! It decides what is sent when and what becomes of it. It knows no socket, no clock and no task: time comes in,
//! batches to send and batches that are finished go out.

mod landing;
#[cfg(test)]
mod model;
mod plan;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::delivery::{BatchResult, Written};
use super::metrics::Gauges;
use super::parcel::Slot;
use super::partitioner::{Choice, Goes, TopicView};
use super::queue::{Open, PartitionQueue};
use super::sequence::Identity;
use crate::metadata::{Cluster, Topic};
use crate::net::Backoff;
use crate::protocol::ErrorCode;
use crate::protocol::records::BatchBuilder;
use crate::{Error, ErrorKind, Record, Result};

pub(crate) use plan::Plan;
use topic::{TopicQueue, no_partition};

/// The clock is read for every eighth record: cheap for the fast, and close enough for the slow.
const CLOCK_EVERY: u32 = 8;
/// After so many answers without it a topic is given up.
const MISSING_MAX: u32 = 5;

/// What the configuration allows.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) batch_size: usize,
    pub(crate) linger: Option<Duration>,
    pub(crate) memory: usize,
    pub(crate) record_max: usize,
    pub(crate) request_max: usize,
    /// Requests under way at one broker.
    pub(crate) in_flight: usize,
    /// Batches under way of one partition.
    pub(crate) partition_in_flight: usize,
    pub(crate) delivery_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry: Backoff,
    pub(crate) partitioner: Choice,
    /// Batches without a partition of their own go where there is least to send (KIP-794).
    pub(crate) adaptive: bool,
    /// Idempotence was asked for by name: without it nothing is sent.
    pub(crate) must_be_numbered: bool,
}

/// The two clocks. They are asked, not passed, because most records need no look at them.
pub(crate) trait Clock {
    /// For deadlines.
    fn instant(&self) -> Instant;
    /// For timestamps, in ms since 1970.
    fn unix_ms(&self) -> i64;
}

/// A record that was taken.
#[derive(Debug)]
pub(crate) struct Pushed<B> {
    /// What the caller keeps of the batch's result.
    pub(crate) batch: B,
    pub(crate) index: u32,
    pub(crate) timestamp_ms: i64,
    /// The sender must be woken.
    pub(crate) wake: bool,
}

/// A record that was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no room at the moment.
    Full,
    /// The topic is not known yet.
    NoMetadata,
    /// It can never be taken.
    Never(Error),
}

/// A batch that is finished.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) topic: Arc<str>,
    pub(crate) batch: Arc<BatchResult>,
    pub(crate) records: u32,
    pub(crate) result: Result<Written>,
}

/// What became of records since the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) first_error: Option<Error>,
}

#[derive(Debug)]
pub(crate) struct Accumulator {
    limits: Limits,
    topics: Vec<TopicQueue>,
    names: HashMap<Arc<str>, usize>,
    last_topic: usize,
    /// Bytes of memory that batches hold.
    used: usize,
    /// Partitions with something to send.
    active: VecDeque<Slot>,
    /// Brokers with a connection, and the requests under way there.
    brokers: HashMap<i32, usize>,
    /// Brokers that asked to be left in peace, and until when.
    throttled: HashMap<i32, Instant>,
    identity: Identity,
    /// Why there is no producer id yet, if asking for one failed.
    no_identity: Option<Error>,
    next_number: u64,
    /// Batches that are not finished, by number; one that was split counts as often.
    unfinished: BTreeMap<u64, u32>,
    under_way: usize,
    /// Batches that were split so far.
    splits: u64,
    /// The sender was woken and has not looked yet.
    signalled: bool,
    /// Somebody waits for memory: nothing lingers.
    starved: bool,
    closed: bool,
    enqueued: u64,
    total: Tally,
    since_report: Tally,
    finished: Vec<Finished>,
}

impl Accumulator {
    pub(crate) fn new(limits: Limits, identity: Identity) -> Self {
        Self {
            limits,
            topics: Vec::new(),
            names: HashMap::new(),
            last_topic: 0,
            used: 0,
            active: VecDeque::new(),
            brokers: HashMap::new(),
            throttled: HashMap::new(),
            identity,
            no_identity: None,
            next_number: 0,
            unfinished: BTreeMap::new(),
            under_way: 0,
            splits: 0,
            signalled: false,
            starved: false,
            closed: false,
            enqueued: 0,
            total: Tally::default(),
            since_report: Tally::default(),
            finished: Vec::new(),
        }
    }

    /// Encodes a record into its partition's open batch. `keep` says what the caller needs of the batch's result:
    /// counting one more holder of it is a third of the price of a record.
    pub(crate) fn push<B>(
        &mut self,
        record: &Record<'_>,
        clock: &impl Clock,
        keep: impl FnOnce(&Arc<BatchResult>) -> B,
    ) -> Result<Pushed<B>, Refused> {
        if self.closed {
            return Err(Refused::Never(Error::closed("producer")));
        }
        let topic = self.topic_of(record.topic).ok_or(Refused::NoMetadata)?;
        let bound = BatchBuilder::upper_bound(record.key, record.value, record.headers);
        if bound > self.limits.record_max && record.payload_len() > self.limits.record_max {
            return Err(Refused::Never(self.too_large(record)));
        }
        let (partition, full) = self.choose(topic, record, bound)?;
        let slot = Slot { topic, partition };
        let open = self.queue_mut(slot).and_then(|queue| queue.open.as_ref());
        let growth = open.map_or(bound, |open| open.builder.growth(bound));
        if self.used + growth > self.limits.memory && self.used > 0 && growth > 0 {
            self.starved = true;
            return Err(Refused::Full);
        }
        let fresh = self.open(slot, clock)?;
        let Some(queue) = self.topics.get_mut(topic) else { return Err(Refused::NoMetadata) };
        let batch_size = queue.batch_size;
        let open = queue.partitions.get_mut(partition).and_then(|queue| queue.open.as_mut());
        let Some(open) = open else { return Err(Refused::NoMetadata) };
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(|| {
            let count = open.builder.count();
            if !fresh && (count < CLOCK_EVERY || count.is_multiple_of(CLOCK_EVERY)) {
                open.unix_ms = clock.unix_ms();
            }
            open.unix_ms
        });
        open.has_headers |= !record.headers.is_empty();
        let (before, memory) = (open.builder.len(), open.builder.capacity());
        let index = open.builder.push(timestamp_ms, record.key, record.value, record.headers);
        let after = open.builder.len();
        self.used += open.builder.capacity() - memory;
        self.enqueued += 1;
        let news = fresh || full || (after >= batch_size && before < batch_size);
        let wake = news && !self.signalled;
        self.signalled |= wake;
        Ok(Pushed { batch: keep(&open.result), index, timestamp_ms, wake })
    }

    #[inline]
    fn topic_of(&mut self, name: &str) -> Option<usize> {
        // Most callers stay with one topic: comparing a name is cheaper than hashing it.
        if self.topics.get(self.last_topic).is_some_and(|topic| *topic.name == *name) {
            return Some(self.last_topic);
        }
        let index = *self.names.get(name)?;
        self.last_topic = index;
        Some(index)
    }

    /// The partition of a record, with room for it in the open batch; and whether a batch was closed for that.
    #[inline]
    fn choose(&mut self, topic: usize, record: &Record<'_>, bound: usize) -> Result<(usize, bool), Refused> {
        let Some(queue) = self.topics.get_mut(topic) else { return Err(Refused::NoMetadata) };
        let count = queue.partitions.len();
        if count == 0 {
            return Err(Refused::NoMetadata);
        }
        let limits = &self.limits;
        let view = TopicView { name: &queue.name, partitions: &queue.partitions };
        let (mut partition, sticky) = match limits.partitioner.of(record, &view) {
            Goes::To(index) => (index, false),
            Goes::WithOthers => {
                queue.avoid_leaderless(limits.adaptive);
                (queue.sticky, true)
            }
            Goes::Next => {
                queue.stick_to_next(false);
                (queue.sticky, false)
            }
            Goes::Nowhere(wanted) => return Err(Refused::Never(no_partition(&queue.name, wanted, count))),
        };
        let mut full = false;
        let size = queue.batch_size;
        let close = |queue: &mut TopicQueue, at: usize| {
            queue.partitions.get_mut(at).is_some_and(|partition| partition.close_if_full(bound, size))
        };
        if close(queue, partition) {
            full = true;
            if sticky {
                queue.stick_to_next(limits.adaptive);
                partition = queue.sticky;
                close(queue, partition);
            }
        }
        Ok((partition, full))
    }

    /// Opens a batch if there is none.
    #[inline]
    fn open(&mut self, slot: Slot, clock: &impl Clock) -> Result<bool, Refused> {
        let Some(queue) = self.queue_mut(slot) else { return Err(Refused::NoMetadata) };
        if queue.open.is_some() {
            return Ok(false);
        }
        self.open_new(slot, clock.instant(), clock.unix_ms());
        Ok(true)
    }

    fn open_new(&mut self, slot: Slot, opened: Instant, unix_ms: i64) {
        let number = self.next_number;
        self.next_number += 1;
        self.unfinished.insert(number, 1);
        let open = Open::new(number, slot.partition, self.limits.batch_size, opened, unix_ms);
        self.used += open.builder.capacity();
        if let Some(queue) = self.queue_mut(slot) {
            queue.open = Some(open);
        }
        self.activate(slot);
    }

    /// The partition has something to send.
    fn activate(&mut self, slot: Slot) {
        if let Some(queue) = self.queue_mut(slot).filter(|queue| !queue.active) {
            queue.active = true;
            self.active.push_back(slot);
        }
    }

    fn queue_mut(&mut self, slot: Slot) -> Option<&mut PartitionQueue> {
        self.topics.get_mut(slot.topic)?.partitions.get_mut(slot.partition)
    }

    fn too_large(&self, record: &Record<'_>) -> Error {
        let (len, limit) = (record.payload_len(), self.limits.record_max);
        Error::new(ErrorKind::TooLarge, format!("a record of {len} bytes, limit {limit}"))
            .hinted("raise max.request.size, and message.max.bytes or the topic's max.message.bytes")
    }

    /// Batches that are finished since the last call: their senders are to be told, without the lock.
    pub(crate) fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// Closes all open batches, so that everything goes out; the answer is what to wait for.
    pub(crate) fn flush(&mut self) -> u64 {
        for slot in &self.active {
            let queue = self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition));
            queue.into_iter().for_each(PartitionQueue::close);
        }
        self.next_number
    }

    /// Whether all batches before this number are finished.
    pub(crate) fn is_finished(&self, before: u64) -> bool {
        self.unfinished.first_key_value().is_none_or(|(first, _)| *first >= before)
    }

    /// What became of records since the last report.
    pub(crate) fn report(&mut self) -> Tally {
        std::mem::take(&mut self.since_report)
    }

    /// What a snapshot of metrics looks up.
    pub(crate) fn gauges(&self) -> Gauges {
        Gauges {
            memory: self.limits.memory,
            memory_used: self.used,
            requests_in_flight: self.brokers.values().sum(),
            splits: self.splits,
        }
    }

    /// Records taken, delivered and failed since the start.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        (self.enqueued, self.total.delivered, self.total.failed)
    }

    /// Takes no more records; what is there goes out.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.flush();
    }

    /// Whether nothing is left to do after [`close`](Self::close).
    pub(crate) fn is_over(&self) -> bool {
        self.closed && self.unfinished.is_empty()
    }

    /// Fails whatever is not under way.
    pub(crate) fn fail_unsent(&mut self, error: &Error, now: Instant) {
        let slots: Vec<Slot> = self.active.iter().copied().collect();
        for slot in slots {
            self.fail_partition(slot, error, now);
        }
    }

    fn fail_partition(&mut self, slot: Slot, error: &Error, now: Instant) {
        loop {
            let Some(topic) = self.topics.get_mut(slot.topic) else { return };
            let Some(queue) = topic.partitions.get_mut(slot.partition) else { return };
            let Some(parcel) = queue.take_next(slot, &topic.name) else { return };
            queue.in_flight -= 1;
            self.give_up(parcel, error.clone(), now);
        }
    }

    /// Topics that records were sent to.
    pub(crate) fn topic_names(&self) -> Vec<Arc<str>> {
        self.topics.iter().map(|topic| topic.name.clone()).collect()
    }

    pub(crate) fn knows(&self, topic: &str) -> bool {
        self.names.get(topic).and_then(|at| self.topics.get(*at)).is_some_and(|t| !t.partitions.is_empty())
    }

    /// Adds a topic.
    pub(crate) fn add_topic(&mut self, name: &str, topic: &Topic, start: usize) {
        let index = *self.names.entry(Arc::from(name)).or_insert(self.topics.len());
        if index == self.topics.len() {
            let (name, partitions) = (Arc::from(name), Vec::new());
            let batch_size = self.limits.batch_size;
            self.topics.push(TopicQueue { name, partitions, sticky: 0, batch_size, missing: 0 });
        }
        if let Some(queue) = self.topics.get_mut(index) {
            let first = queue.partitions.is_empty();
            queue.update(topic);
            if first && !queue.partitions.is_empty() {
                queue.sticky = start % queue.partitions.len();
            }
        }
    }

    /// Takes over leaders and new partitions. A topic that stays away is given up.
    pub(crate) fn on_cluster(&mut self, cluster: &Cluster, now: Instant) {
        let mut gone = Vec::new();
        for (index, queue) in self.topics.iter_mut().enumerate() {
            match cluster.topics.get(&queue.name) {
                Some(topic) => queue.update(topic),
                None => {
                    queue.missing += 1;
                    if queue.missing >= MISSING_MAX {
                        gone.push((index, queue.name.clone(), queue.partitions.len()));
                    }
                }
            }
        }
        for (topic, name, count) in gone {
            let error = Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format_args!("topic {name}"));
            (0..count).for_each(|partition| self.fail_partition(Slot { topic, partition }, &error, now));
        }
    }

    /// A new identity: all partitions number from 0 again. What was numbered before is numbered anew, unless it may
    /// be written already.
    pub(crate) fn on_identity(&mut self, identity: Identity) {
        self.identity = identity;
        self.no_identity = None;
        for queue in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            queue.renumber();
        }
    }

    /// Asking for an identity failed, and is tried again.
    pub(crate) fn on_no_identity(&mut self, error: Error) {
        self.no_identity = Some(error);
    }

    /// Why records are not sent at the moment, as far as something failed; with the broker's name.
    pub(crate) fn trouble(&self) -> Option<String> {
        let queues = self.active.iter().filter_map(|slot| {
            self.topics.get(slot.topic)?.partitions.get(slot.partition).filter(|queue| queue.has_unsent())
        });
        let error =
            self.no_identity.as_ref().or(queues.filter_map(|queue| queue.last_error.as_ref()).next())?;
        Some(match &error.context().broker {
            Some(broker) if !error.to_string().contains(broker) => format!("broker {broker}: {error}"),
            Some(_) | None => error.to_string(),
        })
    }

    /// Whether batches carry numbers, by which brokers know them again.
    pub(crate) fn is_numbered(&self) -> bool {
        !matches!(self.identity, Identity::Off)
    }

    /// Without an identity order is kept by sending one batch of a partition at a time.
    pub(crate) fn without_identity(&mut self, partition_in_flight: usize) {
        self.limits.partition_in_flight = partition_in_flight;
        self.on_identity(Identity::Off);
    }
}
