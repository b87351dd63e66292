//! The tools with a file of lines: in by pipe, out to a file, compared.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, Jvm, Tool};
use kinglet_harness::kcat::Kcat;
use kinglet_harness::process::{Input, run_ok};
use kinglet_harness::text::{LineFile, LineSet};

use crate::Fallible;

const LIMIT: Duration = Duration::from_secs(300);

/// The tools of all sides, as far as they are here.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Ours.
    pub(crate) binaries: Binaries,
    /// Apache Kafka's.
    pub(crate) jars: Option<Jars>,
    /// kcat.
    pub(crate) kcat: Option<Kcat>,
}

/// A command that ends by itself, in seconds.
pub(crate) fn seconds(command: &mut Command) -> Fallible<f64> {
    let started = Instant::now();
    run_ok(command, Input::Nothing, LIMIT)?;
    Ok(started.elapsed().as_secs_f64())
}

/// `cat file | command`, in seconds.
pub(crate) fn seconds_in(file: &LineFile, command: &Command) -> Fallible<f64> {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"cat "$0" | exec "$@""#]).arg(file.path());
    seconds(shell.arg(command.get_program()).args(command.get_args()))
}

/// `command > file`, in seconds; they count only when the lines are the wanted ones.
pub(crate) fn seconds_out(command: &Command, out: &Path, wanted: LineSet) -> Fallible<f64> {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"exec "$@" > "$0""#]).arg(out);
    let seconds = seconds(shell.arg(command.get_program()).args(command.get_args()))?;
    let read = LineSet::of(&std::fs::read(out)?);
    std::fs::remove_file(out)?;
    if read == wanted {
        Ok(seconds)
    } else {
        Err(format!("{command:?}: wanted {wanted}, read {read}").into())
    }
}

impl Tools {
    /// Our tool; further arguments follow.
    pub(crate) fn ours(&self, program: &str, bootstrap: &str, topic: &str) -> Command {
        let mut command = self.binaries.tool(program, bootstrap);
        command.args(["--topic", topic]);
        command
    }

    /// `kconsume` from the beginning to the last line.
    pub(crate) fn kconsume(&self, bootstrap: &str, topic: &str, count: u64) -> Command {
        let mut command = self.ours("kconsume", bootstrap, topic);
        command.args(["--from-beginning", "--max-messages", &count.to_string()]);
        command
    }

    /// Apache Kafka's tool as its scripts start it, if it is here; further arguments follow.
    pub(crate) fn kafkas(&self, tool: Tool, bootstrap: &str) -> Option<Command> {
        let mut command = self.jars.as_ref()?.tool(tool, Jvm::AsShipped);
        command.args(["--bootstrap-server", bootstrap]);
        Some(command)
    }

    /// kcat, if it is here; further arguments follow.
    pub(crate) fn kcat(&self, bootstrap: &str, options: &[&str]) -> Option<Command> {
        let mut command = self.kcat?.command(bootstrap);
        command.args(options);
        Some(command)
    }
}
