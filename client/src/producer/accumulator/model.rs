//! The accumulator against a model of brokers: random records, losses, refusals, moves of leaders and expired batches.
//!
//! The brokers of the model do with sequence numbers what Kafka's do. Requests of a lost connection may still be worked off
//! later, between those of the next one, as happens with a broker whose queue is long.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::tests::{Hand, KIB, MS};
use super::*;
use crate::metadata::Leader;
use crate::producer::Delivery;
use crate::producer::parcel::{Outcome, Parcel};
use crate::producer::request::{self, Settings};
use crate::protocol::Uuid;
use crate::protocol::records::{Batch, Compression};
use crate::{Ack, Config};

const BROKERS: i32 = 3;
const PARTITIONS: usize = 3;
const STEPS: usize = 600;
/// More than enough for everything to come to its end once nothing fails any more.
const STEPS_TO_END: usize = 20_000;
/// What the model's brokers take.
const BATCH_MAX: usize = 700;
/// Batches that Kafka remembers of a producer.
const REMEMBERED: usize = 5;

/// How often each thing happened, so that a run in which one of them never does is noticed.
#[derive(Debug, Default)]
struct Bites {
    acked: u64,
    failed: u64,
    lost: u64,
    zombies: u64,
    duplicates: u64,
    out_of_order: u64,
    fenced: u64,
    refused: u64,
    too_large: u64,
    moved: u64,
    expired: u64,
    full: u64,
    identified: u64,
}

#[test]
fn whatever_fails_acked_records_are_there_once_in_order_and_every_handle_resolves() {
    let seeds = crate::rng::seeds();
    let single = seeds.clone().count() == 1;
    let mut bites = Bites::default();
    for seed in seeds {
        for numbered in [true, false] {
            World::new(seed, numbered, &mut bites).run();
        }
    }
    println!("{bites:?}");
    let Bites { acked, failed, lost, zombies, duplicates, out_of_order, fenced, .. } = bites;
    let Bites { refused, too_large, moved, expired, full, identified, .. } = bites;
    let all = [
        acked,
        failed,
        lost,
        zombies,
        duplicates,
        out_of_order,
        fenced,
        refused,
        too_large,
        moved,
        expired,
        full,
        identified,
    ];
    assert!(single || !all.contains(&0), "something never happened: {bites:?}");
}

struct World<'a> {
    seed: u64,
    rng: StdRng,
    hand: Hand,
    acc: Accumulator,
    settings: Settings,
    numbered: bool,
    memory: usize,
    leaders: [i32; PARTITIONS],
    logs: [Log; PARTITIONS],
    /// Requests on their way, by broker, in the order in which they were sent.
    flying: HashMap<i32, VecDeque<Flight>>,
    /// What brokers still have to work off of connections that are gone.
    zombies: VecDeque<(i32, Vec<(usize, Bytes)>)>,
    handles: Vec<Handle>,
    next_id: i64,
    broken: bool,
    /// One seed alone tells what happens.
    tells: bool,
    bites: &'a mut Bites,
}

struct Flight {
    parcels: Vec<(Parcel, Bytes)>,
    /// What the broker answers, once it has worked it off.
    outcomes: Option<Vec<Outcome>>,
}

struct Handle {
    value: u64,
    delivery: Delivery,
}

/// A partition: the values of its records by offset, and what it remembers of producers.
#[derive(Default)]
struct Log {
    records: Vec<u64>,
    /// By id, the newest epoch with its last batches: first and last number, offset.
    producers: HashMap<i64, (i16, VecDeque<Known>)>,
}

/// A batch that a broker remembers: its first and last number, and where it is.
type Known = (i32, i32, i64);

/// What a log of the model says to a batch.
#[derive(Clone, Copy, Debug)]
enum Said {
    /// It is at this offset, and was not before.
    Written(i64, bool),
    OutOfOrder,
    Fenced,
}

impl<'a> World<'a> {
    fn new(seed: u64, numbered: bool, bites: &'a mut Bites) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let memory = 8 * KIB;
        let limits = Limits {
            batch_size: *[200, 400, KIB].iter().choose(&mut rng).expect("one of three"),
            linger: *[None, Some(3 * MS), Some(Duration::ZERO)]
                .iter()
                .choose(&mut rng)
                .expect("one of three"),
            memory,
            record_max: 300,
            request_max: 2 * KIB,
            in_flight: 5,
            partition_in_flight: if numbered { rng.random_range(1..=5) } else { 1 },
            delivery_timeout: MS * rng.random_range(200..4_000),
            retries: *[u32::MAX, u32::MAX, 3, 0].iter().choose(&mut rng).expect("one of four"),
            retry: Backoff { base: 10 * MS, max: 100 * MS },
            partitioner: Choice::new(&Config::default()),
            adaptive: true,
            must_be_numbered: false,
        };
        let identity = if numbered { Identity::Wanted } else { Identity::Off };
        let mut acc = Accumulator::new(limits, identity);
        acc.add_topic("t", &Topic { id: Uuid::ZERO, partitions: vec![], replicas: vec![] }, 0);
        let compression = if rng.random_bool(0.2) { Compression::Lz4 } else { Compression::None };
        let settings = Settings { acks: -1, timeout_ms: 0, compression, level: None };
        let mut world = Self {
            seed,
            rng,
            hand: Hand::new(),
            acc,
            settings,
            numbered,
            memory,
            leaders: [1, 2, 3],
            logs: Default::default(),
            flying: HashMap::new(),
            zombies: VecDeque::new(),
            handles: Vec::new(),
            next_id: 1,
            broken: true,
            tells: std::env::var_os("KINGLET_SEED").is_some(),
            bites,
        };
        world.tell_leaders();
        world
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            match self.rng.random_range(0..100) {
                0..35 => self.push(),
                35..50 => self.pass(),
                50..65 => self.plan(),
                65..78 => self.work(),
                78..92 => self.answer(),
                92..94 => self.lose(),
                94..96 => self.move_leader(),
                _ => self.work_zombie(),
            }
            self.settle();
        }
        self.broken = false;
        self.acc.close();
        for _ in 0..STEPS_TO_END {
            if self.acc.is_over() {
                break;
            }
            self.pass();
            self.plan();
            (0..3).for_each(|_| self.work());
            (0..3).for_each(|_| self.answer());
            self.work_zombie();
            self.settle();
        }
        while !self.zombies.is_empty() {
            self.work_zombie();
        }
        self.check();
    }

    fn push(&mut self) {
        let value = u64::try_from(self.handles.len()).expect("few");
        let text = format!("{value}:{}", "x".repeat(self.rng.random_range(0..200)));
        let record = match self.rng.random_range(0..3) {
            0 => Record::to("t").value(&text),
            n => Record::to("t").value(&text).partition(n),
        };
        match self.acc.push(&record, &self.hand, Arc::clone) {
            Ok(pushed) => {
                let delivery = Delivery::new(pushed.batch, pushed.index, pushed.timestamp_ms);
                self.handles.push(Handle { value, delivery });
            }
            Err(Refused::Full) => self.bites.full += 1,
            Err(other) => panic!("seed {}: {other:?}", self.seed),
        }
        assert!(self.acc.used <= self.memory + KIB, "seed {}: {} bytes are used", self.seed, self.acc.used);
    }

    fn pass(&mut self) {
        let time = MS * self.rng.random_range(0..40);
        self.hand.pass(time);
    }

    /// The sender's part: sends what is due, connects, asks for leaders and for an id.
    fn plan(&mut self) {
        let plan = self.acc.plan(self.hand.now());
        for broker in plan.connect {
            self.acc.on_broker(broker, true);
        }
        for (broker, mut parcels) in plan.requests {
            let sealed = parcels
                .iter_mut()
                .map(|parcel| request::seal(parcel, &self.settings).expect("it can be sealed"));
            let sealed: Vec<Bytes> = sealed.collect();
            let parcels = parcels.into_iter().zip(sealed).collect();
            let flights = self.flying.entry(broker).or_default();
            flights.push_back(Flight { parcels, outcomes: None });
            assert!(flights.len() <= 5, "seed {}: max.in.flight", self.seed);
        }
        if plan.refresh && !(self.broken && self.rng.random_bool(0.3)) {
            self.tell_leaders();
        }
        if plan.identify && !(self.broken && self.rng.random_bool(0.3)) {
            self.acc.on_identity(Identity::Known { id: self.next_id, epoch: 0 });
            self.next_id += 1;
            self.bites.identified += 1;
        }
    }

    fn tell_leaders(&mut self) {
        let leader = |broker: &i32| Leader { broker: Some(*broker), epoch: 0 };
        let topic =
            Topic { id: Uuid::ZERO, partitions: self.leaders.iter().map(leader).collect(), replicas: vec![] };
        let topics = HashMap::from([(Arc::from("t"), Arc::new(topic))]);
        let cluster = Cluster { topics, ..Cluster::default() };
        self.acc.on_cluster(&cluster, self.hand.now());
    }

    fn move_leader(&mut self) {
        let partition = self.rng.random_range(0..PARTITIONS);
        self.leaders[partition] = self.rng.random_range(1..=BROKERS);
        self.bites.moved += 1;
    }

    fn some_broker(&mut self) -> Option<i32> {
        let busy = self.flying.iter().filter(|(_, flights)| !flights.is_empty()).map(|(broker, _)| *broker);
        let mut busy: Vec<i32> = busy.collect();
        busy.sort_unstable();
        busy.into_iter().choose(&mut self.rng)
    }

    /// A broker works off the oldest request that it has not looked at.
    fn work(&mut self) {
        let Some(broker) = self.some_broker() else { return };
        let flights = self.flying.get_mut(&broker).expect("it is busy");
        let Some(at) = flights.iter().position(|flight| flight.outcomes.is_none()) else { return };
        let batches: Vec<_> =
            flights[at].parcels.iter().map(|(p, bytes)| (p.slot.partition, bytes.clone())).collect();
        let outcomes =
            batches.into_iter().map(|(partition, bytes)| self.append(broker, partition, bytes)).collect();
        self.flying.get_mut(&broker).expect("it is busy")[at].outcomes = Some(outcomes);
    }

    fn append(&mut self, broker: i32, partition: usize, mut bytes: Bytes) -> Outcome {
        let refuse = |code| Outcome::Refused { code, message: None, broker: broker.to_string() };
        let batch = Batch::split(&mut bytes).expect("it is a batch").expect("it is there");
        if self.leaders[partition] != broker {
            self.bites.refused += 1;
            return refuse(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        if batch.bytes().len() > BATCH_MAX {
            self.bites.too_large += 1;
            return refuse(ErrorCode::MESSAGE_TOO_LARGE);
        }
        let trouble = if self.broken { self.rng.random_range(0..100) } else { 100 };
        if trouble < 3 {
            self.bites.refused += 1;
            return refuse(ErrorCode::NOT_ENOUGH_REPLICAS);
        }
        let said = self.logs[partition].append(&batch);
        if self.tells {
            let header = batch.header();
            let (id, first, last) = (header.producer_id, header.base_sequence, header.last_sequence());
            println!("partition {partition}: id {id}, {first} to {last}: {said:?}");
        }
        if trouble < 6 {
            self.bites.refused += 1;
            return refuse(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        }
        match said {
            Said::Written(offset, is_new) => {
                self.bites.duplicates += u64::from(!is_new);
                Outcome::Written(Written { base_offset: Some(offset), append_time_ms: None })
            }
            Said::OutOfOrder => {
                self.bites.out_of_order += 1;
                refuse(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            }
            Said::Fenced => {
                self.bites.fenced += 1;
                refuse(ErrorCode::INVALID_PRODUCER_EPOCH)
            }
        }
    }

    /// The answer to the oldest request of a broker arrives, if there is one.
    fn answer(&mut self) {
        let Some(broker) = self.some_broker() else { return };
        let flights = self.flying.get_mut(&broker).expect("it is busy");
        let Some(flight) = flights.pop_front_if(|flight| flight.outcomes.is_some()) else { return };
        self.acc.request_done(broker);
        let outcomes = flight.outcomes.expect("there is an answer");
        for ((parcel, _), outcome) in flight.parcels.into_iter().zip(outcomes) {
            self.land(parcel, outcome);
        }
    }

    fn land(&mut self, parcel: Parcel, outcome: Outcome) {
        if self.tells {
            let (partition, number, stamp) = (parcel.slot.partition, parcel.number, parcel.stamp);
            println!("partition {partition}: batch {number} {stamp:?}: {outcome:?}");
        }
        self.acc.landed(parcel, outcome, self.hand.now(), 0.5);
    }

    /// A connection ends: its answers are gone, and what the broker has not looked at may still be worked off later.
    fn lose(&mut self) {
        let Some(broker) = self.some_broker() else { return };
        self.bites.lost += 1;
        self.acc.on_broker(broker, false);
        let error = Error::new(ErrorKind::Disconnected, "lost");
        for flight in self.flying.remove(&broker).expect("it is busy") {
            self.acc.request_done(broker);
            if flight.outcomes.is_none() && self.rng.random_bool(0.7) {
                let batches = flight.parcels.iter().map(|(p, bytes)| (p.slot.partition, bytes.clone()));
                self.zombies.push_back((broker, batches.collect()));
            }
            for (parcel, _) in flight.parcels {
                self.land(parcel, Outcome::Lost { error: error.clone(), sent: true });
            }
        }
    }

    fn work_zombie(&mut self) {
        let Some((broker, batches)) = self.zombies.pop_front() else { return };
        self.bites.zombies += 1;
        for (partition, bytes) in batches {
            self.append(broker, partition, bytes);
        }
    }

    fn settle(&mut self) {
        for Finished { batch, result, .. } in self.acc.take_finished() {
            batch.complete(result);
        }
    }

    fn check(mut self) {
        let seed = self.seed;
        assert!(self.acc.is_over(), "seed {seed}: {:?}", self.acc);
        assert_eq!(self.acc.used, 0, "seed {seed}: all memory came back");
        let mut places: HashMap<u64, Vec<(usize, i64)>> = HashMap::new();
        for (partition, log) in self.logs.iter().enumerate() {
            for (offset, value) in (0..).zip(&log.records) {
                places.entry(*value).or_default().push((partition, offset));
            }
        }
        let mut acked_in: [Vec<i64>; PARTITIONS] = Default::default();
        let mut context = Context::from_waker(Waker::noop());
        for Handle { value, mut delivery } in std::mem::take(&mut self.handles) {
            let Poll::Ready(result) = std::pin::Pin::new(&mut delivery).poll(&mut context) else {
                panic!("seed {seed}: record {value} is not resolved");
            };
            let there = places.remove(&value).unwrap_or_default();
            match result {
                Ok(Ack { partition, offset, .. }) => {
                    self.bites.acked += 1;
                    let partition = usize::try_from(partition).expect("it is a partition");
                    let offset = offset.expect("brokers of the model say where");
                    if self.numbered {
                        assert_eq!(there, [(partition, offset)], "seed {seed}: record {value} was acked");
                        acked_in[partition].push(offset);
                    } else {
                        assert!(
                            there.contains(&(partition, offset)),
                            "seed {seed}: record {value} was acked"
                        );
                    }
                }
                Err(error) => {
                    self.bites.failed += 1;
                    self.bites.expired += u64::from(error.kind() == ErrorKind::Timeout);
                    assert!(!self.numbered || there.len() < 2, "seed {seed}: record {value} is there twice");
                    let is_possible = error.possibly_written() || there.is_empty();
                    assert!(is_possible, "seed {seed}: record {value} is at {there:?}: {error}");
                }
            }
        }
        for offsets in acked_in {
            assert!(offsets.is_sorted(), "seed {seed}: acked records are in order: {offsets:?}");
        }
    }
}

impl Log {
    /// What Kafka does with a batch: a known one is not written again, a gap is refused.
    fn append(&mut self, batch: &Batch) -> Said {
        let header = batch.header();
        let end = i64::try_from(self.records.len()).expect("few");
        if header.producer_id >= 0 {
            let fresh = || (header.producer_epoch, VecDeque::new());
            let (epoch, known) = self.producers.entry(header.producer_id).or_insert_with(fresh);
            if header.producer_epoch < *epoch {
                return Said::Fenced;
            }
            if header.producer_epoch > *epoch {
                if header.base_sequence != 0 {
                    return Said::OutOfOrder;
                }
                (*epoch, *known) = fresh();
            }
            let (first, last) = (header.base_sequence, header.last_sequence());
            if let Some((.., offset)) = known.iter().find(|(f, l, _)| (*f, *l) == (first, last)) {
                return Said::Written(*offset, false);
            }
            if known.back().is_some_and(|(_, last, _)| first != last + 1) {
                return Said::OutOfOrder;
            }
            known.push_back((first, last, end));
            if known.len() > REMEMBERED {
                known.pop_front();
            }
        }
        for record in &batch.records(1 << 20).expect("it is readable") {
            let value = record.expect("it is readable").value.expect("it has a value");
            let digits = value.split(|byte| *byte == b':').next().unwrap_or_default();
            self.records.push(String::from_utf8_lossy(digits).parse().expect("it begins with its number"));
        }
        Said::Written(end, true)
    }
}
