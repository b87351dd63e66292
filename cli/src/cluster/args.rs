//! The options of `kcluster`: those of kafka-cluster.

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;
use crate::session::ServersArgs;

/// Show a cluster's id and the addresses of its nodes, or have it forget a broker.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kcluster",
    display_name = "kinglet",
    version,
    mut_arg("command_config", |arg| arg.alias("config").short('c')),
    mut_arg("bootstrap_controller", |arg| arg.short('C')),
    after_help = "Examples:\n  kcluster cluster-id\n  kcluster list-endpoints --bootstrap-server b1:9092 --include-fenced-brokers\n  \
                  kcluster unregister --id 3"
)]
pub struct ClusterArgs {
    /// The action: cluster-id, list-endpoints, unregister
    #[arg(value_name = "ACTION")]
    pub word: Option<String>,

    /// The broker to forget
    #[arg(short, long, value_name = "ID")]
    pub id: Option<i32>,
    /// Show also brokers that are registered but not alive
    #[arg(long)]
    pub include_fenced_brokers: bool,

    /// Whom it asks.
    #[command(flatten)]
    pub servers: ServersArgs,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `cluster-id`
    Id,
    /// `list-endpoints`
    Endpoints,
    /// `unregister`
    Unregister(i32),
}

impl ClusterArgs {
    /// What the line asks for.
    pub fn action(&self) -> Result<Action, Failure> {
        let action = match (self.word.as_deref(), self.id) {
            (Some("cluster-id"), None) => Action::Id,
            (Some("list-endpoints"), None) => Action::Endpoints,
            (Some("unregister"), Some(id)) => Action::Unregister(id),
            (Some("unregister"), None) => {
                return Err(Failure::usage("unregister needs --id").cause("argument --id/-i is required"));
            }
            (Some("cluster-id" | "list-endpoints"), Some(_)) => {
                return Err(Failure::usage("--id goes with unregister only"));
            }
            (Some(word), _) => {
                return Err(Failure::usage(format!("'{word}' is not an action of kcluster"))
                    .hint("kcluster cluster-id, kcluster list-endpoints, or kcluster unregister --id N"));
            }
            (None, _) => {
                return Err(Failure::usage("no action is named").hint("kcluster cluster-id"));
            }
        };
        if self.include_fenced_brokers
            && (action != Action::Endpoints || self.servers.bootstrap_controller.is_some())
        {
            let cause =
                "The option --include-fenced-brokers is only supported with --bootstrap-server option";
            return Err(
                Failure::usage("--include-fenced-brokers goes with list-endpoints of brokers").cause(cause)
            );
        }
        Ok(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};

    fn action(line: &str) -> Result<Action, Failure> {
        match read::<ClusterArgs>(std::iter::once("kcluster").chain(line.split_whitespace()).map(Into::into))
        {
            Line::Run(args) => args.action(),
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn the_lines_of_kafka_cluster_are_read() {
        assert_eq!(action("cluster-id -b h:1 --config f").expect("an action"), Action::Id);
        assert_eq!(action("list-endpoints -C c:1 -c f").expect("an action"), Action::Endpoints);
        assert_eq!(action("unregister -i 3").expect("an action"), Action::Unregister(3));
        for line in [
            "",
            "cluster",
            "unregister",
            "cluster-id --id 3",
            "list-endpoints -C c:1 --include-fenced-brokers",
        ] {
            assert!(action(line).is_err(), "{line}");
        }
    }
}
