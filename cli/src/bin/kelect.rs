//! `kelect`: has leaders of partitions elected.

use std::process::ExitCode;

use kinglet_cli::elect::args::ElectArgs;
use kinglet_cli::{elect, tool};

fn main() -> ExitCode {
    tool::run(|args: &ElectArgs| &args.common, elect::run::run)
}
