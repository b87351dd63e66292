//! Runs `kverify`.

use super::args::{Action, VerifyArgs};
use super::{consume, produce};
use crate::error::{Exit, Failure, Manner};
use crate::signals::Stop;

/// Does what the line says.
pub fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    match &args.action {
        Action::Produce(args) => produce::run(args),
        Action::Consume(args) => consume::run(args),
    }
}

/// A signal is the way to end what has no end; Kafka's tools end by it all the same.
pub(super) fn stopped(stop: Stop, manner: Manner) -> Exit {
    match manner {
        Manner::Kinglet => Exit::Done,
        Manner::Kafka => stop.exit(),
    }
}
