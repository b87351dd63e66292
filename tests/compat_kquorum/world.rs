//! A cluster, Kafka's tools and ours beside each other: what they print about its quorum and its partitions.

#![expect(
    clippy::disallowed_methods,
    reason = "what another process prints is looked at again after a while"
)]

use std::thread::sleep;
use std::time::{Duration, Instant};

use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, JavaTools, Ran};
use kinglet_harness::process::{Input, run};

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
pub(crate) const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
/// How often both are asked: a cluster that has just begun, or lost a broker, moves on between two questions.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// What can be asked about partitions.
pub(crate) const FILTERS: [&[&str]; 8] = [
    &[],
    &["--under-replicated-partitions"],
    &["--unavailable-partitions"],
    &["--under-min-isr-partitions"],
    &["--at-min-isr-partitions"],
    &["--under-replicated-partitions", "--at-min-isr-partitions"],
    &["--topics-with-overrides"],
    &["--exclude-internal", "--under-replicated-partitions"],
];

pub(crate) struct World {
    binaries: Binaries,
    theirs: JavaTools,
    pub(crate) brokers: String,
    /// The controllers' own listeners; nothing where brokers and controllers have the same.
    pub(crate) controllers: Option<String>,
}

impl World {
    pub(crate) fn new(jars: &Jars, binaries: Binaries, brokers: String, controllers: Option<String>) -> Self {
        let theirs = JavaTools::start(jars).expect("java starts");
        Self { binaries, theirs, brokers, controllers }
    }

    pub(crate) fn theirs(&mut self, class: &str, words: &[&str]) -> Ran {
        self.theirs.run(class, words, LIMIT).expect("Kafka's tool answers")
    }

    pub(crate) fn ours(&self, tool: &str, words: &[&str]) -> Ran {
        run(self.binaries.command(tool).args(words), Input::Nothing, LIMIT).expect("it ends").into()
    }

    /// Every view of the quorum, asked of a broker and of a controller.
    pub(crate) fn check_quorum(&mut self) {
        let brokers = Some(("--bootstrap-server", self.brokers.clone()));
        let controllers = self.controllers.clone().map(|at| ("--bootstrap-controller", at));
        for (option, servers) in brokers.into_iter().chain(controllers) {
            for view in [&["--status"][..], &["--replication"], &["--replication", "--human-readable"]] {
                let words = [&[option, &servers, "describe"], view].concat();
                let (mut theirs, mut ours) = (self.theirs(QUORUM, &words), self.ours("kquorum", &words));
                for _ in 1..TRIES {
                    if still(&ours.stdout) == still(&theirs.stdout) {
                        break;
                    }
                    // The log has grown in between, or another leads.
                    (theirs, ours) = (self.theirs(QUORUM, &words), self.ours("kquorum", &words));
                }
                println!("{}", ours.stdout);
                let said = format!("{words:?}: {}{}", ours.stderr, theirs.stderr);
                assert_eq!((ours.status, theirs.status), (0, 0), "{said}");
                assert_eq!(still(&ours.stdout), still(&theirs.stdout), "{words:?}");
                if view == ["--replication"] {
                    // The times are those of two moments, but as long.
                    assert_eq!(ours.stdout.len(), theirs.stdout.len(), "{}{}", ours.stdout, theirs.stdout);
                }
            }
        }
    }

    /// Topics of which each is in another state once broker 3 is gone.
    pub(crate) fn create_assigned(&mut self) {
        let servers = self.brokers.clone();
        for (topic, assignment, min_in_sync) in [
            ("all", "1:2:3,2:3:1,3:1:2", "2"),
            ("only-3", "3", "1"),
            ("too-few", "1:3,3:2", "2"),
            ("untouched", "1:2", "1"),
            ("__consumer_offsets", "1:2:3,2:3:1", "1"),
        ] {
            let config = format!("min.insync.replicas={min_in_sync}");
            let twin = format!("{topic}-theirs");
            let words = |topic| {
                let words = ["--bootstrap-server", &servers, "--create", "--topic", topic];
                [&words[..], &["--replica-assignment", assignment, "--config", &config]].concat()
            };
            let ours = self.ours("ktopics", &words(topic));
            let theirs = self.theirs(TOPICS, &words(&twin));
            assert_eq!((ours.status, theirs.status), (0, 0), "{}{}", ours.stderr, theirs.stderr);
            assert_eq!(ours.stdout, theirs.stdout.replace(&twin, topic));
        }
    }

    /// Both tools see the partitions alike, whatever is asked.
    pub(crate) fn check_partitions(&mut self) {
        for filter in FILTERS {
            let servers = self.brokers.clone();
            let words = [&["--bootstrap-server", &servers, "--describe"], filter].concat();
            let (theirs, ours) = (self.theirs(TOPICS, &words), self.ours("ktopics", &words));
            assert_eq!((ours.status, theirs.status), (0, 0), "{words:?}: {}{}", ours.stderr, theirs.stderr);
            assert_eq!(ours.stdout, theirs.stdout, "{words:?}");
            println!("{filter:?}: {} lines", ours.stdout.lines().count());
        }
    }

    /// Waits until `ktopics --describe` with this filter says so.
    pub(crate) fn wait_until(&self, filter: &str, is_so: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let said = self.ours("ktopics", &["--bootstrap-server", &self.brokers, "--describe", filter]);
            if said.status == 0 && is_so(&said.stdout) {
                return;
            }
            assert!(Instant::now() < deadline, "it stays {said:?}");
            sleep(PAUSE);
        }
    }
}

/// Without what changes from one moment to the next: times, and the padding that depends on how long they are.
fn still(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let line = match line.split_once("MaxFollowerLagTimeMs:") {
            Some((_, value)) if value.trim().parse::<u64>().is_ok() => "MaxFollowerLagTimeMs: N".to_owned(),
            _ => line.to_owned(),
        };
        for cell in line.split('\t') {
            let cell = cell.trim_end();
            let is_time = (cell.len() == 13 || cell.ends_with(" ms ago"))
                && cell.trim_end_matches(" ms ago").parse::<u64>().is_ok();
            out += if is_time { "TIME" } else { cell };
            out.push('\t');
        }
        out.push('\n');
    }
    out
}
