//! The clients under measurement: their programs, and how they run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kinglet_harness::kafka::Jars;
use kinglet_harness::process::{Daemon, Input, Usage, run_ok};
use peers_kit::{Codec, Fallible, Mode, Outcome, Settings};
use tempfile::TempDir;

use crate::broker::BrokerKind;
use crate::cell::{Cell, Kind};
use crate::reading::{ReadCell, Way};

/// A client that has not answered by then hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);
const COMPILE_LIMIT: Duration = Duration::from_secs(120);

/// A client and how it can be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    program: Program,
    modes: &'static [Mode],
    reads: Reads,
}

/// What a client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    Nothing,
    /// It knows no groups.
    Assigned,
    /// Of groups it knows those of KIP-848 only.
    NewGroups,
    Anything,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    /// A program beside this one.
    Binary(&'static str),
    Java,
}

const BOTH: &[Mode] = &[Mode::Dropped, Mode::Awaited, Mode::Single];
/// Callbacks tell; awaiting a record is not what its users do.
const CALLBACKS: &[Mode] = &[Mode::Dropped, Mode::Single];
/// It hands out no result that could be dropped.
const AWAITS: &[Mode] = &[Mode::Awaited, Mode::Single];

const fn binary(name: &'static str, program: &'static str, modes: &'static [Mode], reads: Reads) -> Client {
    Client { name, program: Program::Binary(program), modes, reads }
}

/// All of them.
pub(crate) const CLIENTS: &[Client] = &[
    binary("kinglet", "peer-kinglet", BOTH, Reads::Anything),
    binary("librdkafka", "peer-librdkafka", CALLBACKS, Reads::Anything),
    binary("rdkafka-threaded", "peer-rdkafka-threaded", CALLBACKS, Reads::Nothing),
    binary("rdkafka-future", "peer-rdkafka-future", BOTH, Reads::Nothing),
    binary("rdkafka-base", "peer-rdkafka-base", &[], Reads::Anything),
    binary("rdkafka-stream", "peer-rdkafka-stream", &[], Reads::Anything),
    binary("franz-go", "peer-franz", CALLBACKS, Reads::Anything),
    Client { name: "java", program: Program::Java, modes: CALLBACKS, reads: Reads::Anything },
    binary("confluent-kafka", "peer-confluent", BOTH, Reads::NewGroups),
    binary("krafka", "peer-krafka", BOTH, Reads::Anything),
    binary("rskafka", "peer-rskafka", AWAITS, Reads::Assigned),
];

/// What is needed to run them.
#[derive(Debug)]
pub(crate) struct Programs {
    dir: PathBuf,
    java: Option<Java>,
}

#[derive(Debug)]
struct Java {
    classes: TempDir,
    class_path: OsString,
}

/// What a run of a client gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    /// The most memory it had. Not `ru_maxrss`, which begins with what its parent had when it was started.
    pub(crate) rss_peak_bytes: u64,
}

impl Programs {
    /// Looks for them. `jars` has the Java client's.
    pub(crate) fn find(jars: Option<&Jars>) -> Fallible<Self> {
        let executable = std::env::current_exe()?;
        let dir = executable.parent().unwrap_or(Path::new(".")).to_owned();
        let java = match jars.map(Java::compile) {
            Some(Ok(java)) => Some(java),
            Some(Err(error)) => {
                eprintln!("SKIPPED: java: {error}");
                None
            }
            None => None,
        };
        Ok(Self { dir, java })
    }

    /// Whether a client can be run; if not, it says so.
    pub(crate) fn has(&self, client: &Client) -> bool {
        let (found, what) = match client.program {
            Program::Binary(program) => (self.dir.join(program).exists(), program),
            Program::Java => (self.java.is_some(), "Peer.class"),
        };
        if !found {
            eprintln!("SKIPPED: {}: there is no {what}", client.name);
        }
        found
    }

    /// Starts a client on its task.
    pub(crate) fn start(&self, client: &Client, args: Vec<String>) -> Fallible<Daemon> {
        let mut command = match (client.program, &self.java) {
            (Program::Binary(program), _) => Command::new(self.dir.join(program)),
            (Program::Java, Some(java)) => java.command("Peer"),
            (Program::Java, None) => return Err("there is no Java".into()),
        };
        Ok(Daemon::start(command.args(args))?)
    }

    /// A command for one of the Java programs, by its class.
    pub(crate) fn java(&self, class: &str) -> Option<Command> {
        self.java.as_ref().map(|java| java.command(class))
    }

    /// Runs a client to its answer.
    pub(crate) fn run(&self, client: &Client, args: Vec<String>) -> Fallible<Run> {
        Run::of(self.start(client, args)?)
    }
}

impl Run {
    /// Waits for a client's answer and ends it.
    pub(crate) fn of(mut daemon: Daemon) -> Fallible<Self> {
        let line = daemon.wait_for(|line| line.starts_with('{').then(|| line.to_owned()), ANSWER_LIMIT)?;
        let rss_peak_bytes = Usage::of(daemon.pid())?.rss_peak_bytes;
        // It only waits for this.
        daemon.kill()?;
        Ok(Self { outcome: serde_json::from_str(&line)?, rss_peak_bytes })
    }
}

impl Client {
    /// Whether it can send at all.
    pub(crate) fn sends(&self) -> bool {
        !self.modes.is_empty()
    }

    /// Whether it can read at all.
    pub(crate) fn reads(&self) -> bool {
        self.reads != Reads::Nothing
    }

    /// Whether it can read a cell. `kbroker` serves the groups that all members ever had, not those of KIP-848.
    pub(crate) fn reads_cell(&self, broker: BrokerKind, cell: &ReadCell) -> bool {
        match (self.reads, cell.way) {
            (Reads::Nothing, _) | (Reads::Assigned, Way::Group) => false,
            (Reads::NewGroups, Way::Group) => broker == BrokerKind::Kafka,
            (Reads::Anything, _) | (Reads::Assigned | Reads::NewGroups, Way::Assign) => true,
        }
    }

    /// How it is measured in a cell. Awaiting costs by the record, whatever its size and codec, so the plainest cells are enough
    /// for it, unless a client knows no other way.
    pub(crate) fn modes(&self, cell: &Cell) -> impl Iterator<Item = Mode> {
        let drops = self.modes.contains(&Mode::Dropped);
        // What makes no batches of its own has no defaults under load.
        let batches = drops || cell.settings == Settings::Tuned;
        let (kind, is_plain) = (cell.kind, cell.codec == Codec::None && cell.size <= 100);
        self.modes.iter().copied().filter(move |mode| match (kind, mode) {
            (Kind::Single, Mode::Single) | (Kind::Load, Mode::Dropped) => true,
            (Kind::Load, Mode::Awaited) => batches && (is_plain || !drops),
            (Kind::Single, Mode::Dropped | Mode::Awaited) | (Kind::Load, Mode::Single) => false,
        })
    }
}

impl Java {
    fn compile(jars: &Jars) -> Fallible<Self> {
        let classes = tempfile::Builder::new().prefix("peers-java-").tempdir()?;
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../java");
        let mut javac = Command::new("javac");
        javac.arg("-cp").arg(jars.class_path()).arg("-d").arg(classes.path());
        javac.args(["Peer.java", "Reading.java", "Steady.java"].map(|file| sources.join(file)));
        run_ok(&mut javac, Input::Nothing, COMPILE_LIMIT)?;
        let mut class_path = classes.path().as_os_str().to_owned();
        class_path.push(":");
        class_path.push(jars.class_path());
        Ok(Self { classes, class_path })
    }

    /// With the flags of Kafka's own scripts.
    fn command(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.current_dir(self.classes.path());
        command.args(["-Xmx512m", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
        command.args(["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-cp").arg(&self.class_path).arg(class);
        command
    }
}
