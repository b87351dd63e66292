//! The three brokers, their controller, the faults, and what must hold.

mod checks;
mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::node::{Acked, Node};
use crate::clock;
use crate::disk::recording;
use crate::disk::tree::Bites;
use crate::log::Appended;
use crate::meta::controller::tests::cluster::{Cluster, registration};
use crate::meta::image::Image;

const NODES: [i32; 3] = [1, 2, 3];
const STEP_MS: i64 = 5;
/// With faults, and then without.
const STORMY_MS: i64 = 3_000;
const CALM_MS: i64 = 1_500;
/// What a power cut may take of one log.
const WINDOW_MS: i64 = 100;
/// How much of what led to a failure is told.
const STORY: usize = 30;
const START_MS: i64 = 1_700_000_000_000;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Faults {
    /// The power of anyone at any time; where nothing waits to be flushed, processes too.
    Any,
    /// The power of one, and of the next when all are in sync again.
    One,
    /// The power of all in one moment, and again when all have been in sync for long enough to have flushed what they lacked.
    All,
}

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Play {
    pub(super) flush_messages: i64,
    pub(super) faults: Faults,
    pub(super) mutant: Option<Mutant>,
}

/// A mistake that the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A log is looked at once a second.
    FlushLate,
    /// Whatever `flush.messages` says, nothing waits for the disk.
    AckUnflushed,
    /// Who lost its power says that it stopped cleanly.
    StopsCleanly,
}

/// What was acked.
struct Record {
    offset: i64,
    value: u64,
    epoch: i32,
    acked_ms: i64,
    /// Those of the ISR that have had it ever since, without a power cut.
    holders: BTreeSet<i32>,
    /// Those whose power failed within a moment of their getting it.
    lost_by: BTreeSet<i32>,
}

pub(super) struct World {
    rng: StdRng,
    play: Play,
    started: Instant,
    ms: i64,
    cluster: Cluster,
    nodes: Vec<Node>,
    /// When a node that is down is missed, and when it is back.
    missed: BTreeMap<i32, i64>,
    back: BTreeMap<i32, i64>,
    next_fault: i64,
    /// Since when all have been in sync.
    whole_since_ms: Option<i64>,
    /// Appends that were not answered yet: by whom in which epoch, and their values.
    waiting: Vec<(i32, Vec<u64>, Acked)>,
    acked: Vec<Record>,
    next_value: u64,
    bites: Bites,
    /// What happened, for whoever has to find out why something broke.
    story: Vec<String>,
    broken: Option<String>,
    _place: tempfile::TempDir,
}

impl World {
    pub(super) fn new(seed: u64, play: Play) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        recording::clear();
        let nodes = NODES.map(|id| Node::new(id, place.path().join(id.to_string())));
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            play,
            started: clock::now(),
            ms: 0,
            cluster: Cluster::of(0),
            nodes: nodes.into(),
            missed: BTreeMap::new(),
            back: BTreeMap::new(),
            next_fault: 500,
            whole_since_ms: None,
            waiting: Vec::new(),
            acked: Vec::new(),
            next_value: 0,
            bites: Bites::new(),
            story: Vec::new(),
            broken: None,
            _place: place,
        };
        world.set_clock();
        for id in NODES {
            world.register(id, false);
        }
        world.cluster.topic(&[&NODES], &[("min.insync.replicas", "2")]);
        NODES.into_iter().for_each(|id| world.start(id));
        world
    }

    fn set_clock(&mut self) {
        let now = self.started + Duration::from_millis(self.ms.unsigned_abs());
        clock::set(Some(now));
        self.cluster.now = now;
    }

    fn now_ms(&self) -> i64 {
        START_MS + self.ms
    }

    fn bite(&mut self, what: &'static str) {
        *self.bites.entry(what).or_default() += 1;
    }

    /// Tells what happened, and what the metadata and the logs are now.
    fn tell(&mut self, what: &str) {
        let at = self.cluster.at();
        let metadata =
            format!("leader {} of epoch {}, isr {:?}, elr {:?}", at.leader, at.leader_epoch, at.isr, at.elr);
        let log = |node: &Node| {
            let end = node.records.last_key_value().map_or(0, |(offset, _)| offset + 1);
            format!("{}{} to {end}", node.id, if node.live.is_some() { "" } else { " (down)" })
        };
        let logs: Vec<String> = self.nodes.iter().map(log).collect();
        self.story.push(format!("{} ms: {what}: {metadata}; {}", self.ms, logs.join(", ")));
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn at(&self, id: i32) -> &Node {
        &self.nodes[usize::try_from(id - 1).unwrap()]
    }

    fn node(&mut self, id: i32) -> &mut Node {
        &mut self.nodes[usize::try_from(id - 1).unwrap()]
    }

    fn live(&self) -> Vec<i32> {
        self.nodes.iter().filter(|node| node.live.is_some()).map(|node| node.id).collect()
    }

    fn image(&self) -> Arc<Image> {
        Arc::new(self.cluster.image.clone())
    }

    /// Runs to the end, or to the first thing that must not be.
    pub(super) fn run(mut self) -> Result<Bites, String> {
        while self.ms < STORMY_MS + CALM_MS && self.broken.is_none() {
            self.ms += STEP_MS;
            self.set_clock();
            self.step();
        }
        if self.broken.is_none() {
            self.check_the_end();
        }
        clock::set(None);
        self.nodes.iter_mut().for_each(|node| {
            node.live = None;
            recording::stop(&node.root);
        });
        match self.broken {
            Some(broken) => {
                let from = self.story.len().saturating_sub(STORY);
                Err(format!("{broken}, after {} ms:\n{}", self.ms, self.story[from..].join("\n")))
            }
            None => Ok(self.bites),
        }
    }

    fn step(&mut self) {
        let is_stormy = self.ms < STORMY_MS;
        if self.may_fail() && is_stormy && self.ms >= self.next_fault {
            self.next_fault = self.ms + self.rng.random_range(20..700);
            self.fault();
        }
        for id in NODES {
            if self.missed.get(&id).is_some_and(|at| *at <= self.ms) {
                self.missed.remove(&id);
                self.cluster.lose(id);
                self.tell(&format!("{id} is missed"));
            }
            if self.back.get(&id).is_some_and(|at| *at <= self.ms) {
                self.back.remove(&id);
                self.missed.remove(&id);
                // The controller learns that it may have lost something, and of others that have not.
                for record in self.acked.iter_mut().filter(|record| !record.holders.is_empty()) {
                    record.lost_by.remove(&id);
                }
                let stops_cleanly = self.play.mutant == Some(Mutant::StopsCleanly);
                self.register(id, stops_cleanly);
                self.start(id);
                self.after_start(id);
                self.tell(&format!("{id} is back"));
            }
        }
        let ids = self.live();
        for &id in &ids {
            if self.ms % 50 == 0 {
                self.cluster.beat(id).unwrap();
            }
            if self.one_in(2) {
                self.look(id);
            }
            let now_ms = self.now_ms();
            let period = if self.play.mutant == Some(Mutant::FlushLate) { 1_000 } else { 20 };
            if self.ms % period == 0 {
                let takes_ms = self.rng.random_range(0..=15);
                self.node(id).flush(now_ms, takes_ms);
            }
            self.node(id).end_flushes(now_ms);
            if self.one_in(100) {
                self.node(id).save();
            }
            if self.ms % 100 == 0 {
                self.node(id).live.as_mut().unwrap().worker.deadlines();
            }
            self.act(id);
            self.node(id).note(now_ms);
            self.propose(id);
        }
        self.collect();
    }

    /// A leader is asked to append, a follower fetches.
    fn act(&mut self, id: i32) {
        let now_ms = self.now_ms();
        if self.node(id).leads() {
            if self.one_in(2) {
                let count = self.rng.random_range(1..4);
                let values: Vec<u64> = (self.next_value..self.next_value + count).collect();
                self.next_value += count;
                let acked = self.node(id).append(&values, now_ms);
                self.waiting.push((id, values, acked));
            }
            return;
        }
        let leader = self.live().into_iter().find(|other| self.node(*other).leads());
        let Some(leader) = leader.filter(|_| self.rng.random_ratio(2, 3)) else { return };
        let (mut here, mut there) = (self.take(id), self.take(leader));
        if here.fetch(&mut there, now_ms) {
            self.bite("log cut to its leader's");
        }
        self.put(here);
        self.put(there);
    }

    fn take(&mut self, id: i32) -> Node {
        let index = self.nodes.iter().position(|node| node.id == id).unwrap();
        self.nodes.remove(index)
    }

    fn put(&mut self, node: Node) {
        self.nodes.push(node);
        self.nodes.sort_by_key(|node| node.id);
    }

    fn look(&mut self, id: i32) {
        let image = self.image();
        let before = (self.node(id).leader_epoch(), self.node(id).leads());
        self.node(id).look(&image);
        let after = (self.node(id).leader_epoch(), self.node(id).leads());
        if after != before && after.1 {
            self.bite("elected");
            self.tell(&format!("{id} leads"));
            self.check_leader(id);
        }
        // Who is taken into the ISR has all that was acked.
        let (isr, live) = (self.cluster.at().isr.clone(), self.live());
        for member in isr.into_iter().filter(|member| live.contains(member)) {
            let has = &self.nodes[usize::try_from(member - 1).unwrap()].records;
            let held = self.acked.iter_mut().filter(|record| !record.holders.is_empty());
            for record in held.filter(|record| has.get(&record.offset) == Some(&record.value)) {
                record.holders.insert(member);
                record.lost_by.remove(&member);
            }
        }
    }

    fn propose(&mut self, id: i32) {
        for proposal in self.node(id).proposals() {
            let change = proposal.change;
            let member = |(broker_id, broker_epoch): &(i32, i64)| BrokerState {
                broker_id: *broker_id,
                broker_epoch: *broker_epoch,
            };
            let wish = PartitionData {
                partition_index: 0,
                leader_epoch: change.leader_epoch,
                partition_epoch: change.partition_epoch,
                new_isr_with_epochs: change.isr.iter().map(member).collect(),
                ..Default::default()
            };
            let code = self.cluster.ask(id, wish);
            self.tell(&format!("{id} asks for {:?}: {code:?}", change.isr));
            let result = if code == kinglet_protocol::ErrorCode::NONE { Ok(()) } else { Err(code) };
            let partition = self.node(id).partition();
            let live = self.node(id).live.as_mut().unwrap();
            live.worker.isr_answered(partition, change.partition_epoch, result);
        }
    }

    /// Takes the acks that have come.
    fn collect(&mut self) {
        let mut came = Vec::new();
        self.waiting.retain_mut(|(id, values, answer)| match answer.try_recv() {
            Ok(Ok(appended)) => {
                came.push((*id, std::mem::take(values), appended));
                false
            }
            Ok(Err(_)) | Err(tokio::sync::oneshot::error::TryRecvError::Closed) => false,
            Err(tokio::sync::oneshot::error::TryRecvError::Empty) => true,
        });
        let acked_ms = self.now_ms();
        for (id, values, Appended { base_offset, .. }) in came {
            self.bite("acked");
            let epoch = self.node(id).leader_epoch();
            let isr = self.cluster.at().isr.clone();
            for (offset, value) in (base_offset..).zip(values) {
                let had = |node: &&Node| isr.contains(&node.id) && node.records.get(&offset) == Some(&value);
                // A member that is not missed yet counts for an ack.
                let (live, down): (Vec<&Node>, Vec<&Node>) =
                    self.nodes.iter().filter(had).partition(|node| node.live.is_some());
                let holders = live.iter().map(|node| node.id).collect();
                let lost =
                    |node: &&Node| node.cut_ms.is_some_and(|cut_ms| self.may_lose(node, offset, cut_ms));
                let lost_by = down.into_iter().filter(lost).map(|node| node.id).collect();
                self.acked.push(Record { offset, value, epoch, acked_ms, holders, lost_by });
            }
        }
    }

    fn register(&mut self, id: i32, was_clean: bool) {
        let node = self.node(id);
        node.life += 1;
        let previous = if was_clean { node.broker_epoch } else { -1 };
        let registration = registration(id, node.life, previous);
        let epoch = self.cluster.register_with(registration).unwrap();
        self.node(id).broker_epoch = epoch;
        self.cluster.beat(id).unwrap();
    }

    fn start(&mut self, id: i32) {
        let is_unflushed = self.play.mutant == Some(Mutant::AckUnflushed);
        let flush_messages = if is_unflushed { i64::MAX } else { self.play.flush_messages };
        let (image, now_ms) = (self.image(), self.now_ms());
        self.node(id).start(&image, flush_messages, now_ms);
    }
}
