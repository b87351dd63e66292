//! `kperf`: what a cluster can bear, measured.

use std::process::ExitCode;

use kinglet_cli::perf::args::PerfArgs;
use kinglet_cli::{perf, tool};

fn main() -> ExitCode {
    tool::run(PerfArgs::common, perf::run::run)
}
