//! The groups of a partition against members that lose, repeat and delay messages, leave, restart and die, and against a broker that
//! crashes between any two commits. Time is the model's.
//!
//! What must hold, after every step: one assigner for each generation; one assignment for each generation, whatever crashed in between, and each of
//! its partitions has one owner; generations only grow; every request is answered once, by a deadline; an acked commit is in the log and what is
//! fetched is not older; what the records alone say is what lives. At the end, with nothing failing, everyone is assigned again.

mod bites;
mod checks;
mod client;
mod world;

use bites::Bites;
use world::World;

/// Runs in the ordinary test.
const SEEDS: u64 = 50;

#[test]
fn whatever_is_lost_every_generation_has_one_assignment_and_acked_offsets_stay() {
    let seeds = crate::rng::runs(SEEDS);
    let mut bites = Bites::default();
    for seed in seeds.clone() {
        let caught = std::panic::catch_unwind(|| World::new(seed).run());
        match caught {
            Ok(more) => bites.add(&more),
            Err(panic) => {
                println!("KINGLET_SEED={seed} fails");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{bites:?}");
    if seeds.end - seeds.start >= SEEDS {
        assert!(bites.all_happened(), "a fault or an answer never came up: {bites:?}");
    }
}
