//! The storm: three brokers, each a process, with a network that fails between all of them, and faults of every kind, one round after
//! the other. All the time producers of ours and of Java's write (acks=all, idempotent, two replicas in sync at least) and two groups
//! read. What happens is a history; judges, one an invariant, look at all of it.
//!
//! A few rounds, or with `CI=true` as many as there are faults, which then come once each. `KINGLET_ROUNDS=500` is the long form,
//! `KINGLET_SEED=…` has the faults of a run come again in their order, `KINGLET_FAULTS=KillAll,Island` has some only.

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
#[path = "storm/net.rs"]
mod net;
#[path = "storm/observers.rs"]
mod observers;
#[path = "storm/run.rs"]
mod run;
#[path = "storm/site.rs"]
mod site;
#[path = "storm/strike.rs"]
mod strike;

use std::error::Error;

use kinglet_harness::absent::{in_ci, or_skip};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Less than a minute.
const ROUNDS: usize = 6;

#[test]
fn what_was_promised_holds_through_the_storm() {
    let Some(jars) = or_skip("the storm", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let usual = if in_ci() { faults::Fault::ALL.len() } else { ROUNDS };
    let rounds = number("KINGLET_ROUNDS").map_or(usual, |rounds| usize::try_from(rounds).unwrap_or(usual));
    let seed = number("KINGLET_SEED").unwrap_or_else(rand::random);
    println!("KINGLET_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let report = runtime.expect("a runtime").block_on(run::run(&binaries, &jars, rounds, seed));
    println!("{}", report.unwrap_or_else(|error| panic!("{error}")));
}

fn number(key: &str) -> Option<u64> {
    std::env::var(key).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{key}={text} is no number")))
}
