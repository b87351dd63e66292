//! Time, chance, and what is under way between processes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::bites::Bites;
use super::broker::{Timer, Told};
use super::clients::{Consumer, Produce, Produced, Producer};
use super::controller::Asked;
use super::log::Record;
use super::network::{Answer, Fetch};
use super::node::Node;
use crate::config::Config;
use crate::meta::image::{Image, PartitionImage};
use crate::meta::raft::model::{Message, VOTERS};
use crate::mutant::Mutant;

/// Milliseconds with faults, and without any after them.
const STORMY_MS: u64 = 15_000;
const CALM_MS: u64 = 10_000;
/// Clients write until then: after it every replica can have everything.
const WRITING_MS: u64 = STORMY_MS + CALM_MS - 3_000;
pub(super) const TOPIC: &str = "t";

#[derive(Debug, Clone)]
pub(super) enum Event {
    /// From one process to another.
    Sent {
        from: i32,
        to: i32,
        letter: Letter,
    },
    /// Something that a process of this life does by itself.
    Timer(i32, u64, Timer),
    Fault(Fault),
    Starts(i32),
    /// Nobody listens where this life did, if it is over.
    Noticed(i32, u64),
    Writes,
    Produces(usize),
    Arrives(Produce),
    Answered(Produced),
    Consumes(usize),
}

/// What processes tell each other.
#[derive(Debug, Clone)]
pub(super) enum Letter {
    Fetch(Fetch),
    Fetched(u64, Fetch, Answer),
    Quorum(Message),
    Asked(Asked),
    /// To the process of this life.
    Told(u64, u64, Told),
}

/// What comes over the cluster again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Ends,
    Pauses,
    Isolates,
    Jumps,
}

pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) mutant: Option<Mutant>,
    pub(super) config: Config,
    start: Instant,
    pub(super) ms: u64,
    pub(super) min_insync_replicas: usize,
    events: BTreeMap<(u64, u64), Event>,
    pub(super) next: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) producers: Vec<Producer>,
    pub(super) consumers: Vec<Consumer>,
    /// Connections of clients that are no more: what was sent on them never arrives.
    pub(super) reset: HashSet<u64>,
    /// The newest image that any process had.
    pub(super) newest: Arc<Image>,
    /// Acked offsets, their values, and the epoch of the leader that acked.
    pub(super) acked: Vec<(i64, u64, i32)>,
    /// What any replica ever called committed.
    pub(super) committed: Vec<Record>,
    /// By producer, the sequence that is committed next.
    pub(super) sequences: BTreeMap<i64, i32>,
    /// Who led in each epoch.
    pub(super) leaders: BTreeMap<i32, i32>,
    pub(super) next_value: u64,
    pub(super) bites: Bites,
    pub(super) broken: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let min_insync_replicas = rng.random_range(1..=2);
        let mut world = Self {
            rng,
            mutant,
            config: Config::default(),
            // Clocks go back too.
            start: crate::clock::now() + Duration::from_secs(3600),
            ms: 0,
            min_insync_replicas,
            events: BTreeMap::new(),
            next: 0,
            nodes: VOTERS.iter().map(|_| Node::default()).collect(),
            producers: (0..2).map(Producer::new).collect(),
            consumers: (0..2).map(|_| Consumer::default()).collect(),
            reset: HashSet::new(),
            newest: Arc::default(),
            acked: Vec::new(),
            committed: Vec::new(),
            sequences: BTreeMap::new(),
            leaders: BTreeMap::new(),
            next_value: 0,
            bites: Bites::default(),
            broken: None,
        };
        VOTERS.iter().for_each(|id| world.start(*id));
        for fault in [Fault::Ends, Fault::Pauses, Fault::Isolates, Fault::Jumps] {
            world.at(0, Event::Fault(fault));
        }
        world.at(5, Event::Writes);
        (0..world.producers.len()).for_each(|index| world.at(5, Event::Produces(index)));
        (0..world.consumers.len()).for_each(|index| world.at(5, Event::Consumes(index)));
        world
    }

    /// Runs to the end, or to the first thing that must not be.
    pub(super) fn run(mut self) -> Result<Bites, String> {
        while let Some(((ms, _), event)) = self.events.pop_first() {
            self.ms = ms;
            if self.ms > STORMY_MS + CALM_MS {
                break;
            }
            self.bites.count("steps");
            self.on_event(event);
            if let Some(broken) = self.broken.take() {
                return Err(format!("{broken} at {ms} ms"));
            }
        }
        self.check_the_end()?;
        Ok(self.bites)
    }

    /// Whether there are faults: from when there is a topic.
    pub(super) fn is_stormy(&self) -> bool {
        self.ms < STORMY_MS && self.partition().is_some()
    }

    pub(super) fn is_writing(&self) -> bool {
        self.ms < WRITING_MS
    }

    /// What the clock of a process says, as a number.
    pub(super) fn steady_ms(&self, id: i32) -> u64 {
        self.ms.saturating_add_signed(self.node(id).steady_ms)
    }

    pub(super) fn now(&self, id: i32) -> Instant {
        self.start + Duration::from_millis(self.steady_ms(id))
    }

    /// What its clock on the wall says.
    pub(super) fn wall_ms(&self, id: i32) -> i64 {
        1_700_000_000_000 + i64::try_from(self.ms).unwrap() + self.node(id).wall_ms
    }

    pub(super) fn at(&mut self, after_ms: u64, event: Event) {
        self.at_ms(self.ms + after_ms, event);
    }

    pub(super) fn at_ms(&mut self, ms: u64, event: Event) {
        self.next += 1;
        self.events.insert((ms, self.next), event);
    }

    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        self.is_stormy() && self.rng.random_ratio(1, one_in)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.rng.random_range(from..to)
    }

    pub(super) fn one(&mut self) -> i32 {
        VOTERS[self.rng.random_range(0..VOTERS.len())]
    }

    pub(super) fn node(&self, id: i32) -> &Node {
        &self.nodes[usize::try_from(id - 1).unwrap()]
    }

    pub(super) fn node_mut(&mut self, id: i32) -> &mut Node {
        &mut self.nodes[usize::try_from(id - 1).unwrap()]
    }

    /// The partition by the newest image.
    pub(super) fn partition(&self) -> Option<&PartitionImage> {
        partition(&self.newest)
    }

    fn on_event(&mut self, event: Event) {
        let concerned = match &event {
            Event::Sent { to, .. } | Event::Timer(to, ..) => Some(*to),
            Event::Arrives(produce) => Some(produce.to),
            _ => None,
        };
        if let Some(id) = concerned {
            let resumes = self.node(id).paused_until;
            if self.ms < resumes {
                return self.at_ms(resumes, event);
            }
        }
        match event {
            Event::Sent { from, to, letter } => self.deliver(from, to, letter),
            Event::Timer(id, life, timer) => {
                if self.node(id).is_alive(life) {
                    self.on_timer(id, timer);
                }
            }
            Event::Fault(fault) => self.on_fault(fault),
            Event::Starts(id) => self.start(id),
            Event::Noticed(id, life) => self.notice(id, life),
            Event::Writes => self.write(),
            Event::Produces(index) => self.produce(index),
            Event::Arrives(produce) => self.on_produce(produce),
            Event::Answered(produced) => self.on_produced(produced),
            Event::Consumes(index) => self.consume(index),
        }
    }
}

/// The one partition that there is.
pub(super) fn partition(image: &Image) -> Option<&PartitionImage> {
    image.topic(TOPIC)?.partitions.first()
}
