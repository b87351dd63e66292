//! The options of `kgroups`: those of kafka-consumer-groups from 0.9 to 4.3, and the short sub-command style.

use std::path::PathBuf;

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::{Failure, nearest};

/// List, describe and delete consumer groups, and reset or delete their offsets.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kgroups",
    display_name = "kinglet",
    version,
    // The word belongs to --describe here; -v still says more on stderr.
    mut_arg("verbose", |arg| arg.long(None)),
    after_help = "Examples:\n  kgroups ls\n  kgroups describe billing\n  kgroups --bootstrap-server b1:9092 --describe --all-groups --state\n  \
                  kgroups reset billing --topic orders --to-earliest --dry-run\n  \
                  kgroups reset billing --topic orders:0,1 --by-duration PT2H --execute"
)]
pub struct GroupsArgs {
    /// The action as a word: list (ls), describe, reset, delete (rm), delete-offsets
    #[arg(value_name = "ACTION", conflicts_with_all = ["list", "describe", "delete", "reset_offsets", "delete_offsets", "validate_regex"])]
    pub word: Option<String>,

    /// The groups, as --group
    #[arg(value_name = "GROUP", conflicts_with_all = ["group", "all_groups"])]
    pub word_groups: Vec<String>,

    /// List the ids of all consumer groups
    #[arg(long, help_heading = "Actions")]
    pub list: bool,
    /// Show committed offsets and how far they lag behind
    #[arg(long, help_heading = "Actions")]
    pub describe: bool,
    /// Delete groups without members
    #[arg(long, help_heading = "Actions")]
    pub delete: bool,
    /// Set the committed offsets of groups without members
    #[arg(long, help_heading = "Actions")]
    pub reset_offsets: bool,
    /// Delete committed offsets of topics that no member reads
    #[arg(long, help_heading = "Actions")]
    pub delete_offsets: bool,
    /// Say whether brokers take a regular expression (of RE2); asks none of them
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true, help_heading = "Actions")]
    pub validate_regex: Option<String>,

    /// A group, may be repeated
    #[arg(long, alias = "groups", value_name = "GROUP")]
    pub group: Vec<String>,
    /// All groups
    #[arg(long, conflicts_with = "group")]
    pub all_groups: bool,

    /// With --describe: offsets and lag, the default
    #[arg(long, help_heading = "Views")]
    pub offsets: bool,
    /// With --describe: the members
    #[arg(long, help_heading = "Views")]
    pub members: bool,
    /// With --describe: coordinator and state; with --list: the state too, or only groups in these states
    #[arg(
        long,
        value_name = "STATE,...",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = "Views"
    )]
    pub state: Option<String>,
    /// With --list: the type too, or only groups of these types (classic, consumer)
    #[arg(
        long = "type",
        value_name = "TYPE,...",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = "Views"
    )]
    pub types: Option<String>,
    /// With --describe: more columns (leader epochs, assignments, epochs)
    #[arg(long = "verbose", id = "details", help_heading = "Views")]
    pub details: bool,

    /// A topic to reset or delete offsets of, TOPIC or TOPIC:0,1; may be repeated
    #[arg(long, value_name = "TOPIC", help_heading = "Offsets")]
    pub topic: Vec<String>,
    /// Every topic that the group has committed offsets of
    #[arg(long, help_heading = "Offsets")]
    pub all_topics: bool,
    /// To the beginning of each partition
    #[arg(long, group = "spec", help_heading = "Offsets")]
    pub to_earliest: bool,
    /// To the end of each partition
    #[arg(long, group = "spec", help_heading = "Offsets")]
    pub to_latest: bool,
    /// To where they are, which gives partitions without one the end
    #[arg(long, group = "spec", help_heading = "Offsets")]
    pub to_current: bool,
    /// To this offset, or the nearest that there is
    #[arg(
        long,
        value_name = "OFFSET",
        group = "spec",
        allow_negative_numbers = true,
        help_heading = "Offsets"
    )]
    pub to_offset: Option<i64>,
    /// Forward by so many records, or back
    #[arg(long, value_name = "N", group = "spec", allow_negative_numbers = true, help_heading = "Offsets")]
    pub shift_by: Option<i64>,
    /// To the first record from this time on, UTC unless it says otherwise
    #[arg(long, value_name = "YYYY-MM-DDThh:mm:ss.sss", group = "spec", help_heading = "Offsets")]
    pub to_datetime: Option<String>,
    /// To the first record of the last so many days, hours, …
    #[arg(
        long,
        value_name = "PnDTnHnMnS",
        group = "spec",
        allow_hyphen_values = true,
        help_heading = "Offsets"
    )]
    pub by_duration: Option<String>,
    /// To what the file says, as --export writes it
    #[arg(long, value_name = "CSV", group = "spec", help_heading = "Offsets")]
    pub from_file: Option<PathBuf>,
    /// Show what would be done, the default
    #[arg(long, conflicts_with = "execute", help_heading = "Offsets")]
    pub dry_run: bool,
    /// Do it
    #[arg(long, help_heading = "Offsets")]
    pub execute: bool,
    /// Write the new offsets as CSV
    #[arg(long, help_heading = "Offsets")]
    pub export: bool,

    /// Give up after this many milliseconds (30000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    #[arg(long, hide = true)]
    new_consumer: bool,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `kgroups` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `--list`
    List,
    /// `--describe`
    Describe,
    /// `--delete`
    Delete,
    /// `--reset-offsets`
    ResetOffsets,
    /// `--delete-offsets`
    DeleteOffsets,
    /// `--validate-regex`
    ValidateRegex,
}

/// What `--describe` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Partitions with committed offset and lag.
    Offsets,
    /// Members.
    Members,
    /// State and coordinator.
    State,
}

/// How much a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The usual columns.
    Usual,
    /// `--verbose`
    Verbose,
}

impl GroupsArgs {
    /// The one action of the line.
    pub fn action(&self) -> Result<Action, Failure> {
        if let Some(word) = &self.word {
            return action_of_word(word);
        }
        let flags = [
            (self.list, Action::List),
            (self.describe, Action::Describe),
            (self.delete, Action::Delete),
            (self.reset_offsets, Action::ResetOffsets),
            (self.delete_offsets, Action::DeleteOffsets),
            (self.validate_regex.is_some(), Action::ValidateRegex),
        ];
        let mut given = flags.into_iter().filter(|(set, _)| *set).map(|(_, action)| action);
        match (given.next(), given.next()) {
            (Some(action), None) => Ok(action),
            _ => Err(Failure::usage("the command must include exactly one action")
                .cause("Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex")
                .hint("for example: kgroups --list")),
        }
    }

    /// The groups by option or by word, each once.
    pub fn groups(&self) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for group in self.group.iter().chain(&self.word_groups) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
        groups
    }

    /// What `--describe` is to show.
    pub fn view(&self) -> View {
        match (self.offsets, self.members, self.state.is_some()) {
            (false, true, _) => View::Members,
            (false, false, true) => View::State,
            _ => View::Offsets,
        }
    }

    /// How much of it.
    pub fn detail(&self) -> Detail {
        if self.details { Detail::Verbose } else { Detail::Usual }
    }
}

impl Action {
    /// As on the command line.
    pub fn option(self) -> &'static str {
        match self {
            Self::List => "--list",
            Self::Describe => "--describe",
            Self::Delete => "--delete",
            Self::ResetOffsets => "--reset-offsets",
            Self::DeleteOffsets => "--delete-offsets",
            Self::ValidateRegex => "--validate-regex",
        }
    }
}

fn action_of_word(word: &str) -> Result<Action, Failure> {
    const WORDS: [(&str, Action); 8] = [
        ("list", Action::List),
        ("ls", Action::List),
        ("describe", Action::Describe),
        ("delete", Action::Delete),
        ("rm", Action::Delete),
        ("reset", Action::ResetOffsets),
        ("reset-offsets", Action::ResetOffsets),
        ("delete-offsets", Action::DeleteOffsets),
    ];
    match WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, action)) => Ok(*action),
        None => {
            let failure = Failure::usage(format!("'{word}' is not an action of kgroups"));
            Err(match nearest(word, WORDS.map(|(known, _)| known)) {
                Some(similar) => failure.hint(format!("did you mean '{similar}'?")),
                None => failure.hint("one of list, describe, reset, delete, delete-offsets"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};

    fn parsed(line: &str) -> GroupsArgs {
        match read(std::iter::once("kgroups").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for line in [
            "--zookeeper z:2181 --list",
            "--bootstrap-server b:1 --new-consumer --describe --group g",
            "--bootstrap-server b:1 --list --state stable,empty --type classic,consumer --timeout 500",
            "--list --state --type",
            "--describe --all-groups --members --verbose --command-config f",
            "--describe --group a --group b --offsets --verbose",
            "--describe --group a --state",
            "--delete --group a --group b",
            "--delete-offsets --group a --topic t --topic u:0,1",
            "--reset-offsets --group a --topic t --to-earliest --dry-run",
            "--reset-offsets --group a --topic t:0 --shift-by -5 --execute",
            "--reset-offsets --group a --all-topics --to-offset -1",
            "--reset-offsets --all-groups --all-topics --by-duration P1DT2H --export",
            "--reset-offsets --group a --topic t --to-datetime 2026-11-21T06:00:00.000 --execute",
            "--reset-offsets --group a --from-file plan.csv",
            "--reset-offsets --group a --topic t --to-current --execute --export",
        ] {
            parsed(line).check().unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }

    #[test]
    fn words_do_what_the_options_do() {
        let args = parsed("describe billing mail --members");

        assert_eq!(args.action().expect("an action"), Action::Describe);
        assert_eq!(args.groups(), ["billing", "mail"]);
        assert_eq!(args.view(), View::Members);
        assert_eq!(parsed("ls").action().expect("an action"), Action::List);
        assert_eq!(parsed("reset g --to-latest").action().expect("an action"), Action::ResetOffsets);
    }

    #[test]
    fn verbose_asks_for_columns_and_v_for_the_log() {
        let args = parsed("--describe --group g --verbose");
        assert_eq!((args.detail(), args.common.verbose), (Detail::Verbose, 0));

        let args = parsed("--describe --group g -vv");
        assert_eq!((args.detail(), args.common.verbose), (Detail::Usual, 2));
    }

    #[test]
    fn a_misspelt_action_names_the_nearest_one() {
        let failure = parsed("desribe g").action().expect_err("no such action");

        assert!(failure.render(crate::error::ErrorStyle::Text).contains("did you mean 'describe'?"));
    }
}
