//! `kquorum`: the metadata quorum of a cluster, its leader and how far its members are.

use std::process::ExitCode;

use kinglet_cli::quorum::args::QuorumArgs;
use kinglet_cli::{quorum, tool};

fn main() -> ExitCode {
    tool::run(|args: &QuorumArgs| &args.common, quorum::run::run)
}
