//! Clients of other languages, fetched once into a cache folder (`KINGLET_CACHE`, else `~/.cache/kinglet`), and scripts that use
//! them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::absent::Absent;
use crate::cache::{self, DOWNLOAD_LIMIT, FillError};
use crate::process::{Input, run_ok};

const KAFKA_PYTHON: &str = "3.0.12";
const KAFKAJS: &str = "2.2.4";
/// For a program that says its version.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A Python that has kafka-python.
#[derive(Debug, Clone)]
pub struct KafkaPython {
    python: PathBuf,
}

impl KafkaPython {
    /// Found in the cache, or made with `python3 -m venv` and `pip` (31 MB, about 10 s).
    ///
    /// # Errors
    /// When there is no `python3`, or it has no venv, or the registry does not answer.
    pub fn fetch() -> Result<Self, Absent> {
        starts("python3")?;
        let name = format!("kafka-python-{KAFKA_PYTHON}");
        let folder = fetched(&name, "venv", runs_kafka_python, |venv| {
            run_ok(Command::new("python3").args(["-m", "venv"]).arg(venv), Input::Nothing, DOWNLOAD_LIMIT)?;
            let mut pip = Command::new(venv.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            pip.arg(format!("kafka-python=={KAFKA_PYTHON}"));
            run_ok(&mut pip, Input::Nothing, DOWNLOAD_LIMIT)?;
            Ok(())
        })?;
        Ok(Self { python: folder.join("bin/python") })
    }

    /// A command for a script; its arguments follow.
    pub fn script(&self, file: &Path) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(file);
        command
    }
}

/// A Node.js that has kafkajs.
#[derive(Debug, Clone)]
pub struct Kafkajs {
    modules: PathBuf,
}

impl Kafkajs {
    /// Found in the cache, or fetched with `npm` (3 MB, about 2 s).
    ///
    /// # Errors
    /// When there is no `node` or no `npm`, or the registry does not answer.
    pub fn fetch() -> Result<Self, Absent> {
        starts("node")?;
        starts("npm")?;
        let name = format!("kafkajs-{KAFKAJS}");
        let folder = fetched(&name, "prefix", runs_kafkajs, |prefix| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(prefix);
            npm.arg(format!("kafkajs@{KAFKAJS}"));
            run_ok(&mut npm, Input::Nothing, DOWNLOAD_LIMIT)?;
            Ok(())
        })?;
        Ok(Self { modules: folder.join("node_modules") })
    }

    /// A command for a script; its arguments follow.
    pub fn script(&self, file: &Path) -> Command {
        let mut command = Command::new("node");
        command.env("NODE_PATH", &self.modules).arg(file);
        command
    }
}

fn starts(program: &'static str) -> Result<(), Absent> {
    match run_ok(Command::new(program).arg("--version"), Input::Nothing, START_LIMIT) {
        Ok(_) => Ok(()),
        Err(error) => Err(Absent::Program { program, reason: error.to_string() }),
    }
}

/// The folder `part` of the cache's folder `name`.
fn fetched(
    name: &str,
    part: &str,
    is_whole: impl FnOnce(&Path) -> bool,
    fill: impl FnOnce(&Path) -> Result<(), FillError>,
) -> Result<PathBuf, Absent> {
    let absent = |reason| Absent::Download { what: name.to_owned(), reason };
    let dir = cache::folder(name).map_err(absent)?;
    cache::fill(&dir, part, is_whole, fill).map_err(|error| absent(format!("{}: {error}", dir.display())))?;
    Ok(dir.join(part))
}

/// Not so once the Python it was made with is gone.
fn runs_kafka_python(venv: &Path) -> bool {
    let mut python = Command::new(venv.join("bin/python"));
    run_ok(python.args(["-c", "import kafka"]), Input::Nothing, START_LIMIT).is_ok()
}

fn runs_kafkajs(prefix: &Path) -> bool {
    prefix.join("node_modules/kafkajs").is_dir()
}
