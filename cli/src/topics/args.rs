//! The options of `ktopics`: those of kafka-topics from 0.9 to 4.3, and the short sub-command style.

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;
use crate::settings::split_pair;

/// Create, list, describe, alter and delete topics.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "ktopics",
    display_name = "kinglet",
    version,
    after_help = "Examples:\n  ktopics create orders -p 3\n  ktopics ls\n  ktopics --bootstrap-server b1:9092 --describe --topic 'orders.*'"
)]
pub struct TopicsArgs {
    /// The action as a word: create, list (ls), describe, alter, delete (rm)
    #[arg(value_name = "ACTION", conflicts_with_all = ["create", "list", "describe", "alter", "delete"])]
    pub word: Option<String>,

    /// The topic, as --topic
    #[arg(value_name = "TOPIC", conflicts_with = "topic")]
    pub word_topic: Option<String>,

    /// Create the topic
    #[arg(long, help_heading = "Actions")]
    pub create: bool,
    /// List the names of all topics
    #[arg(long, help_heading = "Actions")]
    pub list: bool,
    /// Show partitions, leaders, replicas and changed configuration
    #[arg(long, help_heading = "Actions")]
    pub describe: bool,
    /// Add partitions, or change configuration
    #[arg(long, help_heading = "Actions")]
    pub alter: bool,
    /// Delete the topics and what they hold
    #[arg(long, help_heading = "Actions")]
    pub delete: bool,

    /// The topic; a regular expression for all but create (a topic of exactly this name comes first)
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Describe the topic of this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["topic", "word_topic"])]
    pub topic_id: Option<String>,
    /// Number of partitions; the broker's default if not given
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub partitions: Option<i32>,
    /// Replicas of each partition; the broker's default if not given
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub replication_factor: Option<i32>,
    /// Brokers of each partition: ',' between partitions, ':' between replicas
    #[arg(long, value_name = "1:2,2:3", conflicts_with = "replication_factor")]
    pub replica_assignment: Option<String>,
    /// Topic configuration for create and alter, may be repeated
    #[arg(short = 'c', long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    /// Back to the default, for alter, may be repeated
    #[arg(long, value_name = "KEY")]
    pub delete_config: Vec<String>,
    /// No error if the topic does not exist
    #[arg(long)]
    pub if_exists: bool,
    /// No error if the topic exists
    #[arg(long)]
    pub if_not_exists: bool,

    /// Only partitions with replicas that are not in sync
    #[arg(long, help_heading = "Describe")]
    pub under_replicated_partitions: bool,
    /// Only partitions without a live leader
    #[arg(long, help_heading = "Describe")]
    pub unavailable_partitions: bool,
    /// Only partitions with fewer replicas in sync than min.insync.replicas
    #[arg(long, help_heading = "Describe")]
    pub under_min_isr_partitions: bool,
    /// Only partitions with exactly min.insync.replicas in sync
    #[arg(long, help_heading = "Describe")]
    pub at_min_isr_partitions: bool,
    /// Only the header lines of topics with changed configuration
    #[arg(long, help_heading = "Describe")]
    pub topics_with_overrides: bool,
    /// Leave out internal topics such as __consumer_offsets
    #[arg(long)]
    pub exclude_internal: bool,

    /// Delete what a pattern matches without asking on a terminal
    #[arg(long)]
    pub yes: bool,

    /// Give up after this many milliseconds (10000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    #[arg(long, hide = true)]
    disable_rack_aware: bool,
    #[arg(long, hide = true)]
    force: bool,
    #[arg(long, hide = true)]
    partition_size_limit_per_response: Option<i32>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `ktopics` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `--create`
    Create,
    /// `--list`
    List,
    /// `--describe`
    Describe,
    /// `--alter`
    Alter,
    /// `--delete`
    Delete,
}

/// The brokers of each partition, by partition number.
pub type Assignment = Vec<Vec<i32>>;

impl TopicsArgs {
    /// The one action of the line.
    pub fn action(&self) -> Result<Action, Failure> {
        if let Some(word) = &self.word {
            return action_of_word(word);
        }
        let flags = [
            (self.create, Action::Create),
            (self.list, Action::List),
            (self.describe, Action::Describe),
            (self.alter, Action::Alter),
            (self.delete, Action::Delete),
        ];
        let mut given = flags.into_iter().filter(|(set, _)| *set).map(|(_, action)| action);
        match (given.next(), given.next()) {
            (Some(action), None) => Ok(action),
            _ => Err(Failure::usage("the command must include exactly one action")
                .cause("Command must include exactly one action: --list, --describe, --create, --alter or --delete")
                .hint("for example: ktopics --list")),
        }
    }

    /// The topic by option or by word.
    pub fn topic_text(&self) -> Option<&str> {
        self.topic.as_deref().or(self.word_topic.as_deref())
    }

    /// The topic of an action that needs one.
    pub fn required_topic(&self) -> Result<&str, Failure> {
        self.topic_text().ok_or_else(|| Failure::usage("no topic is named").hint("add --topic NAME"))
    }

    /// Checks of the whole line that need no server.
    pub fn check(&self) -> Result<(), Failure> {
        let action = self.action()?;
        self.check_fitting(action)?;
        if self.partitions.is_some_and(|count| count < 1) {
            return Err(
                Failure::usage("--partitions is too small").cause("The partitions must be greater than 0")
            );
        }
        if self.replication_factor.is_some_and(|count| !(1..=i32::from(i16::MAX)).contains(&count)) {
            let cause = "The replication factor must be between 1 and 32767 inclusive";
            return Err(Failure::usage("--replication-factor is out of range").cause(cause));
        }
        if action == Action::Create && self.partitions.is_some() && self.replica_assignment.is_some() {
            return Err(Failure::usage("--replica-assignment and --partitions exclude each other")
                .hint("the assignment gives the count"));
        }
        Ok(())
    }

    fn check_fitting(&self, action: Action) -> Result<(), Failure> {
        use Action::{Alter, Create, Delete, Describe, List};
        let rules: [(bool, &str, &[Action]); 13] = [
            (self.partitions.is_some(), "partitions", &[Create, Alter]),
            (self.replication_factor.is_some(), "replication-factor", &[Create]),
            (self.replica_assignment.is_some(), "replica-assignment", &[Create, Alter]),
            (!self.config.is_empty(), "config", &[Create, Alter]),
            (!self.delete_config.is_empty(), "delete-config", &[Alter]),
            (self.if_exists, "if-exists", &[Alter, Delete, Describe]),
            (self.if_not_exists, "if-not-exists", &[Create]),
            (self.under_replicated_partitions, "under-replicated-partitions", &[Describe]),
            (self.unavailable_partitions, "unavailable-partitions", &[Describe]),
            (self.under_min_isr_partitions, "under-min-isr-partitions", &[Describe]),
            (self.at_min_isr_partitions, "at-min-isr-partitions", &[Describe]),
            (self.topics_with_overrides, "topics-with-overrides", &[Describe]),
            (self.exclude_internal, "exclude-internal", &[List, Describe]),
        ];
        match rules.iter().find(|(given, _, actions)| *given && !actions.contains(&action)) {
            Some((_, option, _)) => {
                Err(Failure::usage(format!("--{option} does not go with {}", action.option())).cause(
                    format!(
                        "Option \"[{}]\" can't be used with option \"[{option}]\"",
                        action.option().trim_start_matches('-')
                    ),
                ))
            }
            None => Ok(()),
        }
    }

    /// The `--config` pairs.
    pub fn config_pairs(&self) -> Result<Vec<(String, String)>, Failure> {
        self.config
            .iter()
            .map(|word| {
                let (key, value) = split_pair("--config", word)?;
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            })
            .collect()
    }

    /// The `--replica-assignment`, if given.
    pub fn assignment(&self) -> Result<Option<Assignment>, Failure> {
        self.replica_assignment.as_deref().map(parse_assignment).transpose()
    }
}

impl Action {
    /// As on the command line.
    pub fn option(self) -> &'static str {
        match self {
            Self::Create => "--create",
            Self::List => "--list",
            Self::Describe => "--describe",
            Self::Alter => "--alter",
            Self::Delete => "--delete",
        }
    }
}

fn action_of_word(word: &str) -> Result<Action, Failure> {
    const WORDS: [(&str, Action); 7] = [
        ("create", Action::Create),
        ("list", Action::List),
        ("ls", Action::List),
        ("describe", Action::Describe),
        ("alter", Action::Alter),
        ("delete", Action::Delete),
        ("rm", Action::Delete),
    ];
    match WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, action)) => Ok(*action),
        None => {
            let failure = Failure::usage(format!("'{word}' is not an action of ktopics"));
            Err(match crate::error::nearest(word, WORDS.map(|(known, _)| known)) {
                Some(similar) => failure.hint(format!("did you mean '{similar}'?")),
                None => failure.hint("one of create, list, describe, alter, delete"),
            })
        }
    }
}

fn parse_assignment(text: &str) -> Result<Assignment, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("--replica-assignment '{text}': {why}"))
            .hint("for example 1:2,2:3 for two partitions")
    };
    let partitions: Assignment = text
        .split(',')
        .map(|replicas| {
            replicas
                .split(':')
                .map(|id| id.trim().parse().map_err(|_| wrong("not a list of broker ids")))
                .collect()
        })
        .collect::<Result<_, _>>()?;
    for replicas in &partitions {
        if (1..replicas.len()).any(|i| replicas[..i].contains(&replicas[i])) {
            return Err(wrong("a broker is named twice for one partition"));
        }
    }
    if partitions.iter().any(|replicas| replicas.len() != partitions[0].len()) {
        return Err(wrong("the partitions have different replication factors"));
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::Exit;

    fn parsed(line: &str) -> TopicsArgs {
        match read(std::iter::once("ktopics").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for line in [
            "--zookeeper z:2181 --create --topic t --partitions 1 --replication-factor 1 --disable-rack-aware",
            "--zookeeper z:2181 --delete --topic t --force --if-exists",
            "--bootstrap-server b:1 --create --topic t --replica-assignment 1:2,2:3 --config a=b --config c=d --if-not-exists",
            "--bootstrap-server b:1 --list --exclude-internal --command-config f",
            "--bootstrap-server b:1 --describe --topic-id HcQtgME_QIWOS7lv2CqhlQ --partition-size-limit-per-response 10",
            "--describe --under-replicated-partitions --unavailable-partitions --under-min-isr-partitions --at-min-isr-partitions",
            "--describe --topics-with-overrides",
            "--alter --topic t --partitions=5 --config a=b --delete-config c --if-exists",
        ] {
            parsed(line).check().unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }

    #[test]
    fn words_do_what_the_options_do() {
        let args = parsed("create demo -p 3 -r 2");

        assert_eq!(args.action().expect("an action"), Action::Create);
        assert_eq!(
            (args.required_topic().expect("a topic"), args.partitions, args.replication_factor),
            ("demo", Some(3), Some(2))
        );
        assert_eq!(parsed("ls").action().expect("an action"), Action::List);
    }

    #[test]
    fn a_misspelt_action_names_the_nearest_one() {
        let failure = parsed("desribe t").action().expect_err("no such action");

        assert!(failure.render(crate::error::ErrorStyle::Text).contains("did you mean 'describe'?"));
    }

    #[test]
    fn none_or_two_actions_are_a_usage_error() {
        for line in ["", "--list --describe"] {
            assert_eq!(parsed(line).action().expect_err("not one action").exit(), Exit::Usage, "{line}");
        }
    }

    #[test]
    fn an_option_of_another_action_is_a_usage_error() {
        for line in
            ["--list --partitions 3", "--delete --topic t --config a=b", "--create --topic t --if-exists"]
        {
            assert_eq!(parsed(line).check().expect_err("does not fit").exit(), Exit::Usage, "{line}");
        }
    }

    #[test]
    fn counts_below_one_are_refused_in_kafkas_words() {
        let text = parsed("--create --topic t --partitions 0")
            .check()
            .expect_err("zero")
            .render(crate::error::ErrorStyle::Text);
        assert!(text.contains("The partitions must be greater than 0"), "{text}");

        let text = parsed("--create --topic t --replication-factor -1")
            .check()
            .expect_err("negative")
            .render(crate::error::ErrorStyle::Text);
        assert!(text.contains("The replication factor must be between 1 and 32767 inclusive"), "{text}");
    }

    #[test]
    fn an_assignment_gives_the_brokers_of_each_partition() {
        assert_eq!(parse_assignment("1:2,2:3,3:1").expect("valid"), [[1, 2], [2, 3], [3, 1]]);
        for text in ["1:1", "1:2,3", "a", "", "1:2,"] {
            assert!(parse_assignment(text).is_err(), "{text}");
        }
    }
}
