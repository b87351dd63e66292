//! Three replicas of one partition, a small controller, and a network that loses, repeats and delays messages, while brokers crash,
//! come back and hand leadership on. Time is the model's.
//!
//! A crash keeps the log, as the page cache does, and loses what the core knows: the high watermark comes back as it was last saved.
//! Proposals to the controller travel on one connection: they and their answers may be lost, but are not reordered.
//!
//! What must hold, after every step: what was acked is in the log of every later leader, at its offset; what one replica calls committed
//! every other does too, for ever; what one leader says is committed never shrinks. At the end, with nothing failing, all replicas are
//! in sync and have the same log, and appends are acked.

mod bites;
mod checks;
mod controller;
mod faults;
mod log;
mod network;
mod world;

use bites::Bites;
use world::World;

/// Runs in the ordinary test.
const SEEDS: u64 = 300;
/// Runs in which each mistake has to be found.
const MUTANT_SEEDS: u64 = 1500;

/// A mistake that the model must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Answers before the ISR has it.
    AckEarly,
    /// A follower cuts to its high watermark instead of asking its leader where they part (KIP-101).
    TruncateToHighWatermark,
    /// Takes messages of other epochs for its own.
    SkipEpochCheck,
    /// Who was proposed counts only once the image says so.
    ForgetProposed,
    /// A follower joins that has not all that its leader began with.
    JoinEarly,
    /// A process leads that has read only of its earlier life's leadership.
    LeadUnregistered,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn first_seed() -> u64 {
    u64::from(crate::rng::uuid().0.iter().fold(0_u32, |all, byte| all * 31 % 65_521 + u32::from(*byte)))
}

#[test]
fn whatever_fails_what_was_acked_is_in_every_later_leaders_log() {
    let seeds = match number("KINGLET_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = first_seed();
            first..first + number("KINGLET_SEEDS").unwrap_or(SEEDS)
        }
    };
    println!("seeds {seeds:?}; KINGLET_SEED=<seed> repeats one");
    let mut bites = Bites::default();
    for seed in seeds.clone() {
        match World::new(seed, None).run() {
            Ok(more) => bites.add(&more),
            Err(broken) => panic!("KINGLET_SEED={seed} fails: {broken}"),
        }
    }
    println!("{bites:?}");
    if seeds.end - seeds.start >= SEEDS {
        assert!(bites.all_happened(), "a fault or an answer never came up: {bites:?}");
    }
}

#[test]
fn the_model_finds_every_mistake_that_it_is_there_for() {
    let mutants = [
        Mutant::AckEarly,
        Mutant::TruncateToHighWatermark,
        Mutant::SkipEpochCheck,
        Mutant::ForgetProposed,
        Mutant::JoinEarly,
        Mutant::LeadUnregistered,
    ];
    for mutant in mutants {
        let found =
            (0..MUTANT_SEEDS).find_map(|seed| Some((seed, World::new(seed, Some(mutant)).run().err()?)));
        let (seed, broken) = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        println!("{mutant:?}: seed {seed}: {broken}");
    }
}
