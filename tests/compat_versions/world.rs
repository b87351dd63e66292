//! One broker, a release's Java client and our tools, both pointed at it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Kafka, Release};
use kinglet_harness::process::{Input, run, run_ok};
use kinglet_harness::tools::Tools;
use tempfile::TempDir;

use crate::java_client::JavaClient;
use crate::material::Material;

/// Partitions of every topic; `num.partitions` of every broker here, too.
pub(crate) const PARTITIONS: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);

/// Ok: what the table says. Err: everything known about the failure.
pub(crate) type Cell = Result<String, String>;

pub(crate) struct World {
    pub(crate) release: Release,
    pub(crate) jars: Jars,
    pub(crate) java: JavaClient,
    pub(crate) tools: Tools,
    pub(crate) material: Material,
    _broker: Broker,
    // After the broker, which writes there.
    folder: TempDir,
}

enum Broker {
    Theirs { _kafka: Kafka },
    Ours { _kbroker: Kbroker },
}

impl World {
    /// Around a broker of that release.
    pub(crate) fn theirs(jars: &Jars, binaries: &Binaries) -> Self {
        let kafka =
            Kafka::start(jars).unwrap_or_else(|error| panic!("Apache Kafka {}: {error}", jars.release()));
        let bootstrap = kafka.bootstrap();
        Self::around(jars, binaries, bootstrap, Broker::Theirs { _kafka: kafka }, folder())
    }

    /// Around our broker.
    pub(crate) fn ours(jars: &Jars, binaries: &Binaries) -> Self {
        let folder = folder();
        let options = ["--override", "num.partitions=3"];
        let kbroker =
            Kbroker::start(binaries, &folder.path().join("data"), &options).expect("kbroker starts");
        let bootstrap = kbroker.bootstrap();
        Self::around(jars, binaries, bootstrap, Broker::Ours { _kbroker: kbroker }, folder)
    }

    fn around(jars: &Jars, binaries: &Binaries, bootstrap: String, broker: Broker, folder: TempDir) -> Self {
        Self {
            release: jars.release(),
            jars: jars.clone(),
            java: JavaClient::start(jars, &bootstrap),
            tools: Tools::new(binaries.clone(), bootstrap),
            material: Material::write(folder.path(), jars.release()).expect("the lines are written"),
            _broker: broker,
            folder,
        }
    }

    /// Whether the broker is `kbroker`.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self._broker, Broker::Ours { .. })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a topic the way the release's own client does it, with 0.9 by asking for it, and waits until it is served.
    pub(crate) fn make_topic(&mut self, topic: &str) -> Result<(), String> {
        if self.release > Release::V0_9 {
            self.java.run(&["create", topic, &PARTITIONS.to_string()])?;
        }
        let partitions = self.java.run(&["touch", topic])?;
        if partitions == PARTITIONS.to_string() {
            Ok(())
        } else {
            Err(format!("{topic} has {partitions} partitions"))
        }
    }

    /// Runs one of our tools to success and returns its output.
    pub(crate) fn ours_says(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.tools.command(program);
        said(command.args(arguments))
    }

    /// Runs one of our tools to failure and returns what it says on stderr.
    pub(crate) fn ours_refuses(
        &self,
        program: &str,
        arguments: &[&str],
        input: Input<'_>,
    ) -> Result<String, String> {
        let mut command = self.tools.command(program);
        let output = run(command.args(arguments), input, LIMIT).map_err(|error| error.to_string())?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            return Err(format!("{command:?} succeeded; stderr: {stderr}"));
        }
        Ok(stderr)
    }

    /// Asks until the answer is right: brokers of every release do things to topics after they have answered.
    #[expect(clippy::disallowed_methods, reason = "other processes are waited for, with a limit")]
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&mut Self) -> Result<T, String>,
        is_right: impl Fn(&T) -> bool,
    ) -> Result<T, String>
    where
        T: std::fmt::Debug,
    {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = ask(self)?;
            if is_right(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(format!("{what}: still {answer:?}"));
            }
        }
    }
}

/// The output of a command that must succeed.
pub(crate) fn said(command: &mut Command) -> Result<String, String> {
    let output = run_ok(command, Input::Nothing, LIMIT).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every one of these words is in the text, or the text is the error.
pub(crate) fn says(text: &str, words: &[&str]) -> Result<(), String> {
    match words.iter().find(|word| !text.contains(**word)) {
        None => Ok(()),
        Some(word) => Err(format!("{word:?} is not in: {text}")),
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("kinglet-versions-").tempdir().expect("a temporary folder")
}
