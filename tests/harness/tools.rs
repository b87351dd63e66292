//! Our own tools, the way most tests use them: a topic with some partitions, a file of lines in, labelled lines out.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::binaries::Binaries;
use crate::process::{Input, RunError, run_ok};

/// For a million lines on a busy small machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Our tools, pointed at one cluster.
#[derive(Debug, Clone)]
pub struct Tools {
    binaries: Binaries,
    bootstrap: String,
}

impl Tools {
    /// Tools for the cluster behind that address, `kbroker` or Apache Kafka.
    pub fn new(binaries: Binaries, bootstrap: String) -> Self {
        Self { binaries, bootstrap }
    }

    /// The address they are pointed at.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A command for one of the tools, `--bootstrap-server` given; further arguments follow.
    pub fn command(&self, program: &str) -> Command {
        self.binaries.tool(program, &self.bootstrap)
    }

    /// Creates a topic; `options` are further arguments of `ktopics --create`.
    ///
    /// # Errors
    /// When `ktopics` fails.
    pub fn create_topic(&self, topic: &str, partitions: usize, options: &[&str]) -> Result<(), RunError> {
        let mut ktopics = self.command("ktopics");
        ktopics.args(["--create", "--topic", topic, "--partitions", &partitions.to_string()]);
        run_ok(ktopics.args(options), Input::Nothing, LIMIT).map(|_| ())
    }

    /// Sends every line of a file with `kproduce`; they are acked when this returns.
    ///
    /// # Errors
    /// When `kproduce` fails.
    pub fn produce(&self, topic: &str, codec: &str, file: &Path) -> Result<(), RunError> {
        let mut kproduce = self.command("kproduce");
        kproduce.args(["--topic", topic, "--compression-codec", codec]);
        run_ok(&mut kproduce, Input::File(file), LIMIT).map(|_| ())
    }

    /// Reads `count` records from the beginning with `kconsume`, each after `Partition:<number><TAB>`.
    ///
    /// # Errors
    /// When `kconsume` fails.
    pub fn consume_labelled(&self, topic: &str, count: u64) -> Result<Vec<u8>, RunError> {
        let mut kconsume = self.command("kconsume");
        kconsume.args(["--topic", topic, "--from-beginning", "--max-messages", &count.to_string()]);
        kconsume.args(["--property", "print.partition=true"]);
        Ok(run_ok(&mut kconsume, Input::Nothing, LIMIT)?.stdout)
    }
}
