//! Kafka's message schemas, out of its own jars: from Maven's folder, or fetched with `mvn` when they are not there.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The jars of one release that a test reads.
pub(crate) struct Jar {
    artifact: &'static str,
    version: &'static str,
}

/// The newest release.
pub(crate) const CLIENTS: Jar = Jar { artifact: "kafka-clients", version: "4.3.1" };
/// The last one with the versions that 4.0 dropped (KIP-896).
pub(crate) const OLD_CLIENTS: Jar = Jar { artifact: "kafka-clients", version: "3.9.1" };
/// The records of the metadata log.
pub(crate) const METADATA: Jar = Jar { artifact: "kafka-metadata", version: "4.3.1" };

/// The records of `__consumer_offsets`.
pub(crate) const GROUPS: Jar = Jar { artifact: "kafka-group-coordinator", version: "4.3.1" };
/// The records of `__transaction_state`.
pub(crate) const TRANSACTIONS: Jar = Jar { artifact: "kafka-transaction-coordinator", version: "4.3.1" };
/// The records of `__share_group_state`.
pub(crate) const SHARE: Jar = Jar { artifact: "kafka-share-coordinator", version: "4.3.1" };
/// The state of the metadata quorum.
pub(crate) const RAFT: Jar = Jar { artifact: "kafka-raft", version: "4.3.1" };

impl Jar {
    /// The jar's path: in `KINGLET_KAFKA_JARS`, else in Maven's folder, else fetched. The error says what is missing.
    pub(crate) fn find(&self) -> Result<PathBuf, String> {
        let Self { artifact, version } = self;
        let file = format!("{artifact}-{version}.jar");
        if let Some(dir) = std::env::var_os("KINGLET_KAFKA_JARS") {
            let path = Path::new(&dir).join(file);
            return if path.is_file() { Ok(path) } else { Err(format!("no {}", path.display())) };
        }
        let home = std::env::home_dir().ok_or("no home folder is known")?;
        let path = home.join(format!(".m2/repository/org/apache/kafka/{artifact}/{version}/{file}"));
        if !path.is_file() {
            let mut mvn = Command::new("mvn");
            mvn.args([
                "--quiet",
                "--batch-mode",
                "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get",
            ]);
            mvn.args(["-Dtransitive=false", &format!("-Dartifact=org.apache.kafka:{artifact}:{version}")]);
            run(&mut mvn)?;
        }
        if path.is_file() { Ok(path) } else { Err(format!("mvn did not leave {}", path.display())) }
    }
}

/// One schema of a jar, `None` when the jar has no such file.
pub(crate) fn schema(jar: &Path, file: &str) -> Result<Option<Value>, String> {
    let mut unzip = Command::new("unzip");
    unzip.args(["-p", &jar.display().to_string(), file]);
    let output = unzip.output().map_err(|e| format!("unzip does not run here: {e}"))?;
    match (output.status.code(), String::from_utf8(output.stdout)) {
        (Some(0), Ok(text)) => {
            let value = serde_json::from_str(&without_comments(&text)).map_err(|e| format!("{file}: {e}"))?;
            Ok(Some(value))
        }
        // "No matching files were found."
        (Some(11), _) => Ok(None),
        _ => Err(format!("unzip {file}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The names of the schemas in a jar that begin with `prefix`.
pub(crate) fn files(jar: &Path, prefix: &str) -> Result<Vec<String>, String> {
    let mut unzip = Command::new("unzip");
    unzip.args(["-Z1", &jar.display().to_string()]);
    let output = unzip.output().map_err(|e| format!("unzip does not run here: {e}"))?;
    let names = String::from_utf8_lossy(&output.stdout);
    let schemas = names.lines().filter(|name| name.starts_with(prefix) && name.ends_with(".json"));
    Ok(schemas.map(str::to_owned).collect())
}

/// The schemas' JSON has comments, on lines of their own or at the end of one. No text in it has two slashes.
fn without_comments(text: &str) -> String {
    let line = |line: &'_ str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() { Ok(()) } else { Err(format!("{}: {text}", command.get_program().display())) }
}

/// The value, or `None` after saying on stderr that `test` is skipped; with `CI=true` nothing may be.
pub(crate) fn or_skip<T>(test: &str, found: Result<T, String>) -> Option<T> {
    use std::io::Write;
    let reason = match found {
        Ok(value) => return Some(value),
        Err(reason) => reason,
    };
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{test}: {reason} (with CI=true no test may be skipped)");
    // Not eprintln!: the test runner would swallow it when the test passes. A closed stderr has nobody left to tell.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
    None
}
