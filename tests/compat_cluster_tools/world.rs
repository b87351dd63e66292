//! Kafka's tools and ours side by side, for a cluster of three.

#![expect(
    clippy::disallowed_methods,
    reason = "what another process prints is looked at again after a while"
)]

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, JavaTools, Ran};
use kinglet_harness::process::{Input, run, run_ok};

pub(crate) const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
pub(crate) const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
pub(crate) const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
pub(crate) const CONFIGS: &str = "kafka.admin.ConfigCommand";
pub(crate) const CLUSTER: &str = "org.apache.kafka.tools.ClusterTool";

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    binaries: Binaries,
    java: JavaTools,
    brokers: String,
    controllers: String,
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(jars: &Jars, brokers: String, controllers: String) -> Self {
        let binaries = Binaries::build().expect("our programs compile");
        let java = JavaTools::start(jars).expect("java starts");
        let dir = tempfile::tempdir().expect("a temporary folder");
        Self { binaries, java, brokers, controllers, dir }
    }

    /// Goes on with the brokers that are left, when they know that one is gone.
    pub(crate) fn without(&mut self, brokers: String, controllers: String) {
        (self.brokers, self.controllers) = (brokers, controllers);
        self.wait("kcluster", &["list-endpoints", "--include-fenced-brokers"], |text| {
            text.contains(" fenced ")
        });
    }

    pub(crate) fn create(&self, topic: &str, assignment: &str) {
        let ran = self.ours("ktopics", &["--create", "--topic", topic, "--replica-assignment", assignment]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }

    /// So many records of a kilobyte.
    pub(crate) fn fill(&self, topic: &str, count: usize) {
        let lines = format!("{}\n", "x".repeat(1000)).repeat(count);
        let mut command = self.binaries.tool("kproduce", &self.brokers);
        run_ok(command.args(["--topic", topic]), Input::Bytes(lines.as_bytes()), LIMIT).expect("kproduce");
    }

    pub(crate) fn theirs(&mut self, class: &str, line: &[&str]) -> Ran {
        self.theirs_by(class, line, "--bootstrap-server")
    }

    fn theirs_by(&mut self, class: &str, line: &[&str], option: &str) -> Ran {
        let servers: &str = if option == "--bootstrap-server" { &self.brokers } else { &self.controllers };
        // The subcommands of some tools stand in front of all options.
        let (word, options) =
            line.split_at(usize::from(line.first().is_some_and(|word| !word.starts_with('-'))));
        let options = options.iter().copied().filter(|word| *word != "--compat");
        let words: Vec<&str> = word.iter().copied().chain([option, servers]).chain(options).collect();
        self.java.run(class, &words, LIMIT).expect("Kafka's tool answers")
    }

    pub(crate) fn ours(&self, tool: &str, line: &[&str]) -> Ran {
        self.ours_by(tool, line, "--bootstrap-server")
    }

    fn ours_by(&self, tool: &str, line: &[&str], option: &str) -> Ran {
        let servers: &str = if option == "--bootstrap-server" { &self.brokers } else { &self.controllers };
        let mut command = self.binaries.command(tool);
        run(command.args([option, servers]).args(line), Input::Nothing, LIMIT).expect("it ends").into()
    }

    /// Both print the same and exit with 0.
    pub(crate) fn same(&mut self, class: &str, tool: &str, line: &[&str]) {
        self.same_by(class, tool, line, "--bootstrap-server");
    }

    /// As [`same`](Self::same), asked of the controllers.
    pub(crate) fn same_by_controllers(&mut self, class: &str, tool: &str, line: &[&str]) {
        self.same_by(class, tool, line, "--bootstrap-controller");
    }

    fn same_by(&mut self, class: &str, tool: &str, line: &[&str], option: &str) {
        let (theirs, ours) = (self.theirs_by(class, line, option), self.ours_by(tool, line, option));
        assert_eq!(ours.stdout, theirs.stdout, "{tool} {line:?}: {}{}", ours.stderr, theirs.stderr);
        assert_eq!((ours.status, theirs.status), (0, 0), "{tool} {line:?}: {}{}", ours.stderr, theirs.stderr);
    }

    /// Both print the same failure as part of the answer, and exit with 1.
    pub(crate) fn same_failure(&mut self, class: &str, tool: &str, line: &[&str]) {
        let theirs = self.theirs(class, line);
        let ours = self.ours(tool, &[line, &["--compat"]].concat());
        assert_eq!(ours.stdout, theirs.stdout, "{tool} {line:?}: {}{}", ours.stderr, theirs.stderr);
        assert_eq!((ours.status, theirs.status), (1, 1), "{tool} {line:?}: {}{}", ours.stderr, theirs.stderr);
        let said = theirs.stderr.lines().next().unwrap_or_default();
        assert!(ours.stderr.contains(said), "{tool} {line:?}: {} and not {said}", ours.stderr);
    }

    /// Both refuse with the same words, in Kafka's manner with its exit code; ours always on stderr.
    pub(crate) fn refused(&mut self, class: &str, tool: &str, line: &[&str]) {
        let (said, ours) = self.refusals(class, tool, line);
        assert!(!said.is_empty() && ours.contains(&said), "{tool} {line:?}: {ours} and not {said}");
    }

    /// As [`refused`](Self::refused), where Kafka's words are those of a library of its own.
    pub(crate) fn refused_in_other_words(&mut self, class: &str, tool: &str, line: &[&str]) {
        let (said, ours) = self.refusals(class, tool, line);
        println!("{tool} {line:?}\n  theirs: {said}\n  ours: {ours}");
    }

    /// What Kafka's tool says, and ours; they print the same before that.
    fn refusals(&mut self, class: &str, tool: &str, line: &[&str]) -> (String, String) {
        let theirs = self.theirs(class, line);
        let ours = self.ours(tool, &[line, &["--compat"]].concat());
        assert_eq!((ours.status, theirs.status), (1, 1), "{tool} {line:?}: {}{}", ours.stderr, theirs.stderr);
        assert!(ours.stderr.starts_with("error: "), "{tool} {line:?}: {}", ours.stderr);
        // One of Kafka's tools tells its failures on stdout, some with where in its code they happened.
        let rest = theirs.stdout.strip_prefix(&*ours.stdout);
        let rest =
            rest.unwrap_or_else(|| panic!("{tool} {line:?}: {} and not {}", ours.stdout, theirs.stdout));
        let failure =
            if rest.is_empty() { &theirs.stderr } else { rest.strip_prefix("Error: ").unwrap_or(rest) };
        (sentence(failure), ours.stderr)
    }

    /// [`same`](Self::same) for each of these lines.
    pub(crate) fn all_same(&mut self, class: &str, tool: &str, lines: &[&str]) {
        for line in lines {
            self.same(class, tool, &words(line));
        }
    }

    /// [`refused`](Self::refused) for each of these lines.
    pub(crate) fn all_refused(&mut self, class: &str, tool: &str, lines: &[&str]) {
        for line in lines {
            self.refused(class, tool, &words(line));
        }
    }

    /// A file for the tools to read.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, text).expect("a file can be written");
        path.into_os_string().into_string().expect("text")
    }

    /// A reassignment of a topic's first partitions, as a file.
    pub(crate) fn plan(&self, name: &str, topic: &str, replicas: &[&[i32]]) -> String {
        let mut partitions = String::new();
        for (partition, replicas) in replicas.iter().enumerate() {
            let comma = if partition == 0 { "" } else { "," };
            write!(
                partitions,
                r#"{comma}{{"topic":"{topic}","partition":{partition},"replicas":{replicas:?}}}"#
            )
            .expect("text grows");
        }
        self.file(name, &format!(r#"{{"version":1,"partitions":[{partitions}]}}"#))
    }

    /// Gives a topic's partitions their replicas in another order, which moves no leader.
    pub(crate) fn reorder(&mut self, topic: &str, replicas: &[[i32; 3]]) {
        let replicas: Vec<&[i32]> = replicas.iter().map(|replicas| &replicas[..]).collect();
        let plan = self.plan("order.json", topic, &replicas);
        let ran = self.ours("kreassign", &["--execute", "--reassignment-json-file", &plan]);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        self.wait_for(
            &["--verify", "--preserve-throttles", "--reassignment-json-file", &plan],
            "is completed.",
            replicas.len(),
        );
    }

    /// Waits until `kreassign` says something so many times.
    pub(crate) fn wait_for(&self, line: &[&str], text: &str, count: usize) {
        self.wait("kreassign", line, |stdout| stdout.matches(text).count() == count);
    }

    fn wait(&self, tool: &str, line: &[&str], is_there: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let ran = self.ours(tool, line);
            if is_there(&ran.stdout) {
                break;
            }
            assert!(Instant::now() < deadline, "{tool} {line:?} still says {}{}", ran.stdout, ran.stderr);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// The message of a failure of a Java program, without the classes of exceptions and what their log puts before it.
fn sentence(failure: &str) -> String {
    let is_aside =
        |line: &str| line.starts_with("Error while executing config command") || line.contains("] WARN ");
    let mut lines = failure.lines().filter(|line| !is_aside(line));
    let line = lines.next().unwrap_or_default();
    let line = line.rsplit_once("failed: ").map_or(line, |(_, message)| message);
    let is_class = |word: &str| {
        word.contains('.') && (word.ends_with("Exception") || word.ends_with("Error")) && !word.contains(' ')
    };
    let mut message = line;
    while let Some((class, rest)) = message.split_once(": ") {
        if !is_class(class) {
            break;
        }
        message = rest;
    }
    message.to_owned()
}
