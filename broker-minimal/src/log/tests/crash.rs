//! A log directory under everything that happens to it, killed before each write, cut, sync and rename, and after a power cut there:
//! opened again by the real code, and compared.
//!
//! After a kill all that was answered is there. After a power cut all that was flushed is, and what is there is the beginning of what
//! was written. Either way the indexes, the epochs, the producers and the checkpoints agree with it, and so they do after a second
//! power cut, when the log has been appended to.

mod check;
mod reading;
mod workload;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::disk::recording::{self, Skip};
use crate::disk::tree::{Bites, Op, Tree};
use crate::rng::{number, seeds as fresh};
use check::Crash;
use workload::{Mark, State, Workload};

/// Runs in the ordinary test, and in how many of their steps each is crashed: one in so many.
const SEEDS: u64 = 8;
const STRIDE: usize = 6;
/// In so many runs everything comes up.
const MANY: u64 = 40;
/// How much of what led to a failure is told.
const STORY: usize = 12;
/// Runs in which each mistake has to be found.
const MUTANT_SEEDS: u64 = 40;
/// What has to come up, besides the losses of [`Tree::after_power_cut`].
const HAPPENED: &[&str] = &[
    "append",
    "copy",
    "flush",
    "flush begins",
    "flush ends",
    "truncate",
    "restart at",
    "retain",
    "delete records",
    "clean",
    "swap",
    "save",
    "epoch",
    "clean stop",
    "kill",
    "create",
];
const LOST: &[&str] = &[
    "write lost",
    "cut lost",
    "torn",
    "new name lost",
    "rename lost",
    "removal lost",
    "records lost",
    "half written",
];

/// A mistake that the crashes must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    /// Files are not flushed, directories are not, or not what was cut off.
    Skip(Skip),
    /// The recovery point is where the log ends.
    ClaimUnflushed,
    /// A start believes the files, indexes among them, as after a clean stop.
    TrustFiles,
    /// A start that found the log shorter leaves the recovery point where it was.
    KeepPoint,
}

/// In memory where that is possible: the model says what a disk would do.
fn place() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary directory")
}

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_promised() {
    let (seeds, stride) = match (number("KINGLET_SEED"), number("KINGLET_SEEDS")) {
        (Some(seed), _) => (seed..seed + 1, 1),
        (None, Some(count)) => (0..count, 1),
        (None, None) => {
            let first = fresh()[0] % 1_000_000_000;
            (first..first + SEEDS, STRIDE)
        }
    };
    println!("seeds {seeds:?}; KINGLET_SEED=<seed> repeats one");
    let mut bites = Bites::new();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| crash_everywhere(seed, stride, None));
        let more = run.unwrap_or_else(|panic| {
            println!("KINGLET_SEED={seed} fails");
            std::panic::resume_unwind(panic)
        });
        more.into_iter().for_each(|(what, times)| *bites.entry(what).or_default() += times);
    }
    println!("{bites:?}");
    for what in HAPPENED.iter().chain(LOST).filter(|_| seeds.end - seeds.start >= MANY) {
        assert!(bites.contains_key(what), "{what} never came up: {bites:?}");
    }
}

#[test]
fn the_crashes_find_every_mistake_that_they_are_there_for() {
    let skips = [Skip::Files, Skip::Directories, Skip::Cuts].map(Mutant::Skip);
    for mutant in skips.into_iter().chain([Mutant::ClaimUnflushed, Mutant::TrustFiles, Mutant::KeepPoint]) {
        let fails = |seed: &u64| {
            let run = std::panic::catch_unwind(|| crash_everywhere(*seed, STRIDE, Some(mutant)));
            recording::clear();
            run.is_err()
        };
        let found = (0..MUTANT_SEEDS).find(fails).unwrap_or_else(|| panic!("{mutant:?} is not found"));
        println!("{mutant:?}: seed {found}");
    }
}

/// One run of a workload, and all its crashes.
fn crash_everywhere(seed: u64, stride: usize, mutant: Option<Mutant>) -> Bites {
    let place = place();
    recording::clear();
    if let Some(Mutant::Skip(what)) = mutant {
        recording::skip(Some(what));
    }
    let (ops, marks, mut bites) = Workload::run(seed, &place.path().join("data"), mutant);
    *bites.entry("operations").or_default() += ops.len() as u64;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut tree = Tree::default();
    for step in 0..=ops.len() {
        if rng.random_range(0..stride) == 0 {
            let killed = half(&tree, ops.get(step), &mut rng, &mut bites);
            let cut = tree.after_power_cut(&mut rng, &mut bites);
            for (tree, is_cut) in [(killed, false), (cut, true)] {
                let (before, next) = around(&marks, step);
                let label =
                    format!("seed {seed}, before operation {step} of '{}', power cut: {is_cut}", next.what);
                let crash =
                    Crash { before: &before.state, next: &next.state, what: next.what, is_cut, mutant };
                let names: Vec<String> = tree
                    .find(Path::new("words-0"))
                    .map_or_else(Vec::new, |dir| tree.names(dir).into_keys().collect());
                let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    let rng = &mut StdRng::seed_from_u64(seed ^ step as u64);
                    crash.check(&place.path().join("data"), tree, rng)
                }));
                match caught {
                    Ok(more) => {
                        more.into_iter().for_each(|(what, times)| *bites.entry(what).or_default() += times);
                    }
                    Err(panic) => {
                        println!("{label}: {names:?}");
                        tell(&marks, step);
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        if let Some(op) = ops.get(step) {
            tree.apply(op.clone());
        }
    }
    bites
}

/// A process that is killed in the middle of a write.
fn half(tree: &Tree, next: Option<&Op>, rng: &mut StdRng, bites: &mut Bites) -> Tree {
    let mut tree = tree.clone();
    if let Some(Op::Write { file, at, bytes }) = next
        && rng.random_ratio(1, 2)
    {
        let len = rng.random_range(0..bytes.len().max(1));
        tree.apply(Op::Write { file: *file, at: *at, bytes: bytes[..len].to_vec() });
        *bites.entry("half written").or_default() += 1;
    }
    tree
}

/// What led to a failure.
fn tell(marks: &[Mark], step: usize) {
    let next = marks.partition_point(|mark| mark.steps <= step).min(marks.len() - 1);
    for Mark { steps, what, state } in &marks[next.saturating_sub(STORY)..=next] {
        let State { start, end, durable, epochs, .. } = state;
        println!("{steps}: {what}, from {start}, flushed to {durable}, to {end}, epochs {epochs:?}");
    }
}

/// What was answered before the step, and what was under way.
fn around(marks: &[Mark], step: usize) -> (&Mark, &Mark) {
    let next = marks.partition_point(|mark| mark.steps <= step).min(marks.len() - 1);
    (&marks[next.saturating_sub(1)], &marks[next])
}
