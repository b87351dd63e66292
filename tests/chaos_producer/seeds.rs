//! Which seeds a run has, and the run.

use std::hash::{BuildHasher, RandomState};

use crate::round::{Mode, Site, run};
use crate::table::Table;

/// As many as CI has time for.
const SEEDS: u64 = 4;

/// Every seed in every mode; the table of what happened is printed.
///
/// `KINGLET_SEEDS=<count>` runs more of them, `KINGLET_SEED=<number>` a given one (or as many from there on).
///
/// # Panics
/// At the first broken promise, and when a fault never bit.
pub(crate) async fn run_all(site: &Site) {
    let first = number("KINGLET_SEED");
    let count = number("KINGLET_SEEDS").unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let first = first.unwrap_or_else(|| RandomState::new().hash_one(()) >> 32);
    println!("KINGLET_SEED={first} KINGLET_SEEDS={count}");
    let mut table = Table::default();
    for seed in first..first.saturating_add(count) {
        for mode in Mode::ALL {
            match run(site, mode, seed).await {
                Ok(report) => table.add(mode, report),
                Err(what) => {
                    let (mode, journal) = (mode.text(), keep_journal(site, mode, seed));
                    panic!("KINGLET_SEED={seed}, {mode}: {what}\n{journal}\n{table}")
                }
            }
        }
    }
    println!("{table}");
    assert_eq!(table.zeros(), Vec::<String>::new(), "never happened; more seeds may do it");
}

/// Which batches met a fault depends on the scheduler, so a seed may not fail again: what happened is kept.
fn keep_journal(site: &Site, mode: Mode, seed: u64) -> String {
    let path = std::env::temp_dir().join(format!("kinglet-chaos-{}-{seed}.txt", mode.text()));
    match std::fs::write(&path, site.proxy.journal().join("\n")) {
        Ok(()) => format!("what the proxy saw is in {}", path.display()),
        Err(error) => format!("what the proxy saw is not in {}: {error}", path.display()),
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
