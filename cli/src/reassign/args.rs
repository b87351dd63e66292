//! The options of `kreassign`: those of kafka-reassign-partitions from 0.9 to 4.3.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;

/// Move partitions from broker to broker.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kreassign",
    display_name = "kinglet",
    version,
    mut_arg("bootstrap_server", |arg| arg.visible_alias(None::<&'static str>)),
    after_help = "The file: {\"version\": 1, \"partitions\": [{\"topic\": \"orders\", \"partition\": 1, \"replicas\": [1, 2, 3]}]}\n\n\
                  Examples:\n  kreassign --generate --topics-to-move-json-file topics.json --broker-list 1,2,3\n  \
                  kreassign --execute --reassignment-json-file plan.json --throttle 50000000\n  \
                  kreassign --verify --reassignment-json-file plan.json\n  kreassign --list"
)]
pub struct ReassignArgs {
    /// Propose replicas for the partitions of topics on these brokers
    #[arg(long, help_heading = "Actions")]
    pub generate: bool,
    /// Begin to move the partitions of the file
    #[arg(long, help_heading = "Actions")]
    pub execute: bool,
    /// Tell how far that is, and take the throttles away when it is done
    #[arg(long, help_heading = "Actions")]
    pub verify: bool,
    /// Stop what is under way, and go back
    #[arg(long, help_heading = "Actions")]
    pub cancel: bool,
    /// List all that is under way
    #[arg(long, help_heading = "Actions")]
    pub list: bool,

    /// Which partition gets which replicas, as JSON; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub reassignment_json_file: Option<PathBuf>,
    /// Topics to propose replicas for: {"topics": [{"topic": "orders"}], "version": 1}; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub topics_to_move_json_file: Option<PathBuf>,
    /// The ids of the brokers to propose
    #[arg(long, value_name = "ID,...")]
    pub broker_list: Option<String>,
    /// Propose replicas without regard to racks
    #[arg(long)]
    pub disable_rack_aware: bool,
    /// Begin also while others are under way, or change the throttle of these
    #[arg(long)]
    pub additional: bool,
    /// Refuse to change how many replicas a partition has
    #[arg(long)]
    pub disallow_replication_factor_change: bool,
    /// Bytes a second that may go from broker to broker; -1 for no limit
    #[arg(long, value_name = "BYTES", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    pub throttle: i64,
    /// Bytes a second that may go from one log directory to another; -1 for no limit
    #[arg(long, value_name = "BYTES", default_value_t = -1, hide_default_value = true, allow_negative_numbers = true)]
    pub replica_alter_log_dirs_throttle: i64,
    /// Leave the throttles as they are
    #[arg(long)]
    pub preserve_throttles: bool,
    /// Do not ask before partitions are moved
    #[arg(short, long)]
    pub yes: bool,
    /// How many milliseconds may pass until moves between log directories begin (10000)
    #[arg(long, value_name = "MS")]
    pub timeout: Option<u64>,

    /// Controllers to ask instead of brokers, for --list and --cancel
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        help_heading = "Connection",
        conflicts_with = "bootstrap_server"
    )]
    pub bootstrap_controller: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// `--generate`
    Generate {
        /// The file with the topics.
        topics: &'a Path,
        /// The brokers, as they were written.
        brokers: &'a str,
    },
    /// `--execute`
    Execute(&'a Path),
    /// `--verify`
    Verify(&'a Path),
    /// `--cancel`
    Cancel(&'a Path),
    /// `--list`
    List,
}

impl ReassignArgs {
    /// The one action, with what it needs; options that another one has are refused, as with Kafka's tool.
    pub fn action(&self) -> Result<Action<'_>, Failure> {
        let given = [
            ("generate", self.generate),
            ("execute", self.execute),
            ("verify", self.verify),
            ("cancel", self.cancel),
            ("list", self.list),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        let (Some(name), None) = (given.next(), given.next()) else {
            let cause =
                "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list";
            return Err(Failure::usage("exactly one action is needed").cause(cause).hint("kreassign --list"));
        };
        self.check_options(name)?;
        let file = || needed(&self.reassignment_json_file, "reassignment-json-file");
        Ok(match name {
            "generate" => Action::Generate {
                topics: needed(&self.topics_to_move_json_file, "topics-to-move-json-file")?,
                brokers: self.broker_list.as_deref().ok_or_else(|| missing("broker-list"))?,
            },
            "execute" => Action::Execute(file()?),
            "verify" => Action::Verify(file()?),
            "cancel" => Action::Cancel(file()?),
            _ => Action::List,
        })
    }

    fn check_options(&self, action: &str) -> Result<(), Failure> {
        let options: [(&str, bool, &[&str]); 11] = [
            (
                "reassignment-json-file",
                self.reassignment_json_file.is_some(),
                &["execute", "verify", "cancel"],
            ),
            ("topics-to-move-json-file", self.topics_to_move_json_file.is_some(), &["generate"]),
            ("broker-list", self.broker_list.is_some(), &["generate"]),
            ("disable-rack-aware", self.disable_rack_aware, &["generate"]),
            ("additional", self.additional, &["execute"]),
            ("disallow-replication-factor-change", self.disallow_replication_factor_change, &["execute"]),
            ("throttle", self.throttle >= 0, &["execute"]),
            ("replica-alter-log-dirs-throttle", self.replica_alter_log_dirs_throttle >= 0, &["execute"]),
            ("preserve-throttles", self.preserve_throttles, &["verify", "cancel"]),
            ("timeout", self.timeout.is_some(), &["execute", "cancel"]),
            ("bootstrap-controller", self.bootstrap_controller.is_some(), &["cancel", "list"]),
        ];
        for (option, is_given, actions) in options {
            if is_given && !actions.contains(&action) {
                let cause = format!("Option \"[{option}]\" can't be used with action \"[{action}]\"");
                return Err(Failure::usage(format!("--{option} does not go with --{action}")).cause(cause));
            }
        }
        Ok(())
    }
}

fn needed<'a>(path: &'a Option<PathBuf>, option: &str) -> Result<&'a Path, Failure> {
    path.as_deref().ok_or_else(|| missing(option))
}

fn missing(option: &str) -> Failure {
    Failure::usage(format!("--{option} is missing"))
        .cause(format!("Missing required argument \"[{option}]\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::ErrorStyle;

    fn parsed(line: &str) -> ReassignArgs {
        match read(std::iter::once("kreassign").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn the_broker_list_holds_ids_and_not_servers() {
        let args = parsed("-b h:1 --generate --topics-to-move-json-file t --broker-list 1,2");

        assert_eq!(args.common.bootstrap_server.as_deref(), Some("h:1"));
        let topics = Path::new("t");
        assert_eq!(args.action().expect("an action"), Action::Generate { topics, brokers: "1,2" });
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_kafkas_words() {
        for (line, said) in [
            ("", "Command must include exactly one action"),
            ("--list --verify", "Command must include exactly one action"),
            ("--execute", "Missing required argument \"[reassignment-json-file]\""),
            ("--generate --topics-to-move-json-file t", "Missing required argument \"[broker-list]\""),
            (
                "--verify --reassignment-json-file f --throttle 5",
                "Option \"[throttle]\" can't be used with action \"[verify]\"",
            ),
            ("--list --additional", "Option \"[additional]\" can't be used with action \"[list]\""),
        ] {
            let failure = parsed(line).action().expect_err(line).render(ErrorStyle::Text);
            assert!(failure.contains(said), "{line}: {failure}");
        }
    }
}
