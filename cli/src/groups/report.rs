//! How a run of `kgroups` ends: its data on stdout, what failed on stderr, and an exit code that tells.
//!
//! kafka-consumer-groups writes what failed to stdout among the data, and exits with 0. With `--compat` so does `kgroups`, and
//! says it on stderr as well.

use kinglet::Error;
use kinglet::protocol::ErrorCode;

use crate::args::CommonArgs;
use crate::connect::first_failure;
use crate::error::{Exit, Failure, Manner};
use crate::java::Exception;
use crate::output::{Shape, print};
use crate::tool::say;

/// What ends a run early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The line is wrong, as it turned out: Kafka's tool shows its usage.
    Line(Failure),
    /// Something failed; and what Kafka's tool says of it.
    Failed(Box<Failure>, String),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Line(failure)
    }
}

/// How Kafka's tool words an exception, which depends on where it was thrown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worded {
    /// Its message alone.
    Message,
    /// With its class.
    Class,
    /// As the cause of an `ExecutionException`.
    Cause,
}

impl Worded {
    pub(super) fn text(self, exception: &Exception) -> String {
        match self {
            Self::Message => exception.message().to_owned(),
            Self::Class => exception.to_string(),
            Self::Cause => format!("java.util.concurrent.ExecutionException: {exception}"),
        }
    }
}

impl Stop {
    /// The client failed.
    pub(super) fn of(error: &Error, what: impl Into<String>, worded: Worded) -> Self {
        Self::failed(group_failure(error, what), worded.text(&Exception::of(error)))
    }

    /// Something failed; and what Kafka's tool says of it.
    pub(super) fn failed(ours: Failure, kafkas: impl Into<String>) -> Self {
        Self::Failed(Box::new(ours), kafkas.into())
    }

    /// The cluster was not reached.
    pub(super) fn unreached(failure: Failure) -> Self {
        let node = "Timed out waiting for a node assignment. Call: listNodes";
        Self::failed(failure, format!("org.apache.kafka.common.errors.TimeoutException: {node}"))
    }
}

/// As [`first_failure`], with what helps where a group is concerned.
pub(super) fn group_failure(error: &Error, what: impl Into<String>) -> Failure {
    let failure = first_failure(error, what);
    match error.code() {
        Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
            failure.exiting(Exit::NotFound).hint("kgroups --list shows what there is")
        }
        Some(ErrorCode::NON_EMPTY_GROUP | ErrorCode::UNKNOWN_MEMBER_ID) => {
            failure.hint("stop its members first: kgroups --describe --members shows them")
        }
        Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC) => failure.hint("stop the members that read it first"),
        _ => failure,
    }
}

/// What a run has to say.
#[derive(Debug, Default)]
pub(super) struct Report {
    pieces: Vec<Piece>,
    failures: Vec<Failure>,
}

#[derive(Debug)]
enum Piece {
    Data(String),
    /// On stdout only where Kafka's manner is asked for.
    Error(String),
}

impl Report {
    /// Data for stdout.
    pub(super) fn data(&mut self, text: String) {
        self.pieces.push(Piece::Data(text));
    }

    /// Something failed, though not all: Kafka's words for stdout, ours for stderr.
    pub(super) fn error(&mut self, kafkas: &str, ours: Failure) {
        self.also(&format!("\nError: {kafkas}\n"));
        self.failures.push(ours);
    }

    /// As [`error`](Self::error), where Kafka's words stand already.
    pub(super) fn failure(&mut self, ours: Failure) {
        self.failures.push(ours);
    }

    /// More of Kafka's words about what failed.
    pub(super) fn also(&mut self, kafkas: &str) {
        self.pieces.push(Piece::Error(kafkas.to_owned()));
    }

    /// Ends the run early.
    pub(super) fn stop(&mut self, stop: Stop, manner: Manner) -> Result<(), Failure> {
        match stop {
            Stop::Failed(failure, said) => {
                self.error(&format!("Executing consumer group command failed due to {said}"), *failure);
                Ok(())
            }
            // What was printed before stays printed, in Kafka's tool as well.
            Stop::Line(failure) => {
                self.print(manner, Shape::Kafka)?;
                Err(failure)
            }
        }
    }

    /// Writes it all, and says how the run ended.
    pub(super) fn finish(self, common: &CommonArgs) -> Result<Exit, Failure> {
        let manner = common.manner();
        self.print(manner, common.shape())?;
        let exit = self.failures.first().map_or(Exit::Done, Failure::exit);
        for failure in &self.failures {
            say(failure.render(common.error_style()));
        }
        Ok(match manner {
            Manner::Kafka => Exit::Done,
            Manner::Kinglet => exit,
        })
    }

    fn print(&self, manner: Manner, shape: Shape) -> Result<(), Failure> {
        let shown = |piece: &Piece| match piece {
            Piece::Data(text) => Some(text.clone()),
            Piece::Error(text) if manner == Manner::Kafka && shape == Shape::Kafka => Some(text.clone()),
            Piece::Error(_) => None,
        };
        print(&self.pieces.iter().filter_map(shown).collect::<String>())
    }
}
