//! The options of `kelect`: those of kafka-leader-election, and of kafka-preferred-replica-election before it.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::args::CommonArgs;
use crate::error::{Failure, Manner};

/// Have leaders of partitions elected; without options the preferred leaders of all.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kelect",
    display_name = "kinglet",
    version,
    after_help = "The file: {\"partitions\": [{\"topic\": \"orders\", \"partition\": 1}]}\n\n\
                  Examples:\n  kelect\n  kelect --topic orders --partition 1\n  \
                  kelect --bootstrap-server b1:9092 --election-type unclean --path-to-json-file partitions.json"
)]
pub struct ElectArgs {
    /// Who is elected: the preferred leader, or where there is none any replica that is alive (preferred)
    #[arg(long, value_enum, ignore_case = true, value_name = "TYPE")]
    pub election_type: Option<ElectionChoice>,

    /// All partitions of the cluster
    #[arg(long, help_heading = "Scope")]
    pub all_topic_partitions: bool,
    /// One partition of this topic
    #[arg(long, value_name = "TOPIC", help_heading = "Scope")]
    pub topic: Option<String>,
    /// Its number
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Scope")]
    pub partition: Option<i32>,
    /// The partitions as JSON; - reads standard input
    #[arg(long, value_name = "FILE", help_heading = "Scope")]
    pub path_to_json_file: Option<PathBuf>,

    /// Do not ask before an unclean election
    #[arg(short, long)]
    pub yes: bool,
    /// Give up after this many milliseconds (10000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `--election-type` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ElectionChoice {
    /// The first replica, if it is in sync
    Preferred,
    /// Any replica that is alive: records that only others have are lost
    Unclean,
}

/// Which partitions the line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All there are.
    All,
    /// A partition of a topic.
    One(&'a str, i32),
    /// Those in a file.
    File(&'a PathBuf),
}

impl ElectArgs {
    /// Which partitions the line means. As with kafka-preferred-replica-election, no option means all; a line that is meant
    /// for kafka-leader-election has to say so, and so has one that may lose records.
    pub fn scope(&self) -> Result<Scope<'_>, Failure> {
        let wrong = |message: &str, cause: &str| Failure::usage(message.to_owned()).cause(cause);
        match (&self.topic, self.partition, self.all_topic_partitions, &self.path_to_json_file) {
            (Some(topic), Some(partition), false, None) => Ok(Scope::One(topic, partition)),
            (Some(_), None, false, None) => {
                Err(wrong("--topic needs --partition", "Missing required option(s): partition"))
            }
            (None, Some(_), is_all, path) if is_all || path.is_some() => {
                Err(wrong("--partition needs --topic", "Option partition is only allowed if topic is used"))
            }
            (None, None, true, None) => Ok(Scope::All),
            (None, None, false, Some(path)) => Ok(Scope::File(path)),
            (None, None, false, None) if self.may_be_all() => Ok(Scope::All),
            _ => Err(wrong(
                "it is not clear which partitions are meant",
                "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file",
            )),
        }
    }

    fn may_be_all(&self) -> bool {
        match self.election_type {
            None => true,
            Some(ElectionChoice::Preferred) => self.common.manner() == Manner::Kinglet,
            Some(ElectionChoice::Unclean) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::ErrorStyle;

    fn parsed(line: &str) -> ElectArgs {
        match read(std::iter::once("kelect").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn no_option_means_all_unless_the_line_is_kafka_leader_elections() {
        for line in
            ["", "--compat", "--election-type preferred", "--election-type PREFERRED --all-topic-partitions"]
        {
            assert_eq!(parsed(line).scope().expect("a scope"), Scope::All, "{line}");
        }
        for line in [
            "--election-type preferred --compat",
            "--election-type unclean",
            "--topic t --partition 0 --all-topic-partitions",
        ] {
            let failure = parsed(line).scope().expect_err(line).render(ErrorStyle::Text);
            assert!(failure.contains("One and only one of the following options is required"), "{failure}");
        }
    }

    #[test]
    fn a_topic_and_a_partition_belong_together() {
        assert_eq!(parsed("--topic t --partition 2").scope().expect("a scope"), Scope::One("t", 2));
        for (line, said) in [
            ("--topic t", "Missing required option(s): partition"),
            ("--partition 0", "One and only one of the following options is required: topic"),
            ("--partition 0 --all-topic-partitions", "Option partition is only allowed if topic is used"),
        ] {
            let failure = parsed(line).scope().expect_err(line).render(ErrorStyle::Text);
            assert!(failure.contains(said), "{failure}");
        }
    }
}
