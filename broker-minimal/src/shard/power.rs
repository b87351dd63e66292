//! Three brokers' shards with one partition, under power cuts on any of them: the real shards, replicas and logs, each on a disk
//! that forgets what was not synced, and the real controller, whose image never goes back (that the quorum keeps it so through
//! power cuts is what its own tests show). Time is the model's.
//!
//! A power cut takes from one log what was appended within 100 ms, and nothing but its end; with `flush.messages=1` it takes nothing.
//! By the defaults one power cut at a time takes nothing that was acked, and one of all brokers what was acked within 100 ms. Whatever
//! fails, a leader lacks only what no other member of the ISR has had all the time, and what it lost within 100 ms itself. At the end,
//! with nothing failing, all logs are the same.

mod node;
mod world;

use world::{Faults, Mutant, Play, World};

use crate::disk::tree::Bites;

/// Runs in the ordinary test, and in which each mistake has to be found.
const SEEDS: u64 = 4;
const MUTANT_SEEDS: u64 = 100;
/// In so many runs everything comes up.
const MANY: u64 = 100;
/// What has to happen, and only then does a run show something.
const ALWAYS: &[&str] =
    &["acked", "elected", "cut within a step", "write lost", "torn", "new name lost", "rename lost"];

fn run_all(play: Play, happened: &[&str]) {
    let seeds = crate::rng::runs(SEEDS);
    let mut bites = Bites::new();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| World::new(seed, play).run());
        let run = run.unwrap_or_else(|_| Err("a panic, see above".to_owned()));
        let more = run.unwrap_or_else(|broken| panic!("KINGLET_SEED={seed} fails: {broken}"));
        more.into_iter().for_each(|(what, times)| *bites.entry(what).or_default() += times);
    }
    println!("{play:?}: {bites:?}");
    for what in ALWAYS.iter().chain(happened).filter(|_| seeds.end - seeds.start >= MANY) {
        assert!(bites.contains_key(what), "{what} never came up: {bites:?}");
    }
    for what in ["records lost", "acked records lost"].iter().filter(|what| !happened.contains(what)) {
        assert!(!bites.contains_key(what), "{what}: {bites:?}");
    }
}

const DEFAULTS: Play = Play { flush_messages: i64::MAX, faults: Faults::Any, mutant: None };

#[test]
fn with_the_defaults_one_power_cut_at_a_time_takes_nothing_that_was_acked() {
    let play = Play { faults: Faults::One, ..DEFAULTS };
    run_all(play, &["power cut on 1", "records lost"]);
}

#[test]
fn with_the_defaults_a_power_cut_of_all_takes_what_was_acked_in_the_last_100_ms_at_most() {
    let play = Play { faults: Faults::All, ..DEFAULTS };
    run_all(play, &["power cut on 3", "records lost", "acked records lost"]);
}

#[test]
fn whichever_power_fails_a_log_lacks_100_ms_at_most_and_a_leader_only_what_nobody_held() {
    let happened = ["power cut on 1", "power cut on 2", "power cut on 3"];
    let lost = ["log cut to its leader's", "records lost", "acked records lost"];
    run_all(DEFAULTS, &[&happened[..], &lost].concat());
}

#[test]
fn with_flush_messages_1_no_power_cut_takes_what_was_acked() {
    let play = Play { flush_messages: 1, ..DEFAULTS };
    let happened =
        ["power cut on 1", "power cut on 2", "power cut on 3", "killed", "log cut to its leader's"];
    run_all(play, &happened);
}

#[test]
fn the_model_of_power_cuts_finds_every_mistake_that_it_is_there_for() {
    // From a seed on that is near one that finds it.
    for (mutant, flush_messages, first) in
        [(Mutant::FlushLate, i64::MAX, 0), (Mutant::AckUnflushed, 1, 0), (Mutant::StopsCleanly, i64::MAX, 70)]
    {
        let play = Play { flush_messages, mutant: Some(mutant), ..DEFAULTS };
        let run = |seed| World::new(seed, play).run().err();
        let found = (first..first + MUTANT_SEEDS).find_map(|seed| Some((seed, run(seed)?)));
        let (seed, broken) = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        println!("{mutant:?}: seed {seed}: {}", broken.lines().next().unwrap_or_default());
    }
}
