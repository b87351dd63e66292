//! Apache Kafka judges: its tools use `kbroker`, our tools use its broker, its dump tool reads our
//! segments.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Jvm, Kafka, Tool};
use kinglet_harness::keys::KeyFile;
use kinglet_harness::process::{Input, run, run_ok};
use kinglet_harness::text::{LineFile, Partitions, lines_wanted};
use kinglet_harness::tools::Tools;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONS: usize = 3;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn our_tools_bring_every_line_through_apache_kafka_in_order_with_every_codec() {
    let Some(world) = World::with_kafka("our tools, Apache Kafka") else { return };
    let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
    for codec in CODECS {
        world.create_topic(codec, &[]);
        world.kproduce(codec, codec, &file);
        let read = world.tools.consume_labelled(codec, file.lines().count()).expect("kconsume");
        Partitions::from_labelled(&read, PARTITIONS)
            .and_then(|partitions| partitions.check(file.lines()))
            .unwrap_or_else(|error| panic!("codec {codec}: {error}"));
    }
}

#[test]
fn the_console_producer_and_consumer_bring_every_line_through_kbroker_with_every_codec() {
    let Some(world) = World::with_kbroker("console tools, kbroker") else { return };
    let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
    for codec in CODECS {
        world.create_topic(codec, &[]);
        let mut producer = world.jars.tool_for(Tool::ConsoleProducer, world.tools.bootstrap());
        producer.args(["--topic", codec, "--compression-codec", codec]);
        let said = run_ok(&mut producer, Input::File(&file.path()), LIMIT).expect("console producer").stderr;
        assert!(said.is_empty(), "codec {codec}: the producer warns: {}", String::from_utf8_lossy(&said));
        world
            .console_consumer_reads(codec)
            .check(file.lines())
            .unwrap_or_else(|e| panic!("codec {codec}: {e}"));
    }
}

#[test]
fn the_console_consumer_reads_every_line_that_kproduce_wrote() {
    let Some(world) = World::with_kbroker("kproduce, console consumer") else { return };
    let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
    for codec in CODECS {
        world.create_topic(codec, &[]);
        world.kproduce(codec, codec, &file);
        world
            .console_consumer_reads(codec)
            .check(file.lines())
            .unwrap_or_else(|e| panic!("codec {codec}: {e}"));
    }
}

#[test]
fn keys_go_to_the_partitions_that_the_java_client_sends_them_to() {
    let Some(world) = World::with_kbroker("the partitioner of Java") else { return };
    let keys = KeyFile::new(10_000).expect("the keys are written");
    for topic in ["theirs", "ours"] {
        world.tools.create_topic(topic, 7, &[]).expect("ktopics --create");
    }
    let mut producer = world.jars.tool_for(Tool::ConsoleProducer, world.tools.bootstrap());
    producer.args(["--topic", "theirs", "--reader-property", "parse.key=true"]);
    run_ok(&mut producer, Input::File(&keys.path()), LIMIT).expect("console producer");
    let mut kproduce = world.tools.command("kproduce");
    kproduce.args(["--topic", "ours", "--property", "parse.key=true"]);
    run_ok(&mut kproduce, Input::File(&keys.path()), LIMIT).expect("kproduce");
    assert_eq!(keys.places(&world.tools, "ours"), keys.places(&world.tools, "theirs"));
}

#[test]
fn kapi_prints_what_brokers_serve_byte_for_byte_as_kafkas_tool() {
    for world in [World::with_kafka("kapi, Apache Kafka"), World::with_kbroker("kapi, kbroker")] {
        let Some(world) = world else { return };
        let mut theirs = world.jars.tool_for(Tool::ApiVersions, world.tools.bootstrap());
        let theirs = run_ok(&mut theirs, Input::Nothing, LIMIT).expect("kafka-broker-api-versions").stdout;
        let ours = run_ok(&mut world.tools.command("kapi"), Input::Nothing, LIMIT).expect("kapi").stdout;
        assert!(text(&ours).contains("Produce(0): "), "{}", text(&ours));
        assert_eq!(text(&ours), text(&theirs));
    }
}

#[test]
fn the_dump_tool_reads_our_segments_without_a_complaint() {
    let Some(mut world) = World::with_kbroker("the dump tool") else { return };
    let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
    for codec in CODECS {
        world.create_topic(codec, &["--config", "segment.bytes=1048576"]);
        world.kproduce(codec, codec, &file);
    }
    world.stop_broker();
    for codec in CODECS {
        world.dump_and_check(codec, &file);
    }
}

#[test]
fn the_dump_tool_reads_our_segments_without_a_complaint_after_a_kill_and_recovery() {
    let Some(mut world) = World::with_kbroker("the dump tool after a kill") else { return };
    let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
    world.create_topic("killed", &["--config", "segment.bytes=1048576"]);
    world.kproduce("killed", "none", &file);
    world.kill_and_restart_broker();
    world.stop_broker();
    world.dump_and_check("killed", &file);
}

#[test]
fn kafka_topics_and_ktopics_print_the_same_about_our_broker() {
    let Some(world) = World::with_kbroker("kafka-topics, kbroker") else { return };
    world.create_topic("three", &[]);
    world.create_topic("with-config", &["--config", "retention.ms=3600000"]);
    let actions: [&[&str]; 5] = [
        &["--list"],
        &["--describe", "--topic", "three"],
        &["--describe", "--topic", "with-config"],
        &["--describe", "--under-replicated-partitions"],
        &["--describe", "--unavailable-partitions"],
    ];
    for action in actions {
        let (theirs, ours) = world.both_topics_tools(action);
        assert!(theirs.status.success() && ours.status.success(), "{action:?}: {theirs:?} {ours:?}");
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{action:?}");
    }
}

#[test]
fn kafka_topics_creates_alters_and_deletes_topics_of_our_broker() {
    let Some(world) = World::with_kbroker("kafka-topics changes, kbroker") else { return };
    let steps: [(&[&str], &str); 4] = [
        (
            &["--create", "--topic", "made", "--partitions", "2", "--replication-factor", "1"],
            "Created topic made.\n",
        ),
        (&["--alter", "--topic", "made", "--partitions", "4"], ""),
        (&["--delete", "--topic", "made"], ""),
        (&["--list"], "\n"),
    ];
    for (arguments, wanted) in steps {
        let mut topics = world.jars.tool_for(Tool::Topics, world.tools.bootstrap());
        let output = run_ok(topics.args(arguments), Input::Nothing, LIMIT).expect("kafka-topics");
        assert_eq!(text(&output.stdout), wanted, "{arguments:?}");
    }
}

#[test]
fn ktopics_prints_what_kafka_topics_prints_about_apache_kafka() {
    let Some(world) = World::with_kafka("ktopics, Apache Kafka") else { return };
    let name = |tool: &str, topic: &str| format!("{topic}.{tool}");
    for topic in ["one_a", "two"] {
        let create = |mut command: Command, tool: &str| {
            command.args(["--create", "--topic", &name(tool, topic), "--partitions", "3"]);
            command.args(["--replication-factor", "1", "--config", "retention.ms=3600000"]);
            run_ok(&mut command, Input::Nothing, LIMIT).expect("create")
        };
        let theirs = create(world.jars.tool_for(Tool::Topics, world.tools.bootstrap()), "java");
        let ours = create(world.tools.command("ktopics"), "ours");
        assert_eq!(text(&ours.stdout), text(&theirs.stdout).replace(".java", ".ours"));
    }
    let actions: [&[&str]; 4] = [
        &["--list"],
        &["--describe", "--topic", "two.java"],
        &["--describe", "--topic", "one_a.ours"],
        &["--create", "--if-not-exists", "--topic", "two.java"],
    ];
    for action in actions {
        let (theirs, ours) = world.both_topics_tools(action);
        assert!(theirs.status.success() && ours.status.success(), "{action:?}: {theirs:?} {ours:?}");
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{action:?}");
    }
    // The order of the topics is that of a Java hash map.
    let (theirs, ours) = world.both_topics_tools(&["--describe"]);
    let sorted = |output: &Output| text(&output.stdout).lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&ours), sorted(&theirs));
}

#[test]
fn ktopics_fails_where_kafka_topics_fails_and_says_the_brokers_reason_on_stderr() {
    let Some(world) = World::with_kafka("ktopics errors, Apache Kafka") else { return };
    world.create_topic("there", &[]);
    let actions: [&[&str]; 6] = [
        &["--create", "--topic", "there"],
        &["--create", "--topic", "big", "--replication-factor", "5", "--partitions", "1"],
        &["--create", "--topic", "none", "--partitions", "0"],
        &["--create", "--topic", "odd", "--config", "retention.ms=soon"],
        &["--alter", "--topic", "there", "--partitions", "2"],
        &["--create", "--topic", "unknown-config", "--config", "retention.mss=1"],
    ];
    for action in actions {
        let (theirs, ours) = world.both_topics_tools(action);
        assert!(!theirs.status.success() && !ours.status.success(), "{action:?}: {theirs:?} {ours:?}");
        let printed = text(&theirs.stdout);
        let reason = printed.trim().trim_start_matches("Error while executing topic command : ");
        assert!(
            text(&ours.stderr).contains(reason),
            "{action:?}: {reason:?} is not in {:?}",
            text(&ours.stderr)
        );
        assert_eq!(text(&ours.stdout), "", "{action:?}: errors belong on stderr");
    }
    for action in [["--describe", "--topic", "absent"], ["--delete", "--topic", "absent"]] {
        let (theirs, ours) = world.both_topics_tools(&action);
        assert!(!theirs.status.success() && !ours.status.success(), "{action:?}: {theirs:?} {ours:?}");
        assert!(text(&ours.stderr).contains("absent"), "{action:?}: {:?}", text(&ours.stderr));
    }
}

/// A cluster and both families of tools.
struct World {
    binaries: Binaries,
    jars: Jars,
    tools: Tools,
    broker: Option<Kbroker>,
    // Both after the broker: it must be gone before its data is.
    _kafka: Option<Kafka>,
    data_dir: tempfile::TempDir,
}

impl World {
    fn with_kbroker(test: &str) -> Option<Self> {
        let jars = or_skip(test, Jars::fetch())?;
        let binaries = Binaries::build().expect("our programs compile");
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
        let tools = Tools::new(binaries.clone(), broker.bootstrap());
        Some(Self { binaries, jars, tools, broker: Some(broker), _kafka: None, data_dir })
    }

    fn with_kafka(test: &str) -> Option<Self> {
        let jars = or_skip(test, Jars::fetch())?;
        let binaries = Binaries::build().expect("our programs compile");
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let kafka = Kafka::start(&jars).expect("Apache Kafka starts");
        let tools = Tools::new(binaries.clone(), kafka.bootstrap());
        Some(Self { binaries, jars, tools, broker: None, _kafka: Some(kafka), data_dir })
    }

    fn create_topic(&self, topic: &str, options: &[&str]) {
        self.tools.create_topic(topic, PARTITIONS, options).expect("ktopics --create");
    }

    fn kproduce(&self, topic: &str, codec: &str, file: &LineFile) {
        self.tools.produce(topic, codec, &file.path()).expect("kproduce");
    }

    /// Reads each partition by its number up to the end it has now: no group takes part.
    fn console_consumer_reads(&self, topic: &str) -> Partitions {
        let outputs = self.end_offsets(topic).into_iter().enumerate().map(|(partition, end)| {
            if end == "0" {
                return Vec::new();
            }
            let mut consumer = self.jars.tool_for(Tool::ConsoleConsumer, self.tools.bootstrap());
            consumer.args(["--topic", topic, "--partition", &partition.to_string(), "--offset", "earliest"]);
            consumer.args(["--max-messages", &end]);
            run_ok(&mut consumer, Input::Nothing, LIMIT).expect("console consumer").stdout
        });
        Partitions::from_readers(outputs.collect())
    }

    /// The end offset of each partition, as Kafka's tool prints it: `<topic>:<partition>:<offset>`.
    fn end_offsets(&self, topic: &str) -> Vec<String> {
        let mut tool = self.jars.tool_for(Tool::GetOffsets, self.tools.bootstrap());
        let output = run_ok(tool.args(["--topic", topic]), Input::Nothing, LIMIT).expect("get-offsets");
        let printed = text(&output.stdout);
        let ends = printed.lines().filter_map(|line| line.rsplit(':').next().map(str::to_owned));
        let ends: Vec<String> = ends.collect();
        assert_eq!(ends.len(), PARTITIONS, "get-offsets says: {printed}{}", text(&output.stderr));
        ends
    }

    /// The same arguments for Kafka's tool and ours; their outputs in that order.
    fn both_topics_tools(&self, arguments: &[&str]) -> (Output, Output) {
        let mut theirs = self.jars.tool_for(Tool::Topics, self.tools.bootstrap());
        let mut ours = self.tools.command("ktopics");
        let theirs = run(theirs.args(arguments), Input::Nothing, LIMIT).expect("kafka-topics");
        (theirs, run(ours.args(arguments), Input::Nothing, LIMIT).expect("ktopics"))
    }

    fn stop_broker(&mut self) {
        let status = self.broker.take().map(Kbroker::stop).expect("it runs").expect("it stops");
        assert!(status.success(), "kbroker ends with {status}");
    }

    fn kill_and_restart_broker(&mut self) {
        let broker = self.broker.take().expect("it runs");
        let port = broker.port();
        broker.kill().expect("it is killed");
        let broker = Kbroker::start_on(&self.binaries, port, self.data_dir.path(), &[]);
        self.broker = Some(broker.expect("kbroker starts again"));
    }

    /// Every segment and index of the topic goes through Kafka's dump tool. The broker is stopped.
    fn dump_and_check(&self, topic: &str, file: &LineFile) {
        let logs = self.segment_files(topic, &["log"]);
        assert!(logs.len() >= PARTITIONS, "{topic}: {logs:?}");
        let dump = self.dump(&logs, &["--deep-iteration"]);
        let records = dump.lines().filter(|line| line.starts_with("| offset:")).count();
        assert_eq!(u64::try_from(records), Ok(file.lines().count()), "{topic}: records in the dump");
        assert!(dump.contains("isvalid: true") && !dump.contains("isvalid: false"), "{topic}: a bad batch");

        let indexes = self.segment_files(topic, &["index", "timeindex"]);
        assert_eq!(indexes.len(), logs.len() * 2, "{topic}: {indexes:?}");
        let dump = self.dump(&indexes, &["--index-sanity-check"]);
        // Few bytes in a segment need no index entry, but not every index can be empty.
        let (passed, empty) =
            (dump.matches(" passed sanity check.").count(), dump.matches(" is empty.").count());
        assert!(passed >= PARTITIONS && passed + empty == indexes.len(), "{topic}: {dump}");
        self.dump(&indexes, &["--verify-index-only"]);
    }

    /// What the dump tool prints about those files; it must not complain.
    fn dump(&self, files: &[PathBuf], options: &[&str]) -> String {
        let files = files.iter().map(|file| file.as_os_str()).collect::<Vec<_>>().join(OsStr::new(","));
        let mut tool = self.jars.tool(Tool::DumpLog, Jvm::Quick);
        tool.arg("--files").arg(files).args(options);
        let output = run_ok(&mut tool, Input::Nothing, LIMIT).expect("dump-log");
        assert_eq!(complaints(&text(&output.stderr)), Vec::<String>::new(), "the dump tool complains");
        let dump = text(&output.stdout);
        for complaint in ["Mismatch", "mismatch", "Non-consecutive", "out of order", "Exception", "corrupt"] {
            let found = dump.lines().find(|line| line.contains(complaint));
            assert_eq!(found, None, "the dump tool complains");
        }
        dump
    }

    fn segment_files(&self, topic: &str, extensions: &[&str]) -> Vec<PathBuf> {
        let folders =
            (0..PARTITIONS).map(|partition| self.data_dir.path().join(format!("{topic}-{partition}")));
        let mut files: Vec<PathBuf> = folders.flat_map(|folder| files_in(&folder)).collect();
        files.retain(|file| extensions.iter().any(|wanted| file.extension() == Some(OsStr::new(wanted))));
        files.sort();
        files
    }
}

/// What the dump tool says on stderr, without what it says of every segment after a partition's first:
/// it begins to count at -1, so even of Apache Kafka's own segments it says
/// `Non-consecutive offsets in <base>.log`, `-1 is followed by <base>`.
fn complaints(stderr: &str) -> Vec<String> {
    let lines: Vec<&str> = stderr.lines().collect();
    let mut rest = lines.as_slice();
    let mut complaints = Vec::new();
    while let [line, after @ ..] = rest {
        let base = after.first().and_then(|next| next.trim().strip_prefix("-1 is followed by "));
        let of_its_start = base.and_then(|base| base.parse::<u64>().ok()).is_some_and(|base| {
            line.starts_with("Non-consecutive offsets in ") && line.ends_with(&format!("/{base:020}.log"))
        });
        if of_its_start {
            rest = after.get(1..).unwrap_or_default();
        } else {
            complaints.push((*line).to_owned());
            rest = after;
        }
    }
    complaints
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder entry").path()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
