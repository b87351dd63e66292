//! The brokers, the network and the clients.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kinglet_protocol::ErrorCode;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Mutant;
use super::bites::Bites;
use super::controller::Controller;
use super::log::{Log, Record};
use crate::replica::{Acks, Effect, IsrChange, Partition, ReplyId};

pub(super) const REPLICAS: i32 = 3;
/// Milliseconds with faults, and without any after them.
const STORMY_MS: u64 = 20_000;
const CALM_MS: u64 = 10_000;
pub(super) const LAG_MS: u64 = 1_500;
/// How long the sender of a proposal waits for its answer.
pub(super) const PROPOSAL_MS: u64 = 400;

/// A follower's fetch on its way.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    pub(super) from: i32,
    pub(super) to: i32,
    pub(super) leader_epoch: i32,
    pub(super) broker_epoch: i64,
    pub(super) offset: i64,
    pub(super) last_epoch: i32,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Records { records: Vec<Record>, high_watermark: i64 },
    Diverging((i32, i64)),
    Refused,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Fetches(Fetch),
    Answered(Fetch, Answer),
    /// A broker asks its leader again.
    Looks {
        id: i32,
        life: i64,
    },
    Ticks {
        id: i32,
        life: i64,
    },
    Proposes(i32, i64, IsrChange, Fate),
    ProposalAnswered(i32, i64, i32, Result<(), ErrorCode>),
    Fences {
        id: i32,
        life: i64,
    },
    Starts(i32),
    Crashes,
    HandsOn,
    Produces,
    Follows(i32),
    Saves,
}

/// What becomes of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    RequestLost,
    AnswerLost,
}

/// One broker. What is in `live` goes with its process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) log: Log,
    pub(super) saved_high_watermark: i64,
    pub(super) broker_epoch: i64,
    pub(super) live: Option<Live>,
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) core: Partition,
    /// Images that it has seen.
    pub(super) seen: usize,
    /// Appends that wait, with where they are.
    pub(super) waiting: BTreeMap<ReplyId, i64>,
    pub(super) next_reply: ReplyId,
    /// The newest high watermark that it told as a leader, with its epoch.
    pub(super) told: (i32, i64),
}

pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) mutant: Option<Mutant>,
    pub(super) start: Instant,
    pub(super) ms: u64,
    pub(super) min_insync_replicas: usize,
    pub(super) tells_broker_epoch: bool,
    pub(super) events: BTreeMap<(u64, u64), Event>,
    pub(super) next: u64,
    pub(super) controller: Controller,
    pub(super) nodes: Vec<Node>,
    /// Acked offsets, their values, and the epoch of the leader that acked.
    pub(super) acked: Vec<(i64, u64, i32)>,
    /// What any replica ever called committed.
    pub(super) committed: Vec<Record>,
    pub(super) next_value: u64,
    pub(super) bites: Bites,
    pub(super) broken: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let (min_insync_replicas, tells_broker_epoch) = (rng.random_range(1..=2), rng.random());
        let nodes = (1..=REPLICAS).map(|id| Node {
            log: Log::default(),
            saved_high_watermark: 0,
            broker_epoch: i64::from(id),
            live: None,
        });
        let mut world = Self {
            nodes: nodes.collect(),
            rng,
            mutant,
            start: crate::clock::now(),
            ms: 0,
            min_insync_replicas,
            tells_broker_epoch,
            events: BTreeMap::new(),
            next: 0,
            controller: Controller::new(),
            acked: Vec::new(),
            committed: Vec::new(),
            next_value: 0,
            bites: Bites::default(),
            broken: None,
        };
        (1..=REPLICAS).for_each(|id| world.go_live(id, 1));
        world.at(5, Event::Produces);
        world.at(700, Event::Crashes);
        world.at(900, Event::HandsOn);
        world.at(50, Event::Saves);
        (1..=REPLICAS).for_each(|id| world.at(1, Event::Follows(id)));
        world
    }

    /// Runs to the end, or to the first thing that must not be.
    pub(super) fn run(mut self) -> Result<Bites, String> {
        while let Some(((ms, _), event)) = self.events.pop_first() {
            self.ms = ms;
            if self.ms > STORMY_MS + CALM_MS {
                break;
            }
            self.on_event(event);
            if let Some(broken) = self.broken.take() {
                return Err(format!("{broken} at {ms} ms"));
            }
        }
        self.check_the_end()?;
        Ok(self.bites)
    }

    pub(super) fn is_stormy(&self) -> bool {
        self.ms < STORMY_MS
    }

    pub(super) fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    pub(super) fn at(&mut self, after_ms: u64, event: Event) {
        self.next += 1;
        self.events.insert((self.ms + after_ms, self.next), event);
    }

    pub(super) fn chance(&mut self, one_in: u32) -> bool {
        self.is_stormy() && self.rng.random_ratio(1, one_in)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.rng.random_range(from..to)
    }

    /// Most messages are fast, some very slow.
    pub(super) fn delay(&mut self) -> u64 {
        if self.chance(12) { self.between(50, 3000) } else { self.between(1, 15) }
    }

    pub(super) fn node(&mut self, id: i32) -> &mut Node {
        &mut self.nodes[usize::try_from(id - 1).unwrap()]
    }

    pub(super) fn life(&mut self, id: i32) -> i64 {
        self.node(id).broker_epoch
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Fetches(fetch) => self.on_fetch(fetch),
            Event::Answered(fetch, answer) => self.on_answer(&fetch, answer),
            Event::Looks { id, life } => self.look(id, life),
            Event::Ticks { id, life } => self.tick(id, life),
            Event::Proposes(id, life, change, fate) => self.propose(id, life, &change, fate),
            Event::ProposalAnswered(id, life, partition_epoch, result) => {
                if self.life(id) == life {
                    self.with_core(id, |core, now, _, out| {
                        core.on_isr_answer(partition_epoch, result, now, out)
                    });
                }
            }
            Event::Fences { id, life } => {
                if self.life(id) == life && self.controller.is_alive(id) {
                    self.bites.count("fenced");
                    self.controller.fence(id);
                }
            }
            Event::Starts(id) => self.restart(id),
            Event::Crashes => self.crash(),
            Event::HandsOn => self.hand_on(),
            Event::Produces => self.produce(),
            Event::Follows(id) => self.follow(id),
            Event::Saves => self.save(),
        }
    }

    /// Lets a core work on its log, and does what it wants.
    pub(super) fn with_core(
        &mut self,
        id: i32,
        work: impl FnOnce(&mut Partition, Instant, &mut Log, &mut Vec<Effect>),
    ) {
        let now = self.now();
        let mut out = Vec::new();
        let node = self.node(id);
        let Some(live) = node.live.as_mut() else { return };
        work(&mut live.core, now, &mut node.log, &mut out);
        let life = node.broker_epoch;
        for effect in out {
            match effect {
                Effect::Progress | Effect::Moved => {}
                Effect::Ack(reply) => self.ack(id, reply),
                Effect::Fail(reply, code) => {
                    self.bites.count(match code {
                        ErrorCode::REQUEST_TIMED_OUT => "timed out",
                        ErrorCode::NOT_LEADER_OR_FOLLOWER => "not leader",
                        _ => "too few replicas",
                    });
                    self.node(id).live.as_mut().unwrap().waiting.remove(&reply);
                }
                Effect::ProposeIsr(change) => {
                    let fate = match self.rng.random_range(0..8) {
                        0 if self.is_stormy() => Fate::RequestLost,
                        1 if self.is_stormy() => Fate::AnswerLost,
                        _ => Fate::Arrives,
                    };
                    let delay = self.between(1, PROPOSAL_MS / 2);
                    self.at(delay, Event::Proposes(id, life, change, fate));
                }
            }
        }
        self.check_committed(id);
    }

    fn ack(&mut self, id: i32, reply: ReplyId) {
        let node = self.node(id);
        let offset = node.live.as_mut().unwrap().waiting.remove(&reply).unwrap();
        let value = node.log.from(offset)[0].value;
        let epoch = node.live.as_ref().unwrap().core.leader_epoch();
        self.acked.push((offset, value, epoch));
        self.bites.count("acked");
    }

    fn tick(&mut self, id: i32, life: i64) {
        if self.life(id) != life {
            return;
        }
        self.at(100, Event::Ticks { id, life });
        self.with_core(id, |core, now, _, out| {
            if core.deadline().is_some_and(|deadline| deadline <= now) {
                core.on_deadline(now, out);
            }
        });
    }

    fn produce(&mut self) {
        let next = self.between(2, 60);
        self.at(next, Event::Produces);
        // Every broker that thinks that it leads is asked: clients may not know better.
        for id in 1..=REPLICAS {
            let value = self.next_value;
            self.next_value += 1;
            let timeout = Duration::from_millis(self.rng.random_range(50..3000));
            let mut refused = None;
            let mut taken = None;
            self.with_core(id, |core, now, log, out| {
                if !core.leads() {
                    return;
                }
                if let Err(code) = core.check_append(Acks::All) {
                    refused = Some(code);
                    return;
                }
                let offset = log.end();
                log.append(Record { epoch: core.leader_epoch(), value });
                core.on_append(now, log.end(), out);
                taken = Some((offset, now + timeout));
            });
            if refused.is_some() {
                self.bites.count("too few replicas");
            }
            let Some((offset, deadline)) = taken else { continue };
            let live = self.node(id).live.as_mut().unwrap();
            let reply = live.next_reply;
            live.next_reply += 1;
            live.waiting.insert(reply, offset);
            self.with_core(id, |core, _, _, out| core.on_ack_wanted(reply, offset + 1, deadline, out));
        }
    }
}
