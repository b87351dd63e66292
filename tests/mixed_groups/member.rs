//! A member of a group in a process of its own, which writes each record's value on a line.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kinglet_harness::binaries::Binaries;
use kinglet_harness::clients::{KafkaPython, Kafkajs};
use kinglet_harness::kafka::{Jars, Tool};
use kinglet_harness::kcat::Kcat;
use tempfile::TempDir;

/// Lines of a program's log that are shown when something is wrong.
const SAID_LINES: usize = 80;

/// Whose client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kconsume`
    Ours,
    /// kcat, of librdkafka
    C,
    /// Java's console consumer
    Java,
    /// `member.py`, of kafka-python
    Python,
    /// `member.js`, of kafkajs
    JavaScript,
}

impl Kind {
    /// kcat is never asked to end: it drops the record it was handed meanwhile, and commits it.
    pub(crate) fn can_leave(self) -> bool {
        self != Self::C
    }
}

/// How a member ended, if it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    InOrder,
    Killed,
}

/// Where the clients come from.
pub(crate) struct Programs {
    pub(crate) binaries: Binaries,
    pub(crate) kcat: Kcat,
    pub(crate) jars: Jars,
    pub(crate) python: Option<KafkaPython>,
    pub(crate) kafkajs: Option<Kafkajs>,
}

impl Programs {
    /// Whose clients can be members together.
    pub(crate) fn kinds(&self, strategy: &str) -> Vec<Kind> {
        let mut kinds = vec![Kind::Ours, Kind::C, Kind::Java];
        // kafkajs has no cooperative rebalances.
        if strategy != "cooperative-sticky" {
            kinds.extend(self.python.is_some().then_some(Kind::Python));
            kinds.extend(self.kafkajs.is_some().then_some(Kind::JavaScript));
        }
        kinds
    }

    /// Who comes first, and is the leader while it lives.
    pub(crate) fn founder(&self, strategy: &str) -> Kind {
        match strategy {
            "range" if self.kafkajs.is_some() => Kind::JavaScript,
            "roundrobin" if self.python.is_some() => Kind::Python,
            _ => Kind::Ours,
        }
    }
}

pub(crate) struct Member {
    pub(crate) kind: Kind,
    pub(crate) fate: Fate,
    number: usize,
    child: Child,
    folder: TempDir,
    /// How much it had said when it was last marked.
    mark: u64,
}

impl Member {
    pub(crate) fn start(
        kind: Kind,
        number: usize,
        programs: &Programs,
        bootstrap: &str,
        topic: &str,
        strategy: &str,
    ) -> Self {
        let settings = |strategy: &str| {
            vec![
                format!("client.id={kind:?}-{number}"),
                format!("partition.assignment.strategy={strategy}"),
                format!("session.timeout.ms={}", super::SESSION),
                format!("heartbeat.interval.ms={}", super::HEARTBEAT),
                // kcat commits every 5 s all the same: its `-X` reaches librdkafka's older property of that name, of topics.
                // Eager rebalances commit everything, so that it shows in cooperative ones alone: a kcat that is killed
                // leaves up to 5 s of records to be handled again.
                "auto.commit.interval.ms=500".to_owned(),
                "auto.offset.reset=earliest".to_owned(),
            ]
        };
        let mut command = match kind {
            Kind::Ours => programs.binaries.command("kconsume"),
            Kind::C => programs.kcat.command(bootstrap),
            Kind::Java => programs.jars.tool_for(Tool::ConsoleConsumer, bootstrap),
            Kind::Python => programs.python.as_ref().expect("it was found").script(&script("member.py")),
            Kind::JavaScript => programs.kafkajs.as_ref().expect("it was found").script(&script("member.js")),
        };
        // Before the topics, behind which kcat takes no options.
        say_more(kind, &mut command);
        match kind {
            Kind::Ours | Kind::Java => {
                if kind == Kind::Ours {
                    command.args(["--bootstrap-server", bootstrap]);
                }
                command.args(["--topic", topic, "--group", topic]);
                let class = match (kind, strategy) {
                    (Kind::Ours, _) => strategy.to_owned(),
                    (_, "range") => "org.apache.kafka.clients.consumer.RangeAssignor".to_owned(),
                    (_, "roundrobin") => "org.apache.kafka.clients.consumer.RoundRobinAssignor".to_owned(),
                    _ => "org.apache.kafka.clients.consumer.CooperativeStickyAssignor".to_owned(),
                };
                for setting in settings(&class) {
                    command.args(["--consumer-property", &setting]);
                }
            }
            Kind::C => {
                // Unbuffered: what is handed to it counts as handled once it is written.
                command.args(["-u", "-q"]);
                for setting in settings(strategy) {
                    command.args(["-X", &setting]);
                }
                command.args(["-G", topic, topic]);
            }
            Kind::Python | Kind::JavaScript => {
                command.args([bootstrap, topic, strategy, &format!("{kind:?}-{number}")]);
                command.args([super::SESSION.to_string(), super::HEARTBEAT.to_string()]);
            }
        }
        Self::spawn(kind, number, command)
    }

    fn spawn(kind: Kind, number: usize, mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| Stdio::from(File::create(folder.path().join(name)).expect("a file"));
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let child = command.spawn().expect("the client starts");
        Self { kind, fate: Fate::InOrder, number, child, folder, mark: 0 }
    }

    /// Bytes written so far.
    pub(crate) fn size(&self) -> u64 {
        std::fs::metadata(self.folder.path().join("out")).expect("it is there").len()
    }

    /// The numbers it has written. A last line without its end was not written; Java's log has lines of its own there.
    pub(crate) fn handled(&self) -> Vec<u32> {
        let text = std::fs::read_to_string(self.folder.path().join("out")).expect("it is there");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// As the broker knows it.
    pub(crate) fn name(&self) -> String {
        format!("{:?}-{}", self.kind, self.number)
    }

    /// What it says besides is told from here on.
    pub(crate) fn mark(&mut self) {
        self.mark = std::fs::metadata(self.folder.path().join("err")).expect("it is there").len();
    }

    /// Who it is, and the end of what it said besides since it was marked.
    pub(crate) fn said(&self) -> String {
        let err = std::fs::read(self.folder.path().join("err")).unwrap_or_default();
        let since = err.get(usize::try_from(self.mark).unwrap_or_default()..).unwrap_or_default();
        let text = String::from_utf8_lossy(since);
        format!("{} (process {}):\n{}", self.name(), self.child.id(), last_lines(text.lines()))
    }

    /// Its lines that say this.
    pub(crate) fn lines_with(&self, what: &str) -> Vec<String> {
        let err = std::fs::read_to_string(self.folder.path().join("err")).unwrap_or_default();
        err.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// How often it was the leader and assigned; the scripts say so.
    pub(crate) fn assigned(&self) -> usize {
        let err = std::fs::read_to_string(self.folder.path().join("err")).unwrap_or_default();
        err.lines().filter(|line| *line == "assigns").count()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is ours");
        self.fate = Fate::Killed;
    }

    /// SIGTERM, and its end.
    pub(crate) fn ask_to_end(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How it joins and leaves, on stderr.
fn say_more(kind: Kind, command: &mut Command) {
    match kind {
        Kind::Ours => {
            command.env("KAFKA_LOG", "info,kinglet::consumer=debug").env("NO_COLOR", "1");
        }
        Kind::C => {
            command.args(["-X", "debug=cgrp"]);
        }
        Kind::Java => {
            let logger = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";
            command.env("JDK_JAVA_OPTIONS", format!("-Dorg.slf4j.simpleLogger.log.{logger}=debug"));
        }
        // The scripts say enough.
        Kind::Python | Kind::JavaScript => {}
    }
}

/// As many as a person reads.
pub(crate) fn last_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<_> = lines.collect();
    let left_out = lines.len().saturating_sub(SAID_LINES);
    let shown = lines.iter().skip(left_out).map(|line| format!("    {line}\n"));
    let note = (left_out > 0).then(|| format!("    ({left_out} lines before)\n"));
    note.into_iter().chain(shown).collect()
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mixed_groups").join(name)
}
