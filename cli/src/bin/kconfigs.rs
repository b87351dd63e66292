//! `kconfigs`: configurations of topics, brokers, groups and client metrics, and what their keys mean.

use std::process::ExitCode;

use kinglet_cli::configs::args::ConfigsArgs;
use kinglet_cli::{configs, tool};

fn main() -> ExitCode {
    tool::run(|args: &ConfigsArgs| &args.common, configs::run::run)
}
