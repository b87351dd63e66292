//! `kconsume`: records to stdout.

use std::process::ExitCode;

use kinglet_cli::consume::args::ConsumeArgs;
use kinglet_cli::{consume, tool};

fn main() -> ExitCode {
    tool::run(|args: &ConsumeArgs| &args.common, consume::run::run)
}
