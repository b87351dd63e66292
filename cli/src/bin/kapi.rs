//! `kapi`: what brokers serve, and any request of the protocol given as JSON.

use std::process::ExitCode;

use kinglet_cli::api::args::ApiArgs;
use kinglet_cli::{api, tool};

fn main() -> ExitCode {
    tool::run(|args: &ApiArgs| &args.common, api::run::run)
}
