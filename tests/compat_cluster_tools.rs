//! Three Apache Kafkas, and then three kbrokers, judge `kelect`, `kreassign`, `klogdirs`, `kconfigs` and `kcluster`: Kafka's tools print the same bytes about the
//! same cluster and exit alike, and what one of them began the other sees, goes on with and takes back.

#[path = "compat_cluster_tools/configs.rs"]
mod configs;
#[path = "compat_cluster_tools/kbrokers.rs"]
mod kbrokers;
#[path = "compat_cluster_tools/moves.rs"]
mod moves;
#[path = "compat_cluster_tools/old.rs"]
mod old;
#[path = "compat_cluster_tools/world.rs"]
mod world;

use kinglet_harness::absent::or_skip;
use kinglet_harness::kafka::{Jars, KafkaCluster};
use serde_json::Value;

use configs::{configure_brokers, configure_loggers, configure_others, configure_topics};
use moves::{reassign, reassign_slowly};
use world::{CLUSTER, ELECTION, LOG_DIRS, World};

#[test]
fn clusters_are_administered_as_with_kafkas_tools() {
    let Some(jars) = or_skip("the cluster's tools beside Kafka's", Jars::fetch()) else { return };
    // Without records that only show that the controller is alive nothing changes between two looks.
    let quiet = "metadata.max.idle.interval.ms=0\noffsets.topic.num.partitions=2\n";
    let mut kafka = KafkaCluster::start_with(&jars, quiet).expect("three Apache Kafkas start");
    let mut world = World::new(&jars, kafka.bootstrap(), kafka.controllers());
    create_topics(&world);
    describe_cluster(&mut world);
    describe_log_dirs(&mut world);
    configure_topics(&mut world);
    configure_brokers(&mut world);
    configure_loggers(&mut world);
    configure_others(&mut world);
    elect(&mut world);
    reassign(&mut world);
    reassign_slowly(&mut world);

    kafka.kill(3).expect("it runs");
    world.without(kafka.bootstrap(), kafka.controllers());
    unregister(&mut world);
}

fn create_topics(world: &World) {
    for (topic, assignment) in
        [("t3", "1:2:3,2:3:1,3:1:2"), ("cfg", "3:1,1:2"), ("slow", "1"), ("only", "3"), ("dead", "3:1")]
    {
        world.create(topic, assignment);
    }
    world.fill("slow", 8000);
}

/// What can be done about broker 3, which is dead.
fn unregister(world: &mut World) {
    world.same(CLUSTER, "kcluster", &["list-endpoints", "--include-fenced-brokers"]);
    let one = ["--topic", "dead", "--partition", "0"];
    world.same_failure(ELECTION, "kelect", &[&["--election-type", "preferred"][..], &one].concat());
    world.same_failure(
        ELECTION,
        "kelect",
        &["--election-type", "unclean", "--topic", "only", "--partition", "0"],
    );
    let unregister = ["unregister", "--id", "3"];
    assert_eq!(
        world.ours("kcluster", &unregister).ok().expect("it does what it is told").stdout,
        "Broker 3 is no longer registered.\n"
    );
    world.refused(CLUSTER, "kcluster", &unregister);
    world.refused(CLUSTER, "kcluster", &["unregister", "--id", "9"]);
}

fn describe_cluster(world: &mut World) {
    world.same(CLUSTER, "kcluster", &["cluster-id"]);
    world.same(CLUSTER, "kcluster", &["list-endpoints"]);
    world.same(CLUSTER, "kcluster", &["list-endpoints", "--include-fenced-brokers"]);
    world.same_by_controllers(CLUSTER, "kcluster", &["cluster-id"]);
    world.same_by_controllers(CLUSTER, "kcluster", &["list-endpoints"]);
    world.refused(CLUSTER, "kcluster", &["unregister", "--id", "9"]);
}

fn describe_log_dirs(world: &mut World) {
    world.same(LOG_DIRS, "klogdirs", &["--describe"]);
    world.same(LOG_DIRS, "klogdirs", &["--describe", "--broker-list", "3,1"]);
    world.same(LOG_DIRS, "klogdirs", &["--describe", "--topic-list", "cfg,t3"]);
    world.same(LOG_DIRS, "klogdirs", &["--describe", "--topic-list", "nosuch"]);
    world.same(LOG_DIRS, "klogdirs", &["--describe", "--broker-list", "1", "--topic-list", "t3"]);
    world.refused(LOG_DIRS, "klogdirs", &["--describe", "--broker-list", "1,7"]);
    world.refused_in_other_words(LOG_DIRS, "klogdirs", &["--describe", "--broker-list", "x"]);
}

fn elect(world: &mut World) {
    let preferred = ["--election-type", "preferred"];
    let all = [&preferred[..], &["--all-topic-partitions"]].concat();
    world.same(ELECTION, "kelect", &all);
    let one = [&preferred[..], &["--topic", "t3", "--partition", "0"]].concat();
    world.same(ELECTION, "kelect", &one);
    world.same(ELECTION, "kelect", &["--election-type", "unclean", "--topic", "t3", "--partition", "0"]);
    world.same_failure(
        ELECTION,
        "kelect",
        &[&preferred[..], &["--topic", "nosuch", "--partition", "0"]].concat(),
    );
    world.same_failure(
        ELECTION,
        "kelect",
        &[&preferred[..], &["--topic", "t3", "--partition", "7"]].concat(),
    );
    refuse_elections(world);

    // Other preferred leaders, so that there is something to elect; then the first ones again.
    let (turned, first) = ([[2, 3, 1], [3, 1, 2], [1, 2, 3]], [[1, 2, 3], [2, 3, 1], [3, 1, 2]]);
    world.reorder("t3", &turned);
    let theirs = world.theirs(ELECTION, &all);
    world.reorder("t3", &first);
    let ours = world.ours("kelect", &all);
    assert_eq!((&ours.stdout, ours.status), (&theirs.stdout, theirs.status), "{}", ours.stderr);
    assert!(
        ours.stdout.contains("PREFERRED) for partitions") && ours.stdout.contains("t3-2"),
        "{}",
        ours.stdout
    );

    world.reorder("t3", &turned);
    let ours = world.ours("kelect", &["-o", "json"]);
    let document: Value = serde_json::from_str(&ours.stdout).expect("JSON");
    let led =
        |row: &Value| (row["partition"].as_i64(), row["leader_before"].as_i64(), row["leader"].as_i64());
    let mut led: Vec<_> = document["partitions"].as_array().expect("partitions").iter().map(led).collect();
    led.sort();
    assert_eq!(
        led,
        [(0, 1, 2), (1, 2, 3), (2, 3, 1)].map(|(p, a, b)| (Some(p), Some(a), Some(b))),
        "{}",
        ours.stderr
    );
    world.reorder("t3", &first);
    let file = world.file(
        "elect.json",
        r#"{"partitions": [{"topic": "t3", "partition": 1}, {"topic": "cfg", "partition": 0}]}"#,
    );
    let line = [&preferred[..], &["--path-to-json-file", &file]].concat();
    let ours = world.ours("kelect", &line);
    let elected = "Successfully completed leader election (PREFERRED) for partitions t3-1\nValid replica already elected for partitions cfg-0\n";
    assert_eq!((ours.stdout.as_str(), ours.status), (elected, 0), "{}", ours.stderr);
    world.same(ELECTION, "kelect", &line);
    let old = world.ours("kelect", &[]);
    assert!(
        old.stdout.starts_with("Successfully completed preferred replica election for partitions t3-"),
        "{}",
        old.stdout
    );
}

/// What cannot be elected as it is said.
fn refuse_elections(world: &mut World) {
    let none = world.file("none.json", r#"{"partitions": []}"#);
    world.all_same(
        ELECTION,
        "kelect",
        &[
            &*format!("--election-type preferred --path-to-json-file {none}"),
            "--election-type unclean --all-topic-partitions",
        ],
    );
    world.all_refused(
        ELECTION,
        "kelect",
        &[
            "--election-type preferred",
            "--election-type preferred --topic t3",
            "--election-type preferred --partition 0",
            "--election-type preferred --topic t3 --partition 0 --all-topic-partitions",
        ],
    );
    let entry = r#"{"topic": "t3", "partition": 0}"#;
    for text in [
        "",
        "{",
        "{}",
        r#"{"partitions": 5}"#,
        r#"{"partitions": [{"topic": "t3"}]}"#,
        &format!(r#"{{"partitions": [{entry}, {entry}]}}"#),
    ] {
        let wrong = world.file("wrong.json", text);
        let line = format!("--election-type preferred --path-to-json-file {wrong}");
        world.all_refused(ELECTION, "kelect", &[&line]);
    }
    for line in [
        ["--election-type", "preferred", "--path-to-json-file", "/nonexistent"].as_slice(),
        &["--election-type", "wrong", "--all-topic-partitions"],
    ] {
        world.refused_in_other_words(ELECTION, "kelect", line);
    }
}
