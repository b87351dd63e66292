//! Three Apache Kafkas judge `kquorum` and the filters of `ktopics --describe`: kafka-metadata-quorum and kafka-topics print the same
//! bytes about the same cluster, whole and with one broker killed.

use std::path::Path;
use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::dialogue::Dialogue;
use kinglet_harness::kafka::{Jars, KafkaCluster};
use kinglet_harness::process::{Input, run};

const LIMIT: Duration = Duration::from_secs(60);
/// How often both are asked: a cluster that has just begun, or lost a broker, moves on between two questions.
const TRIES: usize = 5;
const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

/// What can be asked about partitions.
const FILTERS: [&[&str]; 8] = [
    &[],
    &["--under-replicated-partitions"],
    &["--unavailable-partitions"],
    &["--under-min-isr-partitions"],
    &["--at-min-isr-partitions"],
    &["--under-replicated-partitions", "--at-min-isr-partitions"],
    &["--topics-with-overrides"],
    &["--exclude-internal", "--under-replicated-partitions"],
];

#[test]
fn quorum_and_partitions_are_described_as_kafkas_tools_do() {
    let Some(jars) = or_skip("kquorum and ktopics beside Kafka's tools", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    // Without records that only show that the controller is alive the log stands still between two looks.
    let quiet = "metadata.max.idle.interval.ms=0\noffsets.topic.num.partitions=2\n";
    let mut kafka = KafkaCluster::start_with(&jars, quiet).expect("three Apache Kafkas start");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Tools.java");
    let theirs = Dialogue::start(&mut jars.source(Path::new(source))).expect("java starts");
    let mut world = World { binaries, theirs, brokers: kafka.bootstrap(), controllers: kafka.controllers() };

    world.check_quorum();
    world.check_refusals();
    world.check_assignments();
    for filter in FILTERS {
        world.same_topics(filter);
    }

    let killed = 3;
    kafka.kill(killed).expect("it runs");
    world.brokers = kafka.bootstrap();
    world.controllers = kafka.controllers();
    world.wait_until_lost(&format!("Topic: only-{killed}\t"));
    for filter in FILTERS {
        world.same_topics(filter);
    }
    world.check_quorum();
}

struct World {
    binaries: Binaries,
    theirs: Dialogue,
    brokers: String,
    controllers: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl World {
    fn theirs(&mut self, class: &str, words: &[&str]) -> Ran {
        let line = [&[class], words].concat().join("\t");
        let answer = self.theirs.ask(&line, LIMIT).expect("Kafka's tool answers");
        let mut parts = answer.split(' ');
        let mut part = || parts.next().unwrap_or_else(|| panic!("no answer: {answer}"));
        let status = part().parse().expect("a status");
        let mut text = || text_of(part().strip_prefix('x').expect("a text"));
        Ran { status, stdout: text(), stderr: text() }
    }

    fn ours(&self, tool: &str, words: &[&str]) -> Ran {
        let ran = run(self.binaries.command(tool).args(words), Input::Nothing, LIMIT).expect("it ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = ran.status.code().expect("it ended by itself");
        Ran { status, stdout: text(&ran.stdout), stderr: text(&ran.stderr) }
    }

    /// Every view of the quorum, asked of a broker and of a controller.
    fn check_quorum(&mut self) {
        let (brokers, controllers) = (self.brokers.clone(), self.controllers.clone());
        for (option, servers) in [("--bootstrap-server", &brokers), ("--bootstrap-controller", &controllers)]
        {
            for view in [&["--status"][..], &["--replication"], &["--replication", "--human-readable"]] {
                let words = [&[option, servers, "describe"], view].concat();
                let (mut theirs, mut ours) = (self.theirs(QUORUM, &words), self.ours("kquorum", &words));
                for _ in 1..TRIES {
                    if still(&ours.stdout) == still(&theirs.stdout) {
                        break;
                    }
                    // The log has grown in between, or another leads.
                    (theirs, ours) = (self.theirs(QUORUM, &words), self.ours("kquorum", &words));
                }
                println!("{}", ours.stdout);
                assert_eq!(
                    (ours.status, theirs.status),
                    (0, 0),
                    "{words:?}: {}{}",
                    ours.stderr,
                    theirs.stderr
                );
                assert_eq!(still(&ours.stdout), still(&theirs.stdout), "{words:?}");
                if view == ["--replication"] {
                    // The times are those of two moments, but as long.
                    assert_eq!(ours.stdout.len(), theirs.stdout.len(), "{}{}", ours.stdout, theirs.stdout);
                }
            }
        }
    }

    fn check_refusals(&mut self) {
        let servers = self.brokers.clone();
        for view in [&[][..], &["--status", "--replication"], &["--status", "--human-readable"]] {
            let words = [&["--bootstrap-server", &servers, "describe"], view].concat();
            let theirs = self.theirs(QUORUM, &words);
            let ours = self.ours("kquorum", &[&words[..], &["--compat"]].concat());
            assert_eq!((ours.status, &ours.stdout), (theirs.status, &theirs.stdout), "{words:?}");
            let said = theirs.stderr.lines().next().unwrap_or_default();
            assert!(ours.stderr.contains(said), "{words:?}: {} and not {said}", ours.stderr);
        }
    }

    /// Topics of which each is in another state once broker 3 is gone.
    fn check_assignments(&mut self) {
        let servers = self.brokers.clone();
        for (topic, assignment, min_in_sync) in [
            ("all", "1:2:3,2:3:1,3:1:2", "2"),
            ("only-3", "3", "1"),
            ("too-few", "1:3,3:2", "2"),
            ("untouched", "1:2", "1"),
            ("__consumer_offsets", "1:2:3,2:3:1", "1"),
        ] {
            let config = format!("min.insync.replicas={min_in_sync}");
            let create = |topic: &str| {
                let words = ["--bootstrap-server", &servers, "--create", "--topic", topic];
                let words = [&words[..], &["--replica-assignment", assignment, "--config", &config]].concat();
                words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
            };
            let words = create(topic);
            let ours = self.ours("ktopics", &words.iter().map(String::as_str).collect::<Vec<_>>());
            let twin = format!("{topic}-theirs");
            let words = create(&twin);
            let theirs = self.theirs(TOPICS, &words.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!((ours.status, theirs.status), (0, 0), "{}{}", ours.stderr, theirs.stderr);
            assert_eq!(ours.stdout, theirs.stdout.replace(&twin, topic));
        }
    }

    fn same_topics(&mut self, filter: &[&str]) {
        let servers = self.brokers.clone();
        let words = [&["--bootstrap-server", &servers, "--describe"], filter].concat();
        let (theirs, ours) = (self.theirs(TOPICS, &words), self.ours("ktopics", &words));
        assert_eq!((ours.status, theirs.status), (0, 0), "{words:?}: {}{}", ours.stderr, theirs.stderr);
        assert_eq!(ours.stdout, theirs.stdout, "{words:?}");
        println!("{filter:?}: {} lines", ours.stdout.lines().count());
    }

    /// Waits until the cluster has noticed that a broker is gone.
    fn wait_until_lost(&self, topic: &str) {
        #![expect(
            clippy::disallowed_methods,
            reason = "what another process prints is looked at again after a while"
        )]
        let deadline = std::time::Instant::now() + LIMIT;
        let describe = ["--bootstrap-server", &self.brokers, "--describe", "--unavailable-partitions"];
        while !self.ours("ktopics", &describe).stdout.contains(topic) {
            assert!(std::time::Instant::now() < deadline, "the broker is not missed");
            std::thread::sleep(Duration::from_millis(200));
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

fn text_of(hex: &str) -> String {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|byte| char::from(byte).to_digit(16)?.try_into().ok()).collect();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect();
    String::from_utf8(bytes).expect("text")
}
