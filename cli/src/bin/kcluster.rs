//! `kcluster`: the id of a cluster, the addresses of its brokers and controllers, and brokers that are to be forgotten.

use std::process::ExitCode;

use kinglet_cli::cluster::args::ClusterArgs;
use kinglet_cli::{cluster, tool};

fn main() -> ExitCode {
    tool::run(|args: &ClusterArgs| &args.common, cluster::run::run)
}
