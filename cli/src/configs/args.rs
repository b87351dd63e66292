//! The options of `kconfigs`: those of kafka-configs, but for the quotas and passwords of clients and users.

use std::path::PathBuf;

use clap::Parser;

use super::entity::{Entity, Kind};
use crate::args::CommonArgs;
use crate::error::Failure;

/// Show and change the configuration of topics, brokers, groups and client metrics, or explain a key.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kconfigs",
    display_name = "kinglet",
    version,
    after_help = "Examples:\n  kconfigs --describe --topic orders\n  kconfigs --alter --topic orders --add-config retention.ms=86400000,cleanup.policy=[compact,delete]\n  \
                  kconfigs --describe --entity-type brokers --entity-name 1 --all\n  kconfigs explain retention.ms"
)]
pub struct ConfigsArgs {
    /// The action as a word: describe, alter, explain
    #[arg(value_name = "ACTION", conflicts_with_all = ["describe", "alter"])]
    pub word: Option<String>,
    /// The key to explain
    #[arg(value_name = "KEY", requires = "word")]
    pub key: Option<String>,

    /// Show what is set
    #[arg(long, help_heading = "Actions")]
    pub describe: bool,
    /// Change it
    #[arg(long, help_heading = "Actions")]
    pub alter: bool,

    /// What is meant: topics, brokers, broker-loggers, groups, client-metrics
    #[arg(long, value_name = "TYPE", help_heading = "Scope")]
    pub entity_type: Vec<String>,
    /// Which one; without it --describe shows all
    #[arg(long, value_name = "NAME", help_heading = "Scope")]
    pub entity_name: Option<String>,
    /// What all brokers have that say nothing else
    #[arg(long, help_heading = "Scope")]
    pub entity_default: bool,
    /// A topic
    #[arg(long, value_name = "NAME", help_heading = "Scope")]
    pub topic: Option<String>,
    /// A broker
    #[arg(long, value_name = "ID", help_heading = "Scope")]
    pub broker: Option<String>,
    /// What all brokers have that say nothing else
    #[arg(long, help_heading = "Scope")]
    pub broker_defaults: bool,
    /// The loggers of a broker
    #[arg(long, value_name = "ID", help_heading = "Scope")]
    pub broker_logger: Option<String>,
    /// A group
    #[arg(long, value_name = "ID", help_heading = "Scope")]
    pub group: Option<String>,
    /// A subscription of metrics
    #[arg(long, value_name = "NAME", help_heading = "Scope")]
    pub client_metrics: Option<String>,

    /// Show also defaults and what brokers' files say
    #[arg(long)]
    pub all: bool,
    /// Keys to set; brackets hold values with commas together: a=1,b=[x,y]
    #[arg(long, value_name = "K=V,...")]
    pub add_config: Option<String>,
    /// Keys to set, as a properties file
    #[arg(long, value_name = "FILE")]
    pub add_config_file: Option<PathBuf>,
    /// Keys to forget
    #[arg(long, value_name = "K,...", value_delimiter = ',')]
    pub delete_config: Vec<String>,
    /// Accepted for old scripts
    #[arg(long, hide = true)]
    pub force: bool,

    /// Give up after this many milliseconds (10000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// `--describe`, of one entity or of all of a kind.
    Describe(Kind, Option<Entity>),
    /// `--alter`
    Alter(Kind, Entity),
    /// `explain`, of all keys if none is named.
    Explain(Option<&'a str>),
}

impl ConfigsArgs {
    /// What the line asks for.
    pub fn action(&self) -> Result<Action<'_>, Failure> {
        let (describe, alter) = match (self.word.as_deref(), self.key.as_deref()) {
            (Some("explain"), key) => return Ok(Action::Explain(key)),
            (Some("describe"), None) => (true, false),
            (Some("alter"), None) => (false, true),
            (Some("describe" | "alter"), Some(key)) => {
                return Err(Failure::usage(format!("'{key}' is one word too many")));
            }
            (Some(word), _) => {
                return Err(Failure::usage(format!("'{word}' is not an action of kconfigs"))
                    .hint("kconfigs describe, alter, or explain KEY"));
            }
            (None, _) => (self.describe, self.alter),
        };
        let (kind, name) = self.scope()?;
        let entity = name.map(|name| Entity::new(kind, name)).transpose()?;
        match (describe, alter) {
            (true, false) => {
                if let Some(option) = self.changing() {
                    let cause = format!("Option \"[describe]\" can't be used with option \"[{option}]\"");
                    return Err(Failure::usage("--describe changes nothing")
                        .cause(cause)
                        .hint("kconfigs --alter does"));
                }
                if kind == Kind::BrokerLoggers && entity.is_none() {
                    let cause = "An entity name must be specified with --describe of broker-loggers";
                    return Err(Failure::usage("which broker's loggers?").cause(cause));
                }
                Ok(Action::Describe(kind, entity))
            }
            (false, true) => {
                if self.add_config.is_some() && self.add_config_file.is_some() {
                    let cause = "Only one of --add-config or --add-config-file must be specified";
                    return Err(Failure::usage("what is to be set is said twice").cause(cause));
                }
                if self.changing().is_none() {
                    let cause = "At least one of --add-config, --add-config-file, or --delete-config must be specified \
                                 with --alter";
                    return Err(Failure::usage("nothing is to be altered").cause(cause));
                }
                entity.map(|entity| Action::Alter(kind, entity)).ok_or_else(|| {
                    let cause = match kind {
                        Kind::Brokers => {
                            "An entity-name or default entity must be specified with --alter of users, \
                                          clients, brokers or ips"
                                .to_owned()
                        }
                        kind => format!("An entity name must be specified with --alter of {}", kind.name()),
                    };
                    Failure::usage(format!("which of the {} is to be altered?", kind.name())).cause(cause)
                })
            }
            _ => Err(Failure::usage("exactly one action is needed")
                .cause("Command must include exactly one action: --describe, --alter")),
        }
    }

    /// The first option that changes something.
    fn changing(&self) -> Option<&'static str> {
        let options = [
            ("add-config", self.add_config.is_some()),
            ("add-config-file", self.add_config_file.is_some()),
            ("delete-config", !self.delete_config.is_empty()),
        ];
        options.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// The kind that is meant, and a name; the empty one is the brokers' default.
    fn scope(&self) -> Result<(Kind, Option<&str>), Failure> {
        let short = [
            (Kind::Topics, self.topic.as_deref()),
            (Kind::Brokers, self.broker.as_deref()),
            (Kind::Brokers, self.broker_defaults.then_some("")),
            (Kind::BrokerLoggers, self.broker_logger.as_deref()),
            (Kind::ClientMetrics, self.client_metrics.as_deref()),
            (Kind::Groups, self.group.as_deref()),
        ];
        let mut short = short.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
        let long = (self.entity_name.as_deref(), self.entity_default);
        match (&*self.entity_type, short.next(), short.next()) {
            ([], Some((kind, name)), None) if long == (None, false) => Ok((kind, Some(name))),
            ([kind], None, _) => {
                let kind = Kind::parse(kind)?;
                match long {
                    (_, true) if kind != Kind::Brokers => {
                        Err(Failure::usage(format!("{} have no default", kind.name())).cause(format!(
                            "--entity-default must not be specified with --describe of {}",
                            kind.name()
                        )))
                    }
                    (Some(_), true) => {
                        Err(Failure::usage("--entity-name is one broker and --entity-default all"))
                    }
                    (name, is_default) => Ok((kind, if is_default { Some("") } else { name })),
                }
            }
            ([], None, _) => Err(Failure::usage("what is meant?")
                .cause("At least one entity type must be specified")
                .hint("for example --topic NAME, or --entity-type brokers")),
            ([named], Some((kind, _)), _) if named == kind.name() => {
                Err(Failure::usage("one thing is named twice")
                    .cause(format!("Duplicate entity type(s) specified: {named}")))
            }
            (_, Some(_), _) => Err(Failure::usage("too many things are meant").cause(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            )),
            (_, None, _) => Err(Failure::usage("too many things are meant")
                .cause("Only 'users' and 'clients' entity types may be specified together")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::ErrorStyle;

    fn parsed(line: &str) -> ConfigsArgs {
        match read(std::iter::once("kconfigs").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn long_and_short_forms_mean_the_same() {
        let topic = || Entity::new(Kind::Topics, "t").expect("a name");
        let broker = |name| Entity::new(Kind::Brokers, name).expect("an id");
        for (line, action) in [
            (
                "--describe --entity-type topics --entity-name t",
                Action::Describe(Kind::Topics, Some(topic())),
            ),
            ("describe --topic t", Action::Describe(Kind::Topics, Some(topic()))),
            (
                "--describe --entity-type brokers --entity-default",
                Action::Describe(Kind::Brokers, Some(broker(""))),
            ),
            ("--describe --broker-defaults", Action::Describe(Kind::Brokers, Some(broker("")))),
            ("--describe --entity-type groups", Action::Describe(Kind::Groups, None)),
            ("--alter --broker 1 --delete-config a,b", Action::Alter(Kind::Brokers, broker("1"))),
            ("explain retention.ms", Action::Explain(Some("retention.ms"))),
            ("explain", Action::Explain(None)),
        ] {
            assert_eq!(parsed(line).action().expect(line), action, "{line}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_kafkas_words() {
        for (line, said) in [
            ("--describe", "At least one entity type must be specified"),
            ("--topic t", "Command must include exactly one action"),
            ("--alter --topic t", "At least one of --add-config"),
            (
                "--alter --entity-type topics --delete-config a",
                "An entity name must be specified with --alter of topics",
            ),
            (
                "--alter --entity-type brokers --delete-config a",
                "An entity-name or default entity must be specified",
            ),
            ("--describe --entity-type topics --topic t", "Duplicate entity type(s) specified: topics"),
            ("--describe --entity-name u --topic t", "should not be used in conjunction"),
            (
                "--describe --topic t --add-config a=b",
                "Option \"[describe]\" can't be used with option \"[add-config]\"",
            ),
            (
                "--alter --topic t --add-config a=b --add-config-file f",
                "Only one of --add-config or --add-config-file must be specified",
            ),
            ("--describe --entity-type topics --entity-default", "--entity-default must not be specified"),
            (
                "--describe --entity-type broker-loggers",
                "An entity name must be specified with --describe of broker-loggers",
            ),
            ("--describe --entity-type nosuch", "Invalid entity type nosuch"),
            ("--describe --broker x", "must be a valid integer broker id, but it is: x"),
            ("--describe --entity-type users", "kafka-configs"),
        ] {
            let failure = parsed(line).action().expect_err(line).render(ErrorStyle::Text);
            assert!(failure.contains(said), "{line}: {failure}");
        }
    }
}
