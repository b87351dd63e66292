//! Kafka's tools and ours side by side.

#![expect(
    clippy::disallowed_methods,
    reason = "what another process prints is looked at again after a while"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, JavaTools, Ran, Tool};
use kinglet_harness::process::{Daemon, Input, run, run_ok};
use kinglet_harness::tools::Tools;
use serde_json::Value;

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// Kafka's tools in one virtual machine, and ours, for the same broker.
pub(crate) struct World {
    pub(crate) jars: Jars,
    pub(crate) tools: Tools,
    pub(crate) theirs: JavaTools,
    /// Which groups there are.
    pub(crate) groups: &'static [&'static str],
    /// Their members.
    pub(crate) members: Vec<Daemon>,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(jars: Jars, bootstrap: String, groups: &'static [&'static str]) -> Self {
        let binaries = Binaries::build().expect("our programs compile");
        let tools = Tools::new(binaries, bootstrap);
        let theirs = JavaTools::start(&jars).expect("java starts");
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self { jars, tools, theirs, groups, members: Vec::new(), dir }
    }

    /// Both print the same, and exit alike; what they say is ours.
    pub(crate) fn same(&mut self, line: &[&str]) -> Ran {
        let theirs = self.theirs(line);
        let ours = self.kgroups(line);
        assert_eq!(ours.stdout, theirs.stdout, "{line:?}: {}{}", ours.stderr, theirs.stderr);
        assert_eq!(ours.status, theirs.status, "{line:?}: {}", ours.stderr);
        let plain = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with("Consumer group '"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(plain(&ours.stderr), plain(&theirs.stderr), "{line:?}");
        ours
    }

    /// In Kafka's manner both print the same; in ours nothing of the failure is on stdout, and the exit code tells.
    pub(crate) fn same_failure(&mut self, line: &[&str]) {
        let theirs = self.theirs(line);
        let compat = self.kgroups(&[line, &["--compat"]].concat());
        assert_eq!(compat.stdout, theirs.stdout, "{line:?}: {}{}", compat.stderr, theirs.stderr);
        assert_eq!(compat.status, theirs.status, "{line:?}: {}", compat.stderr);
        let ours = self.kgroups(line);
        assert!(matches!(ours.status, 1 | 4), "{line:?} ends with {}: {}", ours.status, ours.stdout);
        assert!(!ours.stdout.contains("\nError:"), "{line:?}: {}", ours.stdout);
        assert!(ours.stderr.contains("error: "), "{line:?}: {}", ours.stderr);
    }

    pub(crate) fn theirs(&mut self, line: &[&str]) -> Ran {
        let line: Vec<&str> = line.iter().copied().filter(|word| *word != "--compat").collect();
        self.ask(GROUPS, &line)
    }

    pub(crate) fn ask(&mut self, class: &str, line: &[&str]) -> Ran {
        let words = [&["--bootstrap-server", self.tools.bootstrap()], line].concat();
        self.theirs.run(class, &words, LIMIT).expect("Kafka's tool answers")
    }

    pub(crate) fn kgroups(&self, line: &[&str]) -> Ran {
        self.ours("kgroups", line)
    }

    pub(crate) fn ours(&self, tool: &str, line: &[&str]) -> Ran {
        let mut command = self.tools.command(tool);
        run(command.args(line), Input::Nothing, LIMIT).expect("it ends").into()
    }

    pub(crate) fn produce(&self, topic: &str, count: usize) {
        let lines: String = (0..count).map(|number| format!("key{number}\tvalue\n")).collect();
        let mut kproduce = self.tools.command("kproduce");
        kproduce.args(["--topic", topic, "--property", "parse.key=true"]);
        run_ok(&mut kproduce, Input::Bytes(lines.as_bytes()), LIMIT).expect("kproduce");
    }

    pub(crate) fn consume(&self, group: &str, options: &[&str]) -> Command {
        let mut consumer = self.jars.tool_for(Tool::ConsoleConsumer, self.tools.bootstrap());
        consumer.args([
            "--group",
            group,
            "--from-beginning",
            "--command-property",
            "auto.commit.interval.ms=500",
        ]);
        consumer.args(options);
        consumer
    }

    pub(crate) fn consumer(&self, group: &str, options: &[&str]) -> Daemon {
        Daemon::start(&mut self.consume(group, options)).expect("the console consumer starts")
    }

    /// Waits until the group is stable and as it should be.
    pub(crate) fn wait_for(&self, group: &str, is_ready: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let described = self.kgroups(&["--describe", "--group", group, "-o", "json"]);
            let document: Option<Value> = serde_json::from_str(&described.stdout).ok();
            let found = document.and_then(|document| document.pointer("/groups/0").cloned());
            match found {
                Some(found) if found.pointer("/state") == Some(&"Stable".into()) && is_ready(&found) => {
                    return;
                }
                found => assert!(Instant::now() < deadline, "group {group}: {found:?} {}", described.stderr),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

pub(crate) fn members(group: &Value) -> usize {
    group["members"].as_array().map_or(0, Vec::len)
}

/// What the group has still to read; `None` while a partition has no committed offset.
pub(crate) fn lag(group: &Value) -> Option<i64> {
    let offsets = group["offsets"].as_array()?;
    if offsets.is_empty() { None } else { offsets.iter().map(|row| row["lag"].as_i64()).sum() }
}
