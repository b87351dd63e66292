//! Kafka's tools judge three `kbroker` processes: topics are made, changed, written, read in a group and deleted by them, and what they
//! say of the cluster is what ours say, and what they say of an Apache Kafka cluster with the same topics, whole and with one broker killed.

#[path = "compat_kquorum/world.rs"]
mod world;

use std::process::Command;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::cluster::Brokers;
use kinglet_harness::kafka::{Jars, KafkaCluster, Tool};
use kinglet_harness::process::{Input, run_ok};
use kinglet_harness::text::{LineFile, LineSet, lines_wanted};

use world::{FILTERS, LIMIT, TOPICS, World};

/// What both clusters are told, so that they can be compared.
const ALIKE: [&str; 2] = ["offsets.topic.num.partitions=2", "min.insync.replicas=2"];

#[test]
fn kafkas_tools_work_with_three_kbrokers() {
    let Some(jars) = or_skip("Kafka's tools, three kbrokers", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let brokers = Brokers::start(&binaries, &ALIKE).expect("three kbrokers form a cluster");
    let mut world = World::new(&jars, binaries, brokers.bootstrap(), None);

    let made = ["--create", "--topic", "made", "--partitions", "3", "--replication-factor", "3"];
    assert_eq!(topics(&mut world, &made), "Created topic made.\n");
    let described = topics(&mut world, &["--describe", "--topic", "made"]);
    assert_eq!(described.lines().count(), 4, "{described}");
    assert!(described.contains("PartitionCount: 3\tReplicationFactor: 3\t"), "{described}");
    assert_eq!(topics(&mut world, &["--alter", "--topic", "made", "--partitions", "5"]), "");
    // A broker may hear of the change a moment after the one that has answered.
    world.wait_until("--exclude-internal", |said| said.contains("PartitionCount: 5\t"));

    let file = LineFile::new(lines_wanted(10_000)).expect("the lines are written");
    let mut producer = jars.tool_for(Tool::ConsoleProducer, &world.brokers);
    producer.args(["--topic", "made", "--command-property", "acks=all"]);
    let said = run_ok(&mut producer, Input::File(&file.path()), LIMIT).expect("console producer").stderr;
    assert!(said.is_empty(), "the producer warns: {}", String::from_utf8_lossy(&said));
    assert_eq!(read_in_group(jars.tool_for(Tool::ConsoleConsumer, &world.brokers), &file), file.lines());

    world.check_quorum();
    world.check_partitions();
    assert_eq!(topics(&mut world, &["--list"]), "__consumer_offsets\nmade\n");
    assert_eq!(topics(&mut world, &["--delete", "--topic", "made"]), "");
    world.wait_until("--exclude-internal", |said| !said.contains("made"));
}

#[test]
fn kafkas_tools_work_with_controllers_that_are_nothing_else() {
    let Some(jars) = or_skip("Kafka's tools, controllers apart", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let brokers = Brokers::start_apart(&binaries, &ALIKE).expect("three controllers and three brokers");
    let mut world = World::new(&jars, binaries, brokers.bootstrap(), Some(brokers.controllers()));
    world.create_assigned();
    world.check_quorum();
    world.check_partitions();
    // A controller is no broker, and both say so instead of trying for ever.
    let words = ["--bootstrap-server", &brokers.controllers(), "--list"];
    let (theirs, ours) = (world.theirs(TOPICS, &words), world.ours("ktopics", &words));
    println!("theirs: {}{}\nours: {}", theirs.stdout, theirs.stderr, ours.stderr);
    assert_ne!((ours.status, theirs.status), (0, 0));
}

#[test]
fn three_kbrokers_are_described_as_three_apache_kafkas_are() {
    let Some(jars) = or_skip("three kbrokers beside three Apache Kafkas", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let mut kafka =
        KafkaCluster::start_with(&jars, &(ALIKE.join("\n") + "\n")).expect("three Apache Kafkas start");
    let mut brokers = Brokers::start(&binaries, &ALIKE).expect("three kbrokers form a cluster");
    let mut theirs = World::new(&jars, binaries.clone(), kafka.bootstrap(), None);
    let mut ours = World::new(&jars, binaries, brokers.bootstrap(), None);
    for world in [&mut theirs, &mut ours] {
        world.create_assigned();
    }
    check_alike(&mut ours, &mut theirs);
    ours.check_partitions();

    kafka.kill(3).expect("it runs");
    brokers.kill(3).expect("it runs");
    theirs.brokers = kafka.bootstrap();
    for world in [&ours, &theirs] {
        world.wait_until("--unavailable-partitions", |said| said.contains("Topic: only-3\t"));
    }
    check_alike(&mut ours, &mut theirs);
    ours.check_partitions();
    ours.check_quorum();

    brokers.restart(3).expect("it comes back");
    ours.wait_until("--under-replicated-partitions", str::is_empty);
    ours.check_partitions();
}

fn topics(world: &mut World, words: &[&str]) -> String {
    let servers = world.brokers.clone();
    let ran = world.theirs(TOPICS, &[&["--bootstrap-server", &servers], words].concat());
    ran.ok().expect("kafka-topics").stdout
}

fn read_in_group(mut consumer: Command, file: &LineFile) -> LineSet {
    consumer.args(["--topic", "made", "--group", "g", "--from-beginning"]);
    consumer.args(["--max-messages", &file.lines().count().to_string()]);
    LineSet::of(&run_ok(&mut consumer, Input::Nothing, LIMIT).expect("console consumer").stdout)
}

/// Kafka's tool says the same of both clusters, but for the ids of the topics.
fn check_alike(ours: &mut World, theirs: &mut World) {
    for filter in FILTERS {
        let words = [&["--describe"], filter].concat();
        let [ours, theirs] =
            [&mut *ours, &mut *theirs].map(|world| comparable(&topics(world, &words), filter));
        assert_eq!(ours, theirs, "{filter:?}");
    }
}

/// Without what differs. Where nobody leads, Kafka moves the last members of the ISR to the ELR; here they stay in it, and so such a
/// partition is not under-replicated either.
fn comparable(described: &str, filter: &[&str]) -> Vec<String> {
    let is_led = |line: &&str| !line.contains("\tLeader: none\t");
    let is_told = |line: &&str| is_led(line) || matches!(filter, [] | ["--unavailable-partitions"]);
    let comparable = |line: &str| {
        let is_same = |cell: &&str| {
            let is_of_isr = cell.starts_with("Isr: ") || cell.contains("Elr: ");
            !cell.starts_with("TopicId: ") && (is_led(&line) || !is_of_isr)
        };
        line.split('\t').filter(is_same).collect::<Vec<_>>().join("\t")
    };
    described.lines().filter(is_told).map(comparable).collect()
}
