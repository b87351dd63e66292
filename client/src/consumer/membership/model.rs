//! Memberships against a model of their coordinator, in virtual time: answers that are lost or late, a coordinator that is away,
//! members that come, leave, stall and die.
//!
//! Two things must hold. No partition is in the hands of two members of one generation, whatever fails. And once nothing fails any
//! more, all partitions are in the hands of those that live, each in one.

#[path = "model/coordinator.rs"]
mod coordinator;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::assignor::{TopicPartitions, parse_strategy};
use super::{Action, Identity, Membership, Settings};
use crate::net::Backoff;
use crate::protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use crate::{Error, ErrorKind, Result};
use coordinator::{Asked, Coordinator};

const MS: Duration = Duration::from_millis(1);
const PARTITIONS: i32 = 7;
/// How long things go wrong, and how long the rest may take to settle then.
const FAULTS: Duration = Duration::from_secs(90);
const SETTLE: Duration = Duration::from_secs(120);
pub(super) const SESSION: Duration = Duration::from_secs(6);
pub(super) const REBALANCE: Duration = Duration::from_secs(20);

/// What happens to a member at a time.
#[derive(Debug)]
enum Event {
    /// It looks what there is to do.
    Wake,
    Found(Result<i32>),
    Joined(u64, Result<JoinGroupResponse>),
    Looked(u64),
    Synced(u64, Result<SyncGroupResponse>),
    Beat(Identity, Result<HeartbeatResponse>),
    Revoked(u64, Vec<i32>),
    /// A request arrives at the coordinator.
    Arrives(Asked),
    /// The user shows that it lives again.
    GoesOn,
}

#[derive(Debug)]
struct Node {
    member: Membership,
    /// What the user reads.
    hands: BTreeSet<i32>,
    /// When it is woken next, so that it is not woken twice.
    wake: Option<Instant>,
}

/// How often each thing happened, so that a run in which one of them never does is noticed.
#[derive(Debug, Default)]
struct Bites {
    generations: u64,
    lost: u64,
    away: u64,
    died: u64,
    left: u64,
    stalled: u64,
    came: u64,
    taken: u64,
    given: u64,
    forgotten: u64,
}

struct World<'a> {
    seed: u64,
    rng: StdRng,
    now: Instant,
    strategy: &'static str,
    events: BTreeMap<(Instant, u64), (usize, Event)>,
    next: u64,
    nodes: BTreeMap<usize, Node>,
    coordinator: Coordinator,
    /// The coordinator answers nobody until then.
    away: Instant,
    is_calm: bool,
    bites: &'a mut Bites,
}

#[test]
fn no_partition_has_two_owners_in_a_generation_and_all_have_one_when_it_is_calm() {
    let mut bites = Bites::default();
    for seed in crate::rng::seeds() {
        for strategy in ["range", "cooperative-sticky"] {
            World::new(seed, strategy, &mut bites).run();
        }
    }
    println!("{bites:?}");
    let Bites { generations, lost, away, died, left, stalled, came, taken, given, forgotten } = bites;
    let all = [generations, lost, away, died, left, stalled, came, taken, given, forgotten];
    assert!(all.iter().all(|count| *count > 0), "each of them is to happen");
}

#[expect(clippy::disallowed_methods, reason = "a run begins at any time and goes on from there by itself")]
fn start() -> Instant {
    Instant::now()
}

impl<'a> World<'a> {
    fn new(seed: u64, strategy: &'static str, bites: &'a mut Bites) -> Self {
        let (now, rng) = (start(), StdRng::seed_from_u64(seed));
        let (nodes, events) = (BTreeMap::new(), BTreeMap::new());
        let coordinator = Coordinator::default();
        Self {
            seed,
            rng,
            now,
            strategy,
            events,
            next: 0,
            nodes,
            coordinator,
            away: now,
            is_calm: false,
            bites,
        }
    }

    fn run(mut self) {
        let begin = self.now;
        (0..3).for_each(|_| self.come());
        while self.now < begin + FAULTS {
            self.step();
            match self.rng.random_range(0..2000) {
                0..8 if self.nodes.len() < 5 => self.come(),
                8..12 => self.die(),
                12..16 => self.leave(),
                16..20 => self.stall(),
                20..23 => self.go_away(),
                23..26 => self.coordinator.forget(&mut self.rng, &mut self.bites.forgotten),
                _ => {}
            }
        }
        self.is_calm = true;
        if self.nodes.is_empty() {
            self.come();
        }
        while !self.is_settled() {
            assert!(
                self.now < begin + FAULTS + SETTLE,
                "seed {}: it does not settle: {:#?}
{:#?}",
                self.seed,
                self.nodes,
                self.coordinator
            );
            self.step();
        }
        self.bites.generations += u64::try_from(self.coordinator.generation()).unwrap_or_default();
    }

    /// The next thing that happens; time goes on to it.
    fn step(&mut self) {
        // The coordinator looks at its clock often enough.
        let tick = self.now + 100 * MS;
        match self.events.first_entry().filter(|first| first.key().0 <= tick) {
            Some(first) => {
                let ((at, _), (node, event)) = first.remove_entry();
                self.now = self.now.max(at);
                self.happen(node, event);
            }
            None => self.now = tick,
        }
        if self.now >= self.away {
            let answers = self.coordinator.on_time(self.now);
            self.answer(answers);
        }
        self.check();
    }

    fn happen(&mut self, index: usize, event: Event) {
        if let Event::Arrives(asked) = event {
            // What is on its way when its sender dies arrives all the same.
            if self.now >= self.away {
                let answers = self.coordinator.on_request(index, asked, self.now);
                self.answer(answers);
            } else {
                self.fail(index, asked);
            }
            return;
        }
        let (now, unit) = (self.now, self.rng.random());
        let Some(node) = self.nodes.get_mut(&index) else { return };
        let member = &mut node.member;
        match event {
            Event::Wake => node.wake = None,
            Event::Found(found) => member.on_found(found, now, unit),
            Event::Joined(era, answer) => member.on_joined(era, answer, now, unit),
            Event::Looked(era) => {
                let mut topics = TopicPartitions::default();
                topics.insert("t".into(), PARTITIONS);
                member.on_topics(era, Ok(topics), now, unit);
            }
            Event::Synced(era, answer) => member.on_synced(era, answer, now, unit),
            Event::Beat(of, answer) => member.on_heartbeat(&of, answer, now, unit),
            Event::Revoked(era, partitions) => {
                node.hands.retain(|partition| !partitions.contains(partition));
                member.on_revoked(era);
            }
            Event::GoesOn => member.on_progress(),
            Event::Arrives(_) => {}
        }
        self.pump(index);
    }

    /// Does what the member says, until it says nothing more.
    fn pump(&mut self, index: usize) {
        loop {
            let now = self.now;
            let Some(node) = self.nodes.get_mut(&index) else { return };
            let Some(action) = node.member.next(now) else { break };
            self.act(index, action);
        }
        let Some(node) = self.nodes.get_mut(&index) else { return };
        if let Some(at) = node.member.deadline().filter(|at| node.wake.is_none_or(|wake| *at < wake)) {
            node.wake = Some(at);
            self.at(at.max(self.now), index, Event::Wake);
        }
    }

    fn act(&mut self, index: usize, action: Action) {
        let soon = self.soon(50);
        match action {
            Action::Find => {
                let is_there = self.now >= self.away;
                let away = || Err(Error::new(ErrorKind::Unreachable, "away"));
                self.at(soon, index, Event::Found(if is_there { Ok(1) } else { away() }));
            }
            Action::Join(era, request) => self.at(soon, index, Event::Arrives(Asked::Join(era, request))),
            Action::Look(era, _) => self.at(soon, index, Event::Looked(era)),
            Action::Sync(era, request) => self.at(soon, index, Event::Arrives(Asked::Sync(era, request))),
            Action::Heartbeat(request) => self.at(soon, index, Event::Arrives(Asked::Beat(request))),
            Action::Leave(request) => self.at(soon, index, Event::Arrives(Asked::Leave(request))),
            Action::Revoke { era, partitions, lost } => {
                let partitions: Vec<i32> = partitions.iter().map(|at| at.partition).collect();
                self.bites.given += 1;
                // Users take their time, except for what is lost: that is taken from them.
                let at = if lost { self.now } else { self.soon(3000) };
                self.at(at, index, Event::Revoked(era, partitions.clone()));
                if lost && let Some(node) = self.nodes.get_mut(&index) {
                    node.hands.retain(|partition| !partitions.contains(partition));
                }
            }
            Action::Assign { partitions } => {
                self.bites.taken += 1;
                if let Some(node) = self.nodes.get_mut(&index) {
                    node.hands.extend(partitions.iter().map(|at| at.partition));
                }
            }
            Action::Tell { error, lasting } => assert!(!lasting, "nothing here ends a membership: {error}"),
        }
    }

    /// Answers go back, or are lost.
    fn answer(&mut self, answers: Vec<(usize, Event)>) {
        for (index, event) in answers {
            let is_lost = !self.is_calm && self.rng.random_bool(0.05);
            let at = self.soon(if is_lost { 2000 } else { 50 });
            self.bites.lost += u64::from(is_lost);
            self.at(at, index, if is_lost { event.lost() } else { event });
        }
    }

    fn fail(&mut self, index: usize, asked: Asked) {
        let at = self.soon(2000);
        if let Some(event) = asked.unanswered() {
            self.at(at, index, event);
        }
    }

    fn come(&mut self) {
        self.bites.came += 1;
        let settings = Settings {
            group_id: "g".to_owned(),
            instance_id: None,
            rack: None,
            session_timeout: SESSION,
            shorter_session: None,
            rebalance_timeout: REBALANCE,
            heartbeat_interval: 1000 * MS,
            retry: Backoff { base: 100 * MS, max: 1000 * MS },
            patience: Duration::from_secs(3600),
            assignors: parse_strategy(self.strategy).expect("it is known"),
        };
        let mut member = Membership::new(settings, self.now);
        member.subscribe(vec!["t".into()]);
        let index = usize::try_from(self.next).expect("a few thousand");
        self.nodes.insert(index, Node { member, hands: BTreeSet::new(), wake: None });
        self.at(self.now, index, Event::Wake);
    }

    fn any(&mut self) -> Option<usize> {
        let all: Vec<usize> = self.nodes.keys().copied().collect();
        (!all.is_empty()).then(|| all[self.rng.random_range(0..all.len())])
    }

    fn die(&mut self) {
        if let Some(index) = self.any() {
            self.bites.died += 1;
            self.nodes.remove(&index);
        }
    }

    fn leave(&mut self) {
        let Some(index) = self.any() else { return };
        let Some(mut node) = self.nodes.remove(&index) else { return };
        self.bites.left += 1;
        node.member.end();
        if let Some(request) = node.member.farewell("it goes") {
            self.at(self.soon_fixed(), index, Event::Arrives(Asked::Leave(request)));
        }
    }

    fn stall(&mut self) {
        let Some(index) = self.any() else { return };
        self.bites.stalled += 1;
        if let Some(node) = self.nodes.get_mut(&index) {
            node.member.on_stalled();
        }
        let at = self.soon(5000);
        self.at(at, index, Event::GoesOn);
        self.pump(index);
    }

    /// The coordinator answers nobody for a while. What it knows outlives that, who waits does not.
    fn go_away(&mut self) {
        self.bites.away += 1;
        self.away = self.soon(8000);
        for (index, event) in self.coordinator.crash(self.away) {
            let at = self.soon(2000);
            self.at(at, index, event.lost());
        }
    }

    fn check(&self) {
        let generation = self.coordinator.generation();
        let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
        for (index, node) in &self.nodes {
            let identity = node.member.identity();
            if identity.generation != generation || !self.coordinator.knows(&identity.member_id) {
                continue;
            }
            for partition in &node.hands {
                let other = owners.insert(*partition, *index);
                assert!(
                    other.is_none(),
                    "seed {}: {partition} is {index}'s and {other:?}'s in generation {generation}",
                    self.seed
                );
            }
        }
    }

    fn is_settled(&self) -> bool {
        let hands = |node: &Node| node.hands.iter().copied().collect::<Vec<_>>();
        let mut all: Vec<i32> = self.nodes.values().flat_map(hands).collect();
        all.sort_unstable();
        self.coordinator.is_stable(self.nodes.len()) && all == (0..PARTITIONS).collect::<Vec<_>>()
    }

    fn soon(&mut self, ms: u64) -> Instant {
        self.now + Duration::from_millis(self.rng.random_range(0..=ms))
    }

    fn soon_fixed(&self) -> Instant {
        self.now + 10 * MS
    }

    fn at(&mut self, at: Instant, index: usize, event: Event) {
        self.events.insert((at, self.next), (index, event));
        self.next += 1;
    }
}

impl Event {
    /// The same, without its answer.
    fn lost(self) -> Self {
        let error = || Error::new(ErrorKind::Disconnected, "the answer is lost");
        match self {
            Self::Joined(era, _) => Self::Joined(era, Err(error())),
            Self::Synced(era, _) => Self::Synced(era, Err(error())),
            Self::Beat(of, _) => Self::Beat(of, Err(error())),
            other => other,
        }
    }
}
