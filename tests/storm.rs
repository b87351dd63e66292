//! The storm: three brokers, each a process, with a network that fails between all of them, and faults of every kind, one round after
//! the other. All the time producers of ours and of Java's write (acks=all, idempotent, two replicas in sync at least) and two groups
//! read. What happens is a history; judges, one an invariant, look at all of it.
//!
//! A few rounds, or with `CI=true` as many as there are faults, which then come once each. `KINGLET_ROUNDS=500` is the long form,
//! `KINGLET_SEED=…` has the faults of a run come again in their order, `KINGLET_FAULTS=KillAll,Island` has some only. With
//! `-- --ignored` brokers make mistakes, one at a time (`KINGLET_MUTANTS=AckEarly,ShrinkAlone` for some), and each has to be found.

#[path = "storm/checker/mod.rs"]
mod checker;
#[path = "storm/disk.rs"]
mod disk;
#[path = "storm/faults.rs"]
mod faults;
#[path = "storm/history.rs"]
mod history;
#[path = "storm/java.rs"]
mod java;
#[path = "storm/load.rs"]
mod load;
#[path = "storm/moves.rs"]
mod moves;
#[path = "storm/net.rs"]
mod net;
#[path = "storm/observers.rs"]
mod observers;
#[path = "storm/report.rs"]
mod report;
#[path = "storm/run.rs"]
mod run;
#[path = "storm/site.rs"]
mod site;
#[path = "storm/strike.rs"]
mod strike;
#[path = "storm/warnings.rs"]
mod warnings;
#[path = "storm/workers.rs"]
mod workers;

use std::error::Error;

use kinglet_harness::absent::{in_ci, or_skip};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;

use faults::Fault;
use load::Habit;
use report::{Broken, Report};
use run::{Setup, run};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Less than a minute.
const ROUNDS: usize = 6;

/// Each mistake is found within so many; those that need two faults at once come up rarely.
const MUTANT_ROUNDS: usize = 3 * Fault::ALL.len();

/// Mistakes of a broker, out of `broker-minimal/src/mutant.rs`.
const MUTANTS: [&str; 7] = [
    "AckEarly",
    "ForgetDuplicates",
    "ReadUncommitted",
    "ElectAnyone",
    "ShrinkAlone",
    "TruncateToHighWatermark",
    "TellUnsettled",
];

#[test]
fn what_was_promised_holds_through_the_storm() {
    let Some(jars) = or_skip("the storm", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let usual = if in_ci() { Fault::ALL.len() } else { ROUNDS };
    let report = play(&binaries, &jars, Habit::Careful, usual);
    println!("{}", report.unwrap_or_else(|broken| panic!("{broken}")));
}

#[test]
#[ignore = "takes half an hour and builds another kbroker: run it when the judges or the faults change"]
fn every_mistake_is_found() {
    let jars = Jars::fetch().expect("Apache Kafka is needed");
    let mut missed = Vec::new();
    for mutant in wanted(&[&MUTANTS[..], &["CommitEarly"]].concat()) {
        let played = if mutant == "CommitEarly" {
            let binaries = Binaries::build().expect("our programs compile");
            play(&binaries, &jars, Habit::Hasty, MUTANT_ROUNDS)
        } else {
            let binaries = Binaries::build_mutant(mutant).expect("kbroker compiles with mistakes");
            play(&binaries, &jars, Habit::Careful, MUTANT_ROUNDS)
        };
        match played {
            Err(broken) if broken.is_violation() => {
                println!("{mutant}: found in round {} ({:?}): {}", broken.round, broken.fault, broken.error);
            }
            Err(broken) => missed.push(format!("{mutant}: {broken}")),
            Ok(report) => missed.push(format!("{mutant}: not found in {} rounds", report.rounds)),
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn play(binaries: &Binaries, jars: &Jars, habit: Habit, usual: usize) -> Result<Report, Broken> {
    let rounds = number("KINGLET_ROUNDS").and_then(|rounds| usize::try_from(rounds).ok()).unwrap_or(usual);
    let seed = number("KINGLET_SEED").unwrap_or_else(rand::random);
    println!("KINGLET_SEED={seed}");
    let setup = Setup { binaries, jars, rounds, seed, habit };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(run(&setup))
}

/// The mistakes of `KINGLET_MUTANTS`, or all.
fn wanted(all: &[&'static str]) -> Vec<&'static str> {
    let Ok(text) = std::env::var("KINGLET_MUTANTS") else { return all.to_vec() };
    all.iter().copied().filter(|mutant| text.split(',').any(|name| name == *mutant)).collect()
}

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")))
}
