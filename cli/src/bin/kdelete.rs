//! `kdelete`: deletes the oldest records of partitions.

use std::process::ExitCode;

use kinglet_cli::records::args::DeleteArgs;
use kinglet_cli::{records, tool};

fn main() -> ExitCode {
    tool::run(|args: &DeleteArgs| &args.common, records::run::run)
}
