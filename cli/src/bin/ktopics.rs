//! `ktopics`: create, list, describe, alter and delete topics.

use std::process::ExitCode;

use kinglet_cli::topics::args::TopicsArgs;
use kinglet_cli::{tool, topics};

fn main() -> ExitCode {
    tool::run(|args: &TopicsArgs| &args.common, topics::run::run)
}
