//! `kproduce`: every line of stdin becomes a record.

use std::process::ExitCode;

use kinglet_cli::produce::args::ProduceArgs;
use kinglet_cli::{produce, tool};

fn main() -> ExitCode {
    tool::run(|args: &ProduceArgs| &args.common, produce::run::run)
}
