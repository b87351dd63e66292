//! Apache Kafka judges `kverify` and `kperf consume`: kafka-verifiable-producer, kafka-verifiable-consumer and
//! kafka-consumer-perf-test print the same of the same work, but for times and what depends on them.

use std::process::Command;
use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Kafka, Tool};
use kinglet_harness::process::{Input, run};
use kinglet_harness::tools::Tools;

const LIMIT: Duration = Duration::from_secs(60);
/// Their topic and ours: of one length, so that both have as many bytes.
const TOPICS: [&str; 2] = ["topic-theirs", "topic-ourown"];

#[test]
fn kverify_and_kperf_print_what_kafkas_tools_print_about_apache_kafka() {
    let Some(jars) = or_skip("kverify, Apache Kafka", Jars::fetch()) else { return };
    let kafka = Kafka::start(&jars).expect("Apache Kafka starts");
    World::new(jars, Binaries::build().expect("our programs compile"), kafka.bootstrap()).check();
}

#[test]
fn kverify_and_kperf_print_what_kafkas_tools_print_about_kbroker() {
    let Some(jars) = or_skip("kverify, kbroker", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let options = ["--override", "group.initial.rebalance.delay.ms=100"];
    let broker = Kbroker::start(&binaries, data_dir.path(), &options).expect("kbroker starts");
    World::new(jars, binaries, broker.bootstrap()).check();
}

struct World {
    jars: Jars,
    binaries: Binaries,
    bootstrap: String,
    dir: tempfile::TempDir,
}

/// How a tool ended.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    status: Option<i32>,
    stdout: String,
}

impl World {
    fn new(jars: Jars, binaries: Binaries, bootstrap: String) -> Self {
        let tools = Tools::new(binaries.clone(), bootstrap.clone());
        for topic in TOPICS {
            tools.create_topic(topic, 1, &[]).expect("ktopics --create");
        }
        Self { jars, binaries, bootstrap, dir: tempfile::tempdir().expect("a temporary folder") }
    }

    fn check(&self) {
        let keyed = ["--max-messages", "20", "--value-prefix", "7", "--repeating-keys", "3", "--acks", "1"];
        let sent = self.same("produce", Tool::VerifiableProducer, &keyed);
        assert_eq!(sent.lines().filter(|line| line.contains("producer_send_success")).count(), 20, "{sent}");
        let unacked = ["--max-messages", "2", "--acks", "0", "--throughput", "50"];
        self.same("produce", Tool::VerifiableProducer, &unacked);
        let config = self.dir.path().join("small.properties");
        std::fs::write(&config, "max.request.size=1\n").expect("a file");
        let refused =
            ["--max-messages", "2", "--value-prefix", "7", "--command-config", &config.display().to_string()];
        let refused = self.same("produce", Tool::VerifiableProducer, &refused);
        assert!(refused.contains("errors.RecordTooLargeException"), "{refused}");

        let whole = ["--max-messages", "22", "--verbose", "--group-id", "whole"];
        let read = self.same("consume", Tool::VerifiableConsumer, &whole);
        assert!(read.contains("offsets_committed"), "{read}");
        let automatic = ["--max-messages", "22", "--group-id", "automatic", "--enable-autocommit"];
        self.same("consume", Tool::VerifiableConsumer, &automatic);

        self.same_rows(&["--num-records", "22", "--group", "perf"]);
        self.same_rows(&["--num-records", "22", "--show-detailed-stats", "--reporting-interval", "1"]);
        self.same_rows(&["--num-records", "9", "--timeout", "300", "--hide-header", "--group", "perf"]);
    }

    /// Both print the same lines, but for times; what they printed.
    fn same(&self, ours: &str, theirs: Tool, line: &[&str]) -> String {
        let [theirs, ours] = self.both("kverify", ours, theirs, line);
        assert_eq!(masked(&ours.stdout), masked(&theirs.stdout), "{line:?}");
        assert_eq!(ours.status, theirs.status, "{line:?}");
        ours.stdout
    }

    /// Both print the same columns, and rows of the same form.
    fn same_rows(&self, line: &[&str]) {
        let [theirs, ours] = self.both("kperf", "consume", Tool::ConsumerPerf, line);
        let [their_rows, our_rows] = [&theirs, &ours].map(|ran| {
            let mut rows: Vec<String> = ran.stdout.lines().map(without_numbers).collect();
            // How many intervals there were is a matter of time.
            rows.dedup();
            rows
        });
        assert_eq!(our_rows, their_rows, "{line:?}:\n{}\n{}", ours.stdout, theirs.stdout);
        if !line.contains(&"--show-detailed-stats") {
            assert_eq!(counted(&ours.stdout), counted(&theirs.stdout), "{line:?}");
        }
        assert_eq!(ours.status, theirs.status, "{line:?}");
    }

    /// Both at once, each about its own topic and in its own group.
    fn both(&self, tool: &str, action: &str, theirs: Tool, line: &[&str]) -> [Ran; 2] {
        let [their_topic, our_topic] = TOPICS;
        let mut java = self.jars.tool_for(theirs, &self.bootstrap);
        java.args(["--topic", their_topic]).args(line);
        let mut ours = self.binaries.command(tool);
        ours.args([action, "--bootstrap-server", &self.bootstrap, "--compat", "--topic", our_topic]);
        let mut is_group = false;
        for word in line {
            ours.arg(if is_group { format!("{word}-ours") } else { (*word).to_owned() });
            is_group = matches!(*word, "--group" | "--group-id");
        }
        std::thread::scope(|scope| {
            let theirs = scope.spawn(|| ended(&mut java));
            let ours = ended(&mut ours);
            [theirs.join().expect("it only waits"), ours]
        })
    }
}

fn ended(command: &mut Command) -> Ran {
    let output = run(command, Input::Nothing, LIMIT).expect("it ends");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ran { status: output.status.code(), stdout: String::from_utf8_lossy(&output.stdout).into_owned() }
}

/// The lines without times, the names of topics, and the words of an error.
fn masked(stdout: &str) -> Vec<String> {
    let mask = |line: &str| {
        let line = line.split("\"message\":").next().unwrap_or_default();
        let line = TOPICS.iter().fold(line.to_owned(), |line, topic| line.replace(topic, "topic"));
        ["\"timestamp\":", "\"avg_throughput\":"].iter().fold(line, |line, key| match line.split_once(key) {
            Some((before, value)) => {
                let rest = value.trim_start_matches(|c: char| c.is_ascii_digit() || ".E-".contains(c));
                format!("{before}{key}0{rest}")
            }
            None => line,
        })
    };
    stdout.lines().map(mask).collect()
}

/// A row whose numbers are all 0; of no time at all Java has words for rates.
fn without_numbers(row: &str) -> String {
    if row.starts_with("WARNING") || row.contains("data.consumed") {
        return row.to_owned();
    }
    let zeros: String = row
        .replace("Infinity", "0.0000")
        .replace("NaN", "0.0000")
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let mut row = zeros;
    while row.contains("00") {
        row = row.replace("00", "0");
    }
    row
}

/// What was read by the last row: MB and records.
fn counted(stdout: &str) -> Vec<&str> {
    let row = stdout.lines().last().unwrap_or_default();
    row.split(", ")
        .enumerate()
        .filter(|(column, _)| [2, 4].contains(column))
        .map(|(_, value)| value)
        .collect()
}
