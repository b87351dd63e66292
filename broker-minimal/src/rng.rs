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
