//! `kreassign`: moves partitions from broker to broker.

use std::process::ExitCode;

use kinglet_cli::reassign::args::ReassignArgs;
use kinglet_cli::{reassign, tool};

fn main() -> ExitCode {
    tool::run(|args: &ReassignArgs| &args.common, reassign::run::run)
}
