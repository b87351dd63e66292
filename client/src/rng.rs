//! The only source of randomness.
#![expect(
    clippy::disallowed_methods,
    reason = "everything else takes random numbers from here, or as an argument"
)]

use rand::RngExt;

/// A number in `0.0..1.0`, for jitter.
pub(crate) fn unit() -> f64 {
    rand::rng().random()
}

/// A number to start a rotation with.
pub(crate) fn start() -> usize {
    usize::from(rand::rng().random::<u16>())
}

/// The seeds of a random test, which says how to repeat one: `KINGLET_SEED`; `KINGLET_SEEDS` is how many there are.
#[cfg(test)]
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("KINGLET_SEED");
    let start = first.unwrap_or_else(|| start() as u64);
    let seeds = start..start + if first.is_some() { 1 } else { number("KINGLET_SEEDS").unwrap_or(300) };
    println!("seeds {seeds:?}; KINGLET_SEED=<seed> repeats one");
    seeds
}
