//! The controller against brokers that crash, lose records, pause, restart and act on what they knew long ago, and against
//! itself, when another node takes over. Time is the model's, and every replica has a log of its own.
//!
//! What must hold after every step: a leader is unfenced and in its ISR; leader epochs only grow; the ISR is never empty; every
//! member of the ISR, and every eligible replica, has everything that was committed, until an unclean election or the unclean
//! restart of the last who had it; a request of an epoch that is over changes nothing.

mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use super::cluster::Cluster;
use super::*;
use crate::meta::image::PartitionImage;
use crate::meta::sessions::Sessions;

/// Runs in the ordinary test.
const SEEDS: u64 = 400;
const PHASES: usize = 5;
/// Between one healing and the next.
const STEPS: usize = 150;
const BROKERS: [i32; 3] = [1, 2, 3];

#[test]
fn whatever_crashes_those_who_may_lead_have_everything_that_was_committed() {
    let seeds = crate::rng::runs(SEEDS);
    let mut bites: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        let caught = std::panic::catch_unwind(|| World::new(seed).run());
        match caught {
            Ok(more) => more.into_iter().for_each(|(what, times)| *bites.entry(what).or_default() += times),
            Err(panic) => {
                println!("KINGLET_SEED={seed} fails");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{bites:?}");
    let wanted = ["committed", "fenced", "grown", "shrunk", "elected", "eligible led", "lost", "refused"];
    for what in wanted.into_iter().filter(|_| seeds.end - seeds.start >= SEEDS) {
        assert!(bites.contains_key(what), "{what} never came up: {bites:?}");
    }
}

/// One broker's process.
#[derive(Default)]
struct Node {
    is_up: bool,
    /// It does nothing, and knows nothing of that.
    is_paused: bool,
    life: u8,
    epoch: i64,
    /// What the next life may say, if this one ends cleanly.
    clean: Option<i64>,
    stops: bool,
    /// The partition as it knows it.
    view: Option<PartitionImage>,
    log: Vec<u64>,
    leads: Leading,
}

/// What a leader knows of the others.
#[derive(Default)]
struct Leading {
    epoch: i32,
    /// Where its own epoch begins: who has less may lack what was committed before.
    start: usize,
    /// How far each has fetched, and in which life.
    fetched: BTreeMap<i32, (usize, i64)>,
    /// An ISR that was asked for and that may come.
    pending: Vec<i32>,
}

struct World {
    cluster: Cluster,
    nodes: BTreeMap<i32, Node>,
    dice: u64,
    min_isr: usize,
    committed: Vec<u64>,
    records: u64,
    /// What was committed may be gone: the rest of the run promises less.
    is_lossy: bool,
    bites: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            cluster: Cluster::of(0),
            nodes: BROKERS.map(|id| (id, Node::default())).into(),
            dice: seed,
            min_isr: 1,
            committed: Vec::new(),
            records: 0,
            is_lossy: false,
            bites: BTreeMap::new(),
        };
        world.min_isr = 1 + world.roll(2);
        for id in BROKERS {
            world.start(id);
            world.beat(id);
        }
        let min_isr = world.min_isr.to_string();
        world.cluster.topic(&[&BROKERS], &[("min.insync.replicas", &min_isr)]);
        world
    }

    /// The next number below `n`.
    fn roll(&mut self, n: usize) -> usize {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(n).unwrap()).unwrap()
    }

    fn one(&mut self) -> i32 {
        BROKERS[self.roll(BROKERS.len())]
    }

    fn bite(&mut self, what: &'static str) {
        *self.bites.entry(what).or_default() += 1;
    }

    fn run(mut self) -> BTreeMap<&'static str, u64> {
        for _ in 0..PHASES {
            for _ in 0..STEPS {
                let before = self.cluster.at().clone();
                self.step();
                self.check(&before);
            }
            self.heal();
            self.begin_anew();
        }
        self.bites
    }

    fn check(&mut self, before: &PartitionImage) {
        let at = self.cluster.at().clone();
        assert!(!at.isr.is_empty());
        assert!(at.isr.iter().chain(&at.elr).all(|id| BROKERS.contains(id)));
        assert!(at.elr.iter().all(|id| !at.isr.contains(id)));
        assert!(at.leader_epoch >= before.leader_epoch && at.partition_epoch >= before.partition_epoch);
        assert_eq!(at.leader != before.leader, at.leader_epoch != before.leader_epoch);
        if at.leader != -1 {
            assert!(at.isr.contains(&at.leader), "{at:?}");
            assert!(!self.cluster.broker(at.leader).is_fenced, "{at:?}");
            assert!(at.isr.len() < self.min_isr || at.elr.is_empty(), "{at:?}");
        }
        if at.leader != before.leader && at.leader != -1 {
            self.bite(if before.elr.contains(&at.leader) { "eligible led" } else { "elected" });
        }
        if self.is_lossy {
            return;
        }
        for id in at.isr.iter().chain(&at.elr) {
            let log = &self.nodes[id].log;
            let is_whole = log.starts_with(&self.committed);
            // One whose power failed has not registered yet: it is told from the others when it does.
            assert!(is_whole, "{id} lacks what was committed: {at:?}, before {before:?}");
        }
    }

    /// Nothing fails any more: everybody is in sync and led in the end.
    fn heal(&mut self) {
        for round in 0..40 {
            for id in BROKERS {
                let node = self.nodes.get_mut(&id).unwrap();
                (node.is_paused, node.stops) = (false, false);
                if self.cluster.broker(id).is_shutting_down {
                    // It stops now that it has begun to.
                    self.crash(id);
                }
                self.start(id);
                self.beat(id);
                self.look(id);
            }
            let leader = self.cluster.at().leader;
            if leader != -1 {
                self.append(leader);
            }
            for id in BROKERS {
                (0..16).for_each(|_| self.fetch(id));
            }
            if leader != -1 && self.leads(leader) {
                self.ask(leader);
            }
            let before = self.cluster.at().clone();
            self.check(&before);
            if self.cluster.at().isr.len() == BROKERS.len() {
                return;
            }
            self.cluster.now += Duration::from_millis(100 + round);
        }
        panic!("not in sync again: {:?}", self.cluster.at());
    }

    /// Everybody is in sync: what the ISR has is what counts from now on.
    fn begin_anew(&mut self) {
        BROKERS.into_iter().for_each(|id| self.look(id));
        let log = self.nodes[&self.cluster.at().leader].log.clone();
        let same = |id: i32| self.nodes[&id].log.iter().zip(&log).take_while(|(a, b)| a == b).count();
        let whole = BROKERS.into_iter().map(same).min().unwrap();
        if self.is_lossy {
            self.committed = log[..whole].to_vec();
        }
        assert!(log[..whole].starts_with(&self.committed), "healing loses nothing");
        self.is_lossy = false;
    }
}
