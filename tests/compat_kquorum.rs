//! Three Apache Kafkas judge `kquorum` and the filters of `ktopics --describe`: kafka-metadata-quorum and kafka-topics print the same
//! bytes about the same cluster, whole and with one broker killed.

#[path = "compat_kquorum/world.rs"]
mod world;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, KafkaCluster};

use world::{QUORUM, World};

#[test]
fn quorum_and_partitions_are_described_as_kafkas_tools_do() {
    let Some(jars) = or_skip("kquorum and ktopics beside Kafka's tools", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    // Without records that only show that the controller is alive the log stands still between two looks.
    let quiet = "metadata.max.idle.interval.ms=0\noffsets.topic.num.partitions=2\n";
    let mut kafka = KafkaCluster::start_with(&jars, quiet).expect("three Apache Kafkas start");
    let mut world = World::new(&jars, binaries, kafka.bootstrap(), Some(kafka.controllers()));

    world.check_quorum();
    check_refusals(&mut world);
    world.create_assigned();
    world.check_partitions();

    kafka.kill(3).expect("it runs");
    world.brokers = kafka.bootstrap();
    world.controllers = Some(kafka.controllers());
    world.wait_until("--unavailable-partitions", |said| said.contains("Topic: only-3\t"));
    world.check_partitions();
    world.check_quorum();
}

fn check_refusals(world: &mut World) {
    let servers = world.brokers.clone();
    for view in [&[][..], &["--status", "--replication"], &["--status", "--human-readable"]] {
        let words = [&["--bootstrap-server", &servers, "describe"], view].concat();
        let theirs = world.theirs(QUORUM, &words);
        let ours = world.ours("kquorum", &[&words[..], &["--compat"]].concat());
        assert_eq!((ours.status, &ours.stdout), (theirs.status, &theirs.stdout), "{words:?}");
        let said = theirs.stderr.lines().next().unwrap_or_default();
        assert!(ours.stderr.contains(said), "{words:?}: {} and not {said}", ours.stderr);
    }
}
