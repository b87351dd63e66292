//! `klogdirs`: what lies in the log directories of brokers.

use std::process::ExitCode;

use kinglet_cli::logdirs::args::LogDirsArgs;
use kinglet_cli::{logdirs, tool};

fn main() -> ExitCode {
    tool::run(|args: &LogDirsArgs| &args.common, logdirs::run::run)
}
