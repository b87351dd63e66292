//! The options of `kapi`: those of kafka-broker-api-versions, and those of raw requests.

use clap::Parser;
use kinglet::protocol::ApiInfo;
use kinglet::{Target, TopicPartition};

use super::message;
use crate::args::CommonArgs;
use crate::error::Failure;

/// Show which APIs brokers serve in which versions, or send any request given as JSON.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kapi",
    display_name = "kinglet",
    version,
    after_help = "Requests and answers are Kafka's own JSON: names in camel case, ids as text, bytes as base64. Fields left out have their defaults.\n\n\
                  Examples:\n  kapi -b b1:9092\n  kapi list\n  kapi raw --api Metadata --json '{\"topics\": [{\"name\": \"orders\"}]}'\n  \
                  kapi raw --api DescribeGroups --group g --json '{\"groups\": [\"g\"]}'\n  kapi raw --api Fetch --api-version 12 --leader orders:0 --json @fetch.json"
)]
pub struct ApiArgs {
    /// What to do: versions (what every broker serves, the default), raw (send a request), list (what can be sent)
    #[arg(value_name = "ACTION")]
    pub word: Option<String>,

    /// The API of the request, by name or number
    #[arg(long, value_name = "NAME", help_heading = "Raw requests")]
    pub api: Option<String>,
    /// Its version; the best that both sides know if not given
    #[arg(long, value_name = "N", help_heading = "Raw requests")]
    pub api_version: Option<i16>,
    /// The request; @FILE reads a file, - standard input, which is also read when it is a pipe and this is not given
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, help_heading = "Raw requests")]
    pub json: Option<String>,
    /// Ask whoever answers, which is the default
    #[arg(long, group = "target", help_heading = "Raw requests")]
    pub any: bool,
    /// Ask the broker with this id
    #[arg(long, value_name = "ID", group = "target", help_heading = "Raw requests")]
    pub broker: Option<i32>,
    /// Ask the controller
    #[arg(long, group = "target", help_heading = "Raw requests")]
    pub controller: bool,
    /// Ask the coordinator of this group
    #[arg(long, value_name = "ID", group = "target", help_heading = "Raw requests")]
    pub group: Option<String>,
    /// Ask the coordinator of this transactional id
    #[arg(long, value_name = "ID", group = "target", help_heading = "Raw requests")]
    pub transactional_id: Option<String>,
    /// Ask the leader of this partition
    #[arg(long, value_name = "TOPIC:PARTITION", group = "target", help_heading = "Raw requests")]
    pub leader: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `kapi` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Show what every broker serves.
    Versions,
    /// Send a request.
    Raw,
    /// Show what can be sent.
    List,
}

impl ApiArgs {
    /// The action of the line; options of raw requests belong to `raw`.
    pub fn action(&self) -> Result<Action, Failure> {
        let raw = self.api.is_some() || self.api_version.is_some() || self.json.is_some();
        let action = match self.word.as_deref() {
            None if raw => Action::Raw,
            None | Some("versions") => Action::Versions,
            Some("raw") => Action::Raw,
            Some("list" | "ls") => Action::List,
            Some(other) => {
                return Err(Failure::usage(format!("'{other}' is no action of kapi"))
                    .hint("versions, raw or list; kapi --help shows all options"));
            }
        };
        if action != Action::Raw && raw {
            return Err(Failure::usage("--api, --api-version and --json belong to kapi raw"));
        }
        Ok(action)
    }

    /// The API that a raw request names, and the version if it names one that we know.
    pub fn wanted(&self) -> Result<(&'static ApiInfo, Option<i16>), Failure> {
        let Some(name) = self.api.as_deref() else {
            return Err(Failure::usage("no API is named").hint("kapi raw --api NAME; kapi list shows all"));
        };
        let api = message::find(name)?;
        match self.api_version {
            Some(version) if !api.versions.contains(version) => {
                let versions = format!("{} to {}", api.versions.first, api.versions.last);
                Err(Failure::usage(format!("{} has no version {version} here", api.key.name()))
                    .hint(format!("versions {versions} can be sent")))
            }
            version => Ok((api, version)),
        }
    }

    /// Who gets the request.
    pub fn target(&self) -> Result<Target, Failure> {
        if let Some(id) = self.broker {
            return Ok(Target::Broker(id));
        }
        if let Some(id) = &self.group {
            return Ok(Target::Group(id.clone()));
        }
        if let Some(id) = &self.transactional_id {
            return Ok(Target::TransactionalId(id.clone()));
        }
        if let Some(text) = &self.leader {
            let parts = text.rsplit_once(':').and_then(|(topic, n)| Some((topic, n.parse::<i32>().ok()?)));
            let Some((topic, partition)) = parts.filter(|(topic, n)| !topic.is_empty() && *n >= 0) else {
                return Err(Failure::usage(format!("--leader {text} is not TOPIC:PARTITION"))
                    .hint("--leader orders:0"));
            };
            return Ok(Target::Leader(TopicPartition::new(topic, partition)));
        }
        Ok(if self.controller { Target::Controller } else { Target::Any })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};

    fn parsed(line: &str) -> ApiArgs {
        match read(std::iter::once("kapi").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn without_a_word_the_versions_are_shown_as_kafkas_tool_does() {
        let action = |line| parsed(line).action();
        assert_eq!(action("--bootstrap-server b:1 --command-config f").ok(), Some(Action::Versions));
        assert_eq!(action("--api Metadata").ok(), Some(Action::Raw));
        assert_eq!(action("list").ok(), Some(Action::List));
        assert!(action("nosuch").is_err() && action("list --api Metadata").is_err());
    }

    #[test]
    fn a_target_is_one_of_several() {
        let target = |line| parsed(line).target();
        assert_eq!(target("raw").ok(), Some(Target::Any));
        assert_eq!(target("raw --broker 3").ok(), Some(Target::Broker(3)));
        assert_eq!(target("raw --controller").ok(), Some(Target::Controller));
        assert_eq!(target("raw --group g").ok(), Some(Target::Group("g".to_owned())));
        assert_eq!(target("raw --leader a:b:2").ok(), Some(Target::Leader(TopicPartition::new("a:b", 2))));
        assert!(target("raw --leader a").is_err() && target("raw --leader a:-1").is_err());
        let two = read::<ApiArgs>(["kapi", "raw", "--any", "--broker", "1"].map(Into::into));
        assert!(matches!(two, Line::Wrong(..)));
    }

    #[test]
    fn a_version_that_cannot_be_sent_is_refused_with_those_that_can() {
        assert!(parsed("raw --api metadata --api-version 9").wanted().is_ok());
        let failure = parsed("raw --api Metadata --api-version 99").wanted().expect_err("too high");
        assert!(failure.render(crate::error::ErrorStyle::Text).contains("versions 0 to 13"));
        assert!(parsed("raw").wanted().is_err());
    }
}
