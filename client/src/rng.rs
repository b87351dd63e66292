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
