//! Records waiting to be sent: one open batch a partition, full ones behind it, those to be sent again in front.
//!
//! It decides what is sent when and what becomes of it. It knows no socket, no clock and no task: time comes in,
//! batches to send and batches that are finished go out.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::delivery::{BatchResult, Written};
use super::partitioner;
use super::queue::{Open, PartitionQueue};
use super::sequence::{Identity, Stamp};
use crate::metadata::{Cluster, Topic};
use crate::net::Backoff;
use crate::protocol::ErrorCode;
use crate::protocol::records::BatchBuilder;
use crate::{Error, ErrorKind, Record, Result, TopicPartition};

/// With `linger.ms` unset a batch waits this long at most, and only while its broker is busy.
const ADAPTIVE_LINGER: Duration = Duration::from_millis(5);
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
    pub(crate) ignore_keys: bool,
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
pub(crate) struct Pushed {
    pub(crate) batch: Arc<BatchResult>,
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

/// Which partition, by position in the accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) topic: usize,
    pub(crate) partition: usize,
}

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) slot: Slot,
    pub(crate) topic: Arc<str>,
    /// Batches are numbered in the order in which they were opened.
    pub(crate) number: u64,
    pub(crate) result: Arc<BatchResult>,
    pub(crate) body: Body,
    pub(crate) count: u32,
    /// Bytes of memory that it takes.
    pub(crate) size: usize,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) attempts: u32,
    pub(crate) opened: Instant,
    /// It was sent at least once without a clear answer.
    pub(crate) uncertain: bool,
}

#[derive(Debug)]
pub(crate) enum Body {
    Building(BatchBuilder),
    /// Sealed, with the stamp it carries.
    Sealed(Bytes, Option<Stamp>),
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One request each: the broker and its batches.
    pub(crate) requests: Vec<(i32, Vec<Parcel>)>,
    /// Brokers without a connection that something waits for.
    pub(crate) connect: Vec<i32>,
    /// A leader is not known.
    pub(crate) refresh: bool,
    /// A producer id is needed, and nothing is under way.
    pub(crate) identify: bool,
    /// When to look again, if nothing happens before.
    pub(crate) deadline: Option<Instant>,
}

/// A batch that is finished.
pub(crate) type Finished = (Arc<BatchResult>, Result<Written>);

/// What a broker, or the way to it, said of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    Written(Written),
    Refused {
        code: ErrorCode,
        message: Option<String>,
        broker: String,
    },
    /// No answer came; it may be written if it was sent.
    Lost {
        error: Error,
        sent: bool,
    },
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
    used: usize,
    /// Partitions with something to send.
    active: VecDeque<Slot>,
    /// Brokers with a connection, and the requests under way there.
    brokers: HashMap<i32, usize>,
    identity: Identity,
    next_number: u64,
    /// Batches that are not finished.
    unfinished: BTreeSet<u64>,
    under_way: usize,
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

#[derive(Debug)]
struct TopicQueue {
    name: Arc<str>,
    partitions: Vec<PartitionQueue>,
    /// Where records without a key go until that batch is closed.
    sticky: usize,
    /// Answers in a row that did not have it.
    missing: u32,
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
            identity,
            next_number: 0,
            unfinished: BTreeSet::new(),
            under_way: 0,
            signalled: false,
            starved: false,
            closed: false,
            enqueued: 0,
            total: Tally::default(),
            since_report: Tally::default(),
            finished: Vec::new(),
        }
    }

    /// Encodes a record into its partition's open batch.
    pub(crate) fn push(&mut self, record: &Record<'_>, clock: &impl Clock) -> Result<Pushed, Refused> {
        if self.closed {
            return Err(Refused::Never(Error::closed("producer")));
        }
        let topic = self.topic_of(record.topic).ok_or(Refused::NoMetadata)?;
        let bound = BatchBuilder::upper_bound(record.key, record.value, record.headers);
        if bound > self.limits.record_max && record.payload_len() > self.limits.record_max {
            return Err(Refused::Never(self.too_large(record)));
        }
        if self.used + bound > self.limits.memory && self.used > 0 {
            self.starved = true;
            return Err(Refused::Full);
        }
        let (partition, full) = self.choose(topic, record, bound)?;
        let slot = Slot { topic, partition };
        let fresh = self.open(slot, clock)?;
        let queue = self.topics.get_mut(topic).and_then(|t| t.partitions.get_mut(partition));
        let Some(open) = queue.and_then(|q| q.open.as_mut()) else { return Err(Refused::NoMetadata) };
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(|| {
            let count = open.builder.count();
            if !fresh && (count < CLOCK_EVERY || count.is_multiple_of(CLOCK_EVERY)) {
                open.unix_ms = clock.unix_ms();
            }
            open.unix_ms
        });
        let before = open.builder.len();
        let index = open.builder.push(timestamp_ms, record.key, record.value, record.headers);
        let after = open.builder.len();
        self.used += after - before;
        self.enqueued += 1;
        let news = fresh || full || (after >= self.limits.batch_size && before < self.limits.batch_size);
        let wake = news && !self.signalled;
        self.signalled |= wake;
        Ok(Pushed { batch: open.result.clone(), index, timestamp_ms, wake })
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
        let (mut partition, sticky) = match (record.partition, record.key) {
            (Some(wanted), _) => match usize::try_from(wanted).ok().filter(|index| *index < count) {
                Some(index) => (index, false),
                None => return Err(Refused::Never(no_partition(&queue.name, wanted, count))),
            },
            (None, Some(key)) if !self.limits.ignore_keys => (partitioner::by_key(key, count), false),
            (None, _) => (queue.sticky, true),
        };
        let mut full = false;
        let size = self.limits.batch_size;
        let close = |queue: &mut TopicQueue, at: usize| {
            queue.partitions.get_mut(at).is_some_and(|partition| partition.close_if_full(bound, size))
        };
        if close(queue, partition) {
            full = true;
            if sticky {
                queue.stick_to_next();
                partition = queue.sticky;
                close(queue, partition);
            }
        }
        Ok((partition, full))
    }

    /// Opens a batch if there is none.
    #[inline]
    fn open(&mut self, slot: Slot, clock: &impl Clock) -> Result<bool, Refused> {
        let queue = self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition));
        let Some(queue) = queue else { return Err(Refused::NoMetadata) };
        if queue.open.is_some() {
            return Ok(false);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.unfinished.insert(number);
        let size = self.limits.batch_size;
        let open = Open::new(number, slot.partition, size, clock.instant(), clock.unix_ms());
        self.used += open.builder.len();
        queue.open = Some(open);
        if !queue.active {
            queue.active = true;
            self.active.push_back(slot);
        }
        Ok(true)
    }

    fn too_large(&self, record: &Record<'_>) -> Error {
        let (len, limit) = (record.payload_len(), self.limits.record_max);
        Error::new(ErrorKind::TooLarge, format!("a record of {len} bytes, limit {limit}"))
            .hinted("raise max.request.size, and message.max.bytes or the topic's max.message.bytes")
    }

    /// What is to be sent now. Whoever sends it reports every batch back through [`landed`](Self::landed).
    pub(crate) fn plan(&mut self, now: Instant) -> Plan {
        self.signalled = false;
        self.starved &= self.used >= self.limits.memory / 2;
        let identify = self.identity == Identity::Wanted && self.under_way == 0;
        let mut plan = Plan { identify, ..Plan::default() };
        self.expire(now, &mut plan);
        while self.identity != Identity::Wanted && self.pass(now, &mut plan) {}
        self.active.rotate_left(usize::from(self.active.len() > 1));
        self.drop_idle();
        plan
    }

    /// At most one batch of each partition, at most one request to each broker. False: there is nothing more.
    fn pass(&mut self, now: Instant, plan: &mut Plan) -> bool {
        let mut requests: Vec<(i32, usize, Vec<Parcel>)> = Vec::new();
        for slot in &self.active {
            let Some(topic) = self.topics.get_mut(slot.topic) else { continue };
            let Some(queue) = topic.partitions.get_mut(slot.partition) else { continue };
            let Some(leader) = queue.leader else {
                plan.refresh |= queue.has_unsent();
                continue;
            };
            let Some(busy) = self.brokers.get(&leader).copied() else {
                if queue.has_unsent() && !plan.connect.contains(&leader) {
                    plan.connect.push(leader);
                }
                continue;
            };
            let planned = requests.iter_mut().find(|(broker, ..)| *broker == leader);
            let linger = self.limits.linger.or((busy > 0).then_some(ADAPTIVE_LINGER));
            let linger = if self.starved { None } else { linger };
            match queue.next_due(now, linger, self.limits.batch_size, self.limits.partition_in_flight) {
                Ok(_) if busy >= self.limits.in_flight => {}
                Ok(size)
                    if planned.as_ref().is_some_and(|(_, sum, _)| sum + size > self.limits.request_max) => {}
                Ok(_) => {
                    let Some(mut parcel) = queue.take_next(*slot, &topic.name) else { continue };
                    if queue.open.is_none() && topic.sticky == slot.partition {
                        topic.stick_to_next();
                    }
                    let queue = topic.partitions.get_mut(slot.partition);
                    if let (Identity::Known { id, epoch }, None, Some(queue)) =
                        (self.identity, parcel.stamp, queue)
                    {
                        let sequence = queue.sequence.take(parcel.count);
                        parcel.stamp = Some(Stamp { id, epoch, sequence });
                    }
                    self.under_way += 1;
                    match planned {
                        Some((_, sum, parcels)) => {
                            *sum += parcel.size;
                            parcels.push(parcel);
                        }
                        None => requests.push((leader, parcel.size, vec![parcel])),
                    }
                }
                Err(Some(later)) => plan.look_again(later),
                Err(None) => {}
            }
        }
        let any = !requests.is_empty();
        for (broker, _, parcels) in requests {
            *self.brokers.entry(broker).or_default() += 1;
            plan.requests.push((broker, parcels));
        }
        any
    }

    /// Gives up what has waited too long, and notes when the next one will have.
    fn expire(&mut self, now: Instant, plan: &mut Plan) {
        let timeout = self.limits.delivery_timeout;
        let mut expired = Vec::new();
        for slot in &self.active {
            let Some(topic) = self.topics.get_mut(slot.topic) else { continue };
            let Some(queue) = topic.partitions.get_mut(slot.partition) else { continue };
            while let Some(oldest) = queue.oldest() {
                if now < oldest + timeout {
                    plan.look_again(oldest + timeout);
                    break;
                }
                expired.extend(queue.take_next(*slot, &topic.name).inspect(|_| queue.in_flight -= 1));
            }
        }
        for parcel in expired {
            let error = Error::new(ErrorKind::Timeout, format!("not delivered within {timeout:?}"))
                .hinted("delivery.timeout.ms bounds retries; is the partition's leader reachable?");
            let error = match &self.last_error(parcel.slot) {
                Some(last) => error.because(last.to_string()),
                None => error,
            };
            self.give_up(parcel, error, now);
        }
    }

    fn last_error(&self, slot: Slot) -> Option<Error> {
        self.topics.get(slot.topic)?.partitions.get(slot.partition)?.last_error.clone()
    }

    fn drop_idle(&mut self) {
        let topics = &mut self.topics;
        self.active.retain(|slot| {
            let queue = topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition));
            queue.is_some_and(|queue| {
                queue.active = queue.has_unsent();
                queue.active
            })
        });
    }

    /// A request has come back: the broker has room for another.
    pub(crate) fn request_done(&mut self, broker: i32) {
        if let Some(busy) = self.brokers.get_mut(&broker) {
            *busy = busy.saturating_sub(1);
        }
    }

    /// A planned batch has come back, with what was said of it. `unit` is a random number in `0.0..1.0`.
    pub(crate) fn landed(&mut self, mut parcel: Parcel, outcome: Outcome, now: Instant, unit: f64) {
        self.under_way -= 1;
        parcel.attempts += 1;
        let slot = parcel.slot;
        let earliest = self.earliest(slot, parcel.number) && self.current(parcel.stamp);
        let Some(queue) = self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition))
        else {
            return;
        };
        queue.in_flight -= 1;
        let (error, again) = match outcome {
            Outcome::Written(written) => {
                queue.failures = 0;
                self.finish(parcel, Ok(written));
                return;
            }
            // The broker has it from an earlier attempt and no longer knows where.
            Outcome::Refused { code: ErrorCode::DUPLICATE_SEQUENCE_NUMBER, .. } => {
                self.finish(parcel, Ok(Written { base_offset: None, append_time_ms: None }));
                return;
            }
            Outcome::Refused { code, message, broker } => {
                let lost_track = matches!(
                    code,
                    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                        | ErrorCode::UNKNOWN_PRODUCER_ID
                        | ErrorCode::INVALID_PRODUCER_EPOCH
                ) && parcel.stamp.is_some();
                // A batch behind one that failed is out of order by nature; the first of them is not.
                if lost_track && earliest {
                    self.identity = Identity::Wanted;
                }
                if moves_leader(code) {
                    queue.leader = None;
                }
                let error = Error::broker(code, "the batch was refused").said(message);
                (error.around(|c| c.broker = Some(broker)), code.is_retriable() || lost_track)
            }
            Outcome::Lost { error, sent } => {
                parcel.uncertain |= sent;
                queue.leader = None;
                let again = error.is_retriable();
                (error, again)
            }
        };
        let expired = now >= parcel.opened + self.limits.delivery_timeout;
        if !again || expired || parcel.attempts > self.limits.retries {
            self.give_up(parcel, error, now);
            return;
        }
        let queue = self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition));
        if let Some(queue) = queue {
            queue.failed(error, now, self.limits.retry, unit);
            queue.put_back(parcel);
            if !queue.active {
                queue.active = true;
                self.active.push_back(slot);
            }
        }
    }

    /// A batch could not even be sealed.
    pub(crate) fn unsendable(&mut self, parcel: Parcel, error: Error, now: Instant) {
        self.under_way -= 1;
        let slot = parcel.slot;
        if let Some(queue) =
            self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition))
        {
            queue.in_flight -= 1;
        }
        self.give_up(parcel, error, now);
    }

    /// Whether no batch of the partition before this one is unfinished.
    fn earliest(&self, slot: Slot, number: u64) -> bool {
        let queue = self.topics.get(slot.topic).and_then(|t| t.partitions.get(slot.partition));
        queue.is_none_or(|queue| queue.first_under_way.first().is_none_or(|first| *first >= number))
    }

    fn current(&self, stamp: Option<Stamp>) -> bool {
        match (self.identity, stamp) {
            (Identity::Known { id, epoch }, Some(stamp)) => (stamp.id, stamp.epoch) == (id, epoch),
            _ => false,
        }
    }

    fn give_up(&mut self, parcel: Parcel, error: Error, now: Instant) {
        // Its numbers are lost, and a broker would refuse those behind them.
        if self.current(parcel.stamp) {
            self.identity = Identity::Wanted;
        }
        let partition = i32::try_from(parcel.slot.partition).unwrap_or(i32::MAX);
        let error = error.maybe_written(parcel.uncertain).around(|c| {
            c.topic_partition = Some(TopicPartition::new(parcel.topic.clone(), partition));
            c.attempts = parcel.attempts;
            c.elapsed = Some(now.saturating_duration_since(parcel.opened));
        });
        self.finish(parcel, Err(error));
    }

    fn finish(&mut self, parcel: Parcel, result: Result<Written>) {
        let slot = parcel.slot;
        if let Some(queue) =
            self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition))
        {
            queue.first_under_way.remove(&parcel.number);
        }
        self.unfinished.remove(&parcel.number);
        self.used = self.used.saturating_sub(parcel.size);
        let count = u64::from(parcel.count);
        for tally in [&mut self.total, &mut self.since_report] {
            match &result {
                Ok(_) => tally.delivered += count,
                Err(e) => {
                    tally.failed += count;
                    tally.first_error.get_or_insert_with(|| e.clone());
                }
            }
        }
        self.finished.push((parcel.result, result));
    }

    /// Batches that are finished since the last call: their senders are to be told, without the lock.
    pub(crate) fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// Closes all open batches, so that everything goes out; the answer is what to wait for.
    pub(crate) fn flush(&mut self) -> u64 {
        for slot in &self.active {
            if let Some(queue) =
                self.topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition))
            {
                queue.close();
            }
        }
        self.next_number
    }

    /// Whether all batches before this number are finished.
    pub(crate) fn is_finished(&self, before: u64) -> bool {
        self.unfinished.first().is_none_or(|first| *first >= before)
    }

    /// What became of records since the last report.
    pub(crate) fn report(&mut self) -> Tally {
        std::mem::take(&mut self.since_report)
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
            self.topics.push(TopicQueue { name, partitions, sticky: 0, missing: 0 });
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

    /// A broker has a connection, or has lost it.
    pub(crate) fn on_broker(&mut self, broker: i32, connected: bool) {
        if connected {
            self.brokers.entry(broker).or_insert(0);
        } else {
            self.brokers.remove(&broker);
        }
    }

    /// The leaders at this broker cannot be reached: they wait, and somebody else may lead by then.
    pub(crate) fn on_unreachable(&mut self, broker: i32, error: &Error, now: Instant, unit: f64) {
        let (retry, topics) = (self.limits.retry, &mut self.topics);
        for queue in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if queue.leader == Some(broker) {
                queue.leader = None;
                queue.failed(error.clone(), now, retry, unit);
            }
        }
    }

    /// A new identity: all partitions number from 0 again. What was numbered before is numbered anew.
    pub(crate) fn on_identity(&mut self, identity: Identity) {
        self.identity = identity;
        for queue in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            queue.renumber();
        }
    }

    /// Without an identity order is kept by sending one batch of a partition at a time.
    pub(crate) fn without_identity(&mut self, partition_in_flight: usize) {
        self.limits.partition_in_flight = partition_in_flight;
        self.on_identity(Identity::Off);
    }
}

impl Plan {
    pub(super) fn look_again(&mut self, at: Instant) {
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }
}

impl TopicQueue {
    fn update(&mut self, topic: &Topic) {
        self.missing = 0;
        self.partitions
            .resize_with(self.partitions.len().max(topic.partitions.len()), PartitionQueue::default);
        for (queue, leader) in self.partitions.iter_mut().zip(&topic.partitions) {
            queue.leader = leader.broker;
        }
    }

    fn stick_to_next(&mut self) {
        let leaders: Vec<bool> = self.partitions.iter().map(|queue| queue.leader.is_some()).collect();
        self.sticky = partitioner::rotate(self.sticky, &leaders);
    }
}

/// Codes that say: ask somebody else.
fn moves_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_ID
    )
}

fn no_partition(topic: &str, partition: i32, count: usize) -> Error {
    Error::new(ErrorKind::UnknownPartition, format!("topic {topic} has no partition {partition}"))
        .hinted(format!("it has {count}: 0 to {}", count.saturating_sub(1)))
}
