//! `kgroups`: list, describe and delete consumer groups, reset and delete their offsets.

use std::process::ExitCode;

use kinglet_cli::groups::args::GroupsArgs;
use kinglet_cli::{groups, tool};

fn main() -> ExitCode {
    tool::run(|args: &GroupsArgs| &args.common, groups::run::run)
}
