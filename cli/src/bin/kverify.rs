//! `kverify`: what was sent and acknowledged, or read and committed, as JSON lines.

use std::process::ExitCode;

use kinglet_cli::verify::args::VerifyArgs;
use kinglet_cli::{tool, verify};

fn main() -> ExitCode {
    tool::run(VerifyArgs::common, verify::run::run)
}
