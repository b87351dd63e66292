//! A cluster of three nodes, each a voter, a controller and a broker with a replica of one partition, as a model: every decision is made by
//! the code that makes it in a broker, and what lies between is played with faults. Time and chance are the model's.
//!
//! Real are the replica (`Partition`, its ISR proposals, `divergence`), the histories of epochs and of idempotent producers, the controller
//! with its elections, sessions and images, the rule by which proposals become images, and the quorum's log on a disk that forgets what
//! was not synced. Played are the files of the partition, the shells, openraft, and the clients.
//!
//! Messages are lost, repeated, late and out of order. Processes are killed, which keeps what they wrote; lose power, which keeps what was
//! flushed, or come back with an empty disk, where the metadata promises that others have everything; stop in order; pause; are cut off
//! from each other. Clocks jump forward and back. Producers send again over new connections, to whom they take for the leader.
//!
//! What must hold, after every step: what was acked is in the log of every later leader, at its offset; what one replica calls committed
//! every other does too, for ever, and whoever may be elected has it; each record of a producer is committed once, in its order; an epoch has
//! one leader; the end that a consumer is told never goes back. At the end, with nothing failing, all replicas are in sync and have the
//! same log, everything sent was acked, and consumers have read it.

mod bites;
mod broker;
mod checks;
mod clients;
mod controller;
mod faults;
mod log;
mod network;
mod node;
mod world;

use bites::Bites;
use world::World;

use crate::mutant::Mutant;

/// Runs in the ordinary test.
const SEEDS: u64 = 150;
/// Runs in which each mistake has to be found.
const MUTANT_SEEDS: u64 = 1000;

/// Runs one seed, and says what was broken.
fn play(seed: u64, mutant: Option<Mutant>) -> Result<Bites, String> {
    let played = std::panic::catch_unwind(|| World::new(seed, mutant).run());
    played.unwrap_or_else(|_| Err("a panic, see above".to_owned()))
}

#[test]
fn whatever_fails_what_was_acked_is_read_once_and_in_order() {
    let seeds = crate::rng::runs(SEEDS);
    let mut bites = Bites::default();
    for seed in seeds.clone() {
        match play(seed, None) {
            Ok(more) => bites.add(&more),
            Err(broken) => panic!("KINGLET_SEED={seed} fails: {broken}"),
        }
    }
    println!("{bites:?}");
    let runs = seeds.end - seeds.start;
    let missing = bites.missing(runs);
    assert!(runs < SEEDS || missing.is_empty(), "{missing:?} never came up");
}

#[test]
fn the_model_finds_every_mistake_that_it_is_there_for() {
    let mutants = [
        Mutant::AckEarly,
        Mutant::TruncateToHighWatermark,
        Mutant::SkipEpochCheck,
        Mutant::ForgetDuplicates,
        Mutant::ForgetCopied,
        Mutant::ForgetProposed,
        Mutant::JoinEarly,
        Mutant::LeadUnregistered,
        Mutant::PassForClean,
        Mutant::KeepStale,
        Mutant::TellUnsettled,
    ];
    let mut missed = Vec::new();
    for mutant in mutants {
        let found = (0..MUTANT_SEEDS).find_map(|seed| Some((seed, play(seed, Some(mutant)).err()?)));
        match found {
            Some((seed, broken)) => println!("{mutant:?}: seed {seed}: {broken}"),
            None => missed.push(mutant),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
