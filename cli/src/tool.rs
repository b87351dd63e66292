//! What every binary does around its work: read the line, run, say what failed, exit with the right code.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{self, CommonArgs, Line, plain_error_style};
use crate::error::{Exit, Failure, Manner};
use crate::warnings::Warnings;

/// Runs a tool with the process's own command line.
pub fn run<T: Parser>(common_of: fn(&T) -> &CommonArgs, work: fn(&T) -> Result<Exit, Failure>) -> ExitCode {
    let line = match args::read::<T>(std::env::args_os()) {
        Line::Run(line) => line,
        Line::Answer(text) => {
            // A reader that went away before the help was printed is no failure of ours.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return Exit::Done.code(Manner::Kinglet);
        }
        Line::Wrong(failure, manner) => {
            say(failure.render(plain_error_style()));
            return failure.exit().code(manner);
        }
    };
    let common = common_of(&line);
    log_to_stderr(common.verbose);
    match work(&line) {
        Ok(exit) => exit.code(common.manner()),
        Err(failure) => {
            say(failure.render(common.error_style()));
            failure.exit().code(common.manner())
        }
    }
}

/// Text for stderr, as it is: whoever calls ends the line.
pub fn say(text: impl fmt::Display) {
    // Rust ignores SIGPIPE, so `eprint!` would panic when stderr's reader is gone. Then nobody is left to tell,
    // and the work and its exit code stay what they are.
    let _ = write!(std::io::stderr(), "{text}");
}

/// One line of warning on stderr.
pub fn warn(text: &str) {
    say(format_args!("warning: {text}\n"));
}

/// Asks a person on the terminal; anything but y is no.
pub fn confirmed(question: &str) -> bool {
    say(format_args!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}

/// Says which options do nothing, so that nobody waits for their effect.
pub fn warn_without_effect(options: &[&str]) {
    for option in options {
        warn(&format!("{option} has no effect"));
    }
}

/// Setting up a whole log costs a good part of the start-up, so that happens only when asked for.
fn log_to_stderr(verbose: u8) {
    let asked = std::env::var("KAFKA_LOG").ok().filter(|filter| !filter.is_empty());
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    if verbose > 0 || asked.is_some() {
        let filter = EnvFilter::new(asked.unwrap_or_else(|| level.to_owned()));
        // It would tell on stderr, by a panic, that stderr cannot be written to.
        let log = tracing_subscriber::fmt().log_internal_errors(false);
        log.with_env_filter(filter).with_writer(std::io::stderr).init();
    } else {
        Warnings::install();
    }
}
