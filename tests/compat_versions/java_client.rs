//! The Java client of a release, as `tests/java/OldClient.java` drives it.

use std::path::Path;
use std::time::Duration;

use kinglet_harness::dialogue::Dialogue;
use kinglet_harness::kafka::Jars;

/// The program gives up by itself after half a minute, and says at what.
const LIMIT: Duration = Duration::from_secs(45);

/// The running program; one that is stuck is replaced.
pub(crate) struct JavaClient {
    jars: Jars,
    bootstrap: String,
    program: Dialogue,
}

impl JavaClient {
    pub(crate) fn start(jars: &Jars, bootstrap: &str) -> Self {
        Self { jars: jars.clone(), bootstrap: bootstrap.to_owned(), program: start(jars, bootstrap) }
    }

    /// What the command returns, or its stack trace.
    pub(crate) fn run(&mut self, words: &[&str]) -> Result<String, String> {
        let shown = words.join(" ");
        let answer = match self.program.ask(&words.join("\t"), LIMIT) {
            Ok(answer) => answer.replace("\\n", "\n").replace("\\\\", "\\"),
            Err(error) => {
                self.program = start(&self.jars, &self.bootstrap);
                return Err(format!("java client, {shown}: {error}"));
            }
        };
        match answer.split_once('\t') {
            Some(("ok", result)) => Ok(result.to_owned()),
            _ => Err(format!("java client, {shown}: {answer}\nit logged:\n{}", self.program.said())),
        }
    }
}

fn start(jars: &Jars, bootstrap: &str) -> Dialogue {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/java/OldClient.java");
    let mut command = jars.source(Path::new(source));
    Dialogue::start(command.arg(bootstrap)).expect("java starts")
}
