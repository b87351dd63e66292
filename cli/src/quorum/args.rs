//! The options of `kquorum`: those of kafka-metadata-quorum that ask.

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;
use crate::session::ServersArgs;

/// Show who keeps a cluster's metadata, who leads, and how far each is.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kquorum",
    display_name = "kinglet",
    version,
    after_help = "Examples:\n  kquorum describe --status\n  kquorum --bootstrap-server b1:9092 describe --replication --human-readable"
)]
pub struct QuorumArgs {
    /// The action: describe
    #[arg(value_name = "ACTION")]
    pub word: Option<String>,

    /// Leader, epoch, high watermark, the largest lag, voters and observers
    #[arg(long)]
    pub status: bool,
    /// A line for each voter and observer: end of its log, lag, when it last fetched
    #[arg(long)]
    pub replication: bool,
    /// Times of --replication as "12 ms ago"
    #[arg(long)]
    pub human_readable: bool,

    /// Whom it asks.
    #[command(flatten)]
    pub servers: ServersArgs,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is shown of the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// `--status`
    Status,
    /// `--replication`
    Replication,
}

impl QuorumArgs {
    /// What the line asks for.
    pub fn view(&self) -> Result<View, Failure> {
        match self.word.as_deref() {
            Some("describe") => {}
            None => return Err(Failure::usage("no action is named").hint("kquorum describe --status")),
            Some(word @ ("add-controller" | "remove-controller")) => {
                return Err(Failure::usage(format!("'{word}' is not possible here"))
                    .hint("kquorum only describes; kafka-metadata-quorum changes who votes"));
            }
            Some(word) => {
                return Err(Failure::usage(format!("'{word}' is not an action of kquorum"))
                    .hint("kquorum describe --status"));
            }
        }
        match (self.status, self.replication, self.human_readable) {
            (true, true, _) => {
                let cause =
                    "Only one of --status or --replication should be specified with describe sub-command";
                Err(Failure::usage("--status and --replication exclude each other").cause(cause))
            }
            (false, true, _) => Ok(View::Replication),
            (true, false, false) => Ok(View::Status),
            (true, false, true) => {
                let cause = "The option --human-readable is only supported along with --replication";
                Err(Failure::usage("--human-readable does not go with --status").cause(cause))
            }
            (false, false, _) => {
                let cause = "One of --status or --replication must be specified with describe sub-command";
                Err(Failure::usage("nothing is asked about the quorum")
                    .cause(cause)
                    .hint("kquorum describe --status"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::{ErrorStyle, Exit};

    fn parsed(line: &str) -> QuorumArgs {
        match read(std::iter::once("kquorum").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn options_may_stand_before_and_behind_the_action() {
        for line in [
            "--bootstrap-server b:1 describe --status",
            "describe --status --bootstrap-server b:1",
            "--bootstrap-controller c:1 --command-config f describe --status",
        ] {
            assert_eq!(parsed(line).view().expect("a view"), View::Status, "{line}");
        }
        assert_eq!(
            parsed("describe --replication --human-readable").view().expect("a view"),
            View::Replication
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_kafkas_words() {
        for (line, said) in [
            ("describe", "One of --status or --replication must be specified"),
            ("describe --human-readable", "One of --status or --replication must be specified"),
            ("describe --status --replication", "Only one of --status or --replication should be specified"),
            (
                "describe --status --human-readable",
                "--human-readable is only supported along with --replication",
            ),
            ("add-controller", "not possible here"),
            ("descibe", "not an action"),
            ("", "no action"),
        ] {
            let failure = parsed(line).view().expect_err("refused");
            assert_eq!(failure.exit(), Exit::Usage, "{line}");
            assert!(failure.render(ErrorStyle::Text).contains(said), "{line}: {failure}");
        }
    }

    #[test]
    fn brokers_and_controllers_are_not_asked_at_once() {
        let words = ["kquorum", "-b", "b:1", "--bootstrap-controller", "c:1", "describe", "--status"];
        assert!(
            matches!(read::<QuorumArgs>(words.map(Into::into)), Line::Wrong(failure, _) if failure.exit() == Exit::Usage)
        );
    }
}
