//! The options of `klogdirs`: those of kafka-log-dirs.

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;

/// Show the log directories of brokers, and how large what lies in them is.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "klogdirs",
    display_name = "kinglet",
    version,
    mut_arg("bootstrap_server", |arg| arg.visible_alias(None::<&'static str>)),
    after_help = "Examples:\n  klogdirs\n  klogdirs --bootstrap-server b1:9092 --describe --broker-list 1,2 --topic-list orders"
)]
pub struct LogDirsArgs {
    /// Accepted for old scripts: it is all this tool does
    #[arg(long)]
    pub describe: bool,
    /// The ids of the brokers to ask (all)
    #[arg(long, value_name = "ID,...", default_value = "", hide_default_value = true)]
    pub broker_list: String,
    /// The topics to show the replicas of (all)
    #[arg(long, value_name = "TOPIC,...", default_value = "", hide_default_value = true)]
    pub topic_list: String,

    /// Give up after this many milliseconds (10000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl LogDirsArgs {
    /// The brokers that are named; none means all.
    pub fn brokers(&self) -> Result<Vec<i32>, Failure> {
        let ids = parts(&self.broker_list).map(|id| {
            id.parse().map_err(|_| {
                Failure::usage(format!("'{id}' in --broker-list is no broker's id")).hint("for example 1,2,3")
            })
        });
        ids.collect()
    }

    /// The topics that are named; none means all.
    pub fn topics(&self) -> Vec<&str> {
        parts(&self.topic_list).collect()
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};

    #[test]
    fn the_lists_hold_ids_and_topics() {
        let words = ["klogdirs", "-b", "h:1", "--describe", "--broker-list", "2,1,", "--topic-list", "a,b"];
        let Line::Run(args) = read::<LogDirsArgs>(words.map(Into::into)) else { panic!("refused") };

        assert_eq!((args.brokers().expect("ids"), args.topics()), (vec![2, 1], vec!["a", "b"]));
        assert_eq!(args.common.bootstrap_server.as_deref(), Some("h:1"));
        assert!(LogDirsArgs { broker_list: "h:9092".to_owned(), ..args }.brokers().is_err());
    }
}
