//! The only source of randomness.
#![expect(clippy::disallowed_methods, reason = "this is where randomness is drawn")]

use kinglet_protocol::Uuid;
use rand::RngExt;

/// A fresh id whose text can stand on a command line.
pub(crate) fn uuid() -> Uuid {
    loop {
        if let Some(id) = Uuid::from_random(rand::rng().random()) {
            return id;
        }
    }
}

/// Secret numbers for hashing what clients choose.
pub(crate) fn seeds() -> [u64; 2] {
    rand::rng().random()
}

/// A number that the environment gives to a test of random runs.
#[cfg(test)]
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

/// The seeds of a test of random runs: the one of `KINGLET_SEED`, or `KINGLET_SEEDS` of them (or `count`) that nobody knows before.
#[cfg(test)]
pub(crate) fn runs(count: u64) -> std::ops::Range<u64> {
    let runs = match number("KINGLET_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = seeds()[0] % 1_000_000_000;
            first..first + number("KINGLET_SEEDS").unwrap_or(count)
        }
    };
    println!("seeds {runs:?}; KINGLET_SEED=<seed> repeats one");
    runs
}

/// A number that can be a fetch session's: clients shall not guess each other's.
pub(crate) fn session_id() -> i32 {
    rand::rng().random_range(1..=i32::MAX)
}

/// A random version 4 UUID in its usual spelling, for ids of members.
pub(crate) fn suffix() -> String {
    let bytes: u128 = rand::rng().random();
    let bits = (bytes & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}
