//! Three Apache Kafkas, and then three kbrokers, judge `kelect`, `kreassign`, `klogdirs`, `kconfigs` and `kcluster`: Kafka's tools print the same bytes about the
//! same cluster and exit alike, and what one of them began the other sees, goes on with and takes back.

#[path = "compat_cluster_tools/kbrokers.rs"]
mod kbrokers;
#[path = "compat_cluster_tools/world.rs"]
mod world;

use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, Kafka, KafkaCluster, Ran, Release};
use kinglet_harness::process::{Input, run};
use kinglet_harness::tools::Tools;
use serde_json::Value;
use world::{CLUSTER, CONFIGS, ELECTION, LOG_DIRS, REASSIGN, World};

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
    world.refused(LOG_DIRS, "klogdirs", &["--describe", "--broker-list", "1,7"]);
}

fn configure_topics(world: &mut World) {
    let topic = ["--entity-type", "topics", "--entity-name", "cfg"];
    let alter = |more: &[&'static str]| [&topic[..], &["--alter"], more].concat();
    world.same(
        CONFIGS,
        "kconfigs",
        &alter(&["--add-config", "retention.ms=7200000,cleanup.policy=[compact,delete]"]),
    );
    world.same(CONFIGS, "kconfigs", &[&topic[..], &["--describe"]].concat());
    world.same(
        CONFIGS,
        "kconfigs",
        &alter(&["--delete-config", "retention.ms", "--add-config", "segment.bytes=2000000"]),
    );
    world.same(CONFIGS, "kconfigs", &["--describe", "--topic", "cfg"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--topic", "cfg", "--all"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--entity-type", "topics"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--topic", "nosuch", "--compat"]);
    world.refused(CONFIGS, "kconfigs", &alter(&["--add-config", "retention.ms=soon"]));
    world.refused(CONFIGS, "kconfigs", &alter(&["--add-config", "nosuch.key=1"]));
    world.refused(CONFIGS, "kconfigs", &alter(&["--add-config", "a"]));
}

fn configure_brokers(world: &mut World) {
    world.same(
        CONFIGS,
        "kconfigs",
        &["--alter", "--broker-defaults", "--add-config", "log.cleaner.threads=2"],
    );
    world.same(
        CONFIGS,
        "kconfigs",
        &["--alter", "--broker", "2", "--add-config", "max.connections.per.ip=9000"],
    );
    world.same(CONFIGS, "kconfigs", &["--describe", "--entity-type", "brokers"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--broker", "2", "--all"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--broker", "9", "--compat"]);
    world.refused(CONFIGS, "kconfigs", &["--alter", "--broker", "2", "--add-config", "node.id=9"]);
    world.refused(CONFIGS, "kconfigs", &["--describe", "--entity-type", "nosuch"]);
    world.refused(CONFIGS, "kconfigs", &["--describe", "--broker", "x"]);
}

fn configure_others(world: &mut World) {
    world.same(CONFIGS, "kconfigs", &["--describe", "--broker-logger", "1"]);
    world.same(
        CONFIGS,
        "kconfigs",
        &["--alter", "--group", "g", "--add-config", "consumer.session.timeout.ms=46000"],
    );
    world.same(CONFIGS, "kconfigs", &["--describe", "--group", "g"]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--entity-type", "groups"]);
    let metrics = "interval.ms=60000,match=[client_id=a.*,client_software_name=b.*]";
    world.same(CONFIGS, "kconfigs", &["--alter", "--client-metrics", "m", "--add-config", metrics]);
    world.same(CONFIGS, "kconfigs", &["--describe", "--entity-type", "client-metrics"]);
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
    world.refused(ELECTION, "kelect", &preferred);
    world.refused(ELECTION, "kelect", &[&preferred[..], &["--topic", "t3"]].concat());
    world.refused(ELECTION, "kelect", &[&preferred[..], &["--path-to-json-file", "/nonexistent"]].concat());

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

fn reassign(world: &mut World) {
    world.same(REASSIGN, "kreassign", &["--list"]);
    world.same_by_controllers(REASSIGN, "kreassign", &["--list"]);
    let topics =
        world.file("topics.json", r#"{"topics": [{"topic": "t3"}, {"topic": "cfg"}], "version": 1}"#);
    let line = ["--generate", "--topics-to-move-json-file", &topics, "--broker-list", "1,2,3"];
    let (theirs, ours) = (world.theirs(REASSIGN, &line), world.ours("kreassign", &line));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (lines(&theirs.stdout), lines(&ours.stdout));
    assert_eq!(ours[..4], theirs[..4], "what is there is told alike");
    let shape = |line: &str| {
        let json: Value = serde_json::from_str(line).expect("JSON");
        let partitions = json["partitions"].as_array().expect("partitions");
        let row = |p: &Value| {
            (
                p["topic"].clone(),
                p["partition"].clone(),
                p["replicas"].as_array().map(Vec::len),
                p["log_dirs"].clone(),
            )
        };
        partitions.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!((ours.len(), shape(&ours[4])), (theirs.len(), shape(&theirs[4])));

    let plan = world.file("plan.json", &ours[4]);
    world.theirs(REASSIGN, &["--execute", "--reassignment-json-file", &plan]);
    world.wait_for(&["--verify", "--reassignment-json-file", &plan], "is completed.", 5);
    world.same(REASSIGN, "kreassign", &["--verify", "--reassignment-json-file", &plan]);
    world.same(
        REASSIGN,
        "kreassign",
        &["--verify", "--preserve-throttles", "--reassignment-json-file", &plan],
    );
    world.same(REASSIGN, "kreassign", &["--cancel", "--reassignment-json-file", &plan]);
    world.same(
        REASSIGN,
        "kreassign",
        &["--cancel", "--preserve-throttles", "--reassignment-json-file", &plan],
    );
    world.same(REASSIGN, "kreassign", &["--execute", "--reassignment-json-file", &plan]);
    world.same(
        REASSIGN,
        "kreassign",
        &["--execute", "--reassignment-json-file", &plan, "--disallow-replication-factor-change"],
    );

    let other = world.plan("other.json", "only", &[&[1]]);
    world.same(
        REASSIGN,
        "kreassign",
        &["--verify", "--reassignment-json-file", &other, "--preserve-throttles"],
    );
    let wrong: [(&str, &[&[i32]]); 4] =
        [("only", &[&[9]]), ("only", &[&[]]), ("only", &[&[1, 1]]), ("nosuch", &[&[1]])];
    for (topic, replicas) in wrong {
        let wrong = world.plan("wrong.json", topic, replicas);
        world.refused(REASSIGN, "kreassign", &["--execute", "--reassignment-json-file", &wrong]);
    }
    let wrong = world.plan("wrong.json", "only", &[&[1], &[2]]);
    world.refused(REASSIGN, "kreassign", &["--execute", "--reassignment-json-file", &wrong]);
    let wrong = world.plan("wrong.json", "only", &[&[1, 2]]);
    world.refused(
        REASSIGN,
        "kreassign",
        &["--execute", "--disallow-replication-factor-change", "--reassignment-json-file", &wrong],
    );
    world.refused(REASSIGN, "kreassign", &["--list", "--verify"]);
    world.refused(REASSIGN, "kreassign", &["--execute"]);
    world.refused(REASSIGN, "kreassign", &["--list", "--additional"]);
}

/// A move that does not get on, begun by each, seen and cancelled by the other.
fn reassign_slowly(world: &mut World) {
    let plan = world.plan("slow.json", "slow", &[&[2]]);
    let file = ["--reassignment-json-file", plan.as_str()];
    let execute =
        [&["--execute", "--throttle", "1", "--replica-alter-log-dirs-throttle", "1000000"], &file[..]]
            .concat();
    let cancel = [&["--cancel"], &file[..]].concat();
    let throttles = |world: &mut World| {
        let topic = world.theirs(CONFIGS, &["--describe", "--topic", "slow"]).stdout;
        topic + &world.theirs(CONFIGS, &["--describe", "--entity-type", "brokers"]).stdout
    };
    let none = throttles(world);

    let theirs = world.theirs(REASSIGN, &execute);
    let set_by_them = throttles(world);
    assert!(set_by_them.contains("replication.throttled.replicas=0:2"), "{set_by_them}");
    world.same(REASSIGN, "kreassign", &["--list"]);
    world.same(REASSIGN, "kreassign", &[&["--verify"], &file[..]].concat());
    world.refused(REASSIGN, "kreassign", &execute);
    world.same(REASSIGN, "kreassign", &[&execute[..], &["--additional"]].concat());
    let ours_cancelled = world.ours("kreassign", &cancel);
    assert_eq!(throttles(world), none, "the throttles are gone");

    let ours = world.ours("kreassign", &execute);
    assert_eq!((&ours.stdout, ours.status), (&theirs.stdout, theirs.status), "{}", ours.stderr);
    assert_eq!(throttles(world), set_by_them, "the throttles are set alike");
    let theirs_cancelled = world.theirs(REASSIGN, &cancel);
    assert_eq!(ours_cancelled.stdout, theirs_cancelled.stdout, "{}", ours_cancelled.stderr);
    assert_eq!(throttles(world), none, "the throttles are gone");

    // From one directory of a broker to another there is nothing to move: each has one.
    let dirs = world.ours("klogdirs", &["-o", "json", "--broker-list", "1"]).stdout;
    let dirs: Value = serde_json::from_str(&dirs).expect("JSON");
    let dir = dirs["brokers"][0]["log_dirs"][0]["path"].as_str().expect("a path").to_owned();
    let entry = format!(r#"{{"topic": "slow", "partition": 0, "replicas": [1], "log_dirs": ["{dir}"]}}"#);
    let here = world.file("here.json", &format!(r#"{{"version": 1, "partitions": [{entry}]}}"#));
    world.same(REASSIGN, "kreassign", &["--execute", "--reassignment-json-file", &here]);
    world.same(REASSIGN, "kreassign", &["--verify", "--reassignment-json-file", &here]);
}

#[test]
fn an_old_broker_takes_what_it_knows_and_is_named_as_too_old_for_the_rest() {
    let Some(jars) = or_skip("the cluster's tools with an old broker", Jars::fetch_release(Release::V2_2))
    else {
        return;
    };
    let kafka = Kafka::start(&jars).expect("Apache Kafka 2.2 starts");
    let tools = Tools::new(Binaries::build().expect("our programs compile"), kafka.bootstrap());
    let ours = |tool: &str, line: &[&str]| {
        let ran = run(tools.command(tool).args(line), Input::Nothing, Duration::from_secs(60));
        Ran::from(ran.expect("it ends"))
    };
    tools.create_topic("t", 1, &[]).expect("ktopics --create");

    // It knows whole configurations only: what is not named has to stay.
    for change in [
        "--add-config=retention.ms=7200000,segment.bytes=2000000",
        "--add-config=flush.ms=9",
        "--delete-config=segment.bytes",
    ] {
        let ran =
            ours("kconfigs", &["--alter", "--topic", "t", change]).ok().expect("it does what it is told");
        assert_eq!(ran.stdout, "Completed updating config for topic t.\n");
    }
    let described = ours("kconfigs", &["--describe", "--topic", "t", "-o", "json"])
        .ok()
        .expect("it does what it is told")
        .stdout;
    let described: Value = serde_json::from_str(&described).expect("JSON");
    let entry = |entry: &Value| format!("{}={}", entry["key"], entry["value"]);
    let configs = described["entities"][0]["configs"].as_array().expect("entries").iter().map(entry);
    assert_eq!(configs.collect::<Vec<_>>(), [r#""flush.ms"="9""#, r#""retention.ms"="7200000""#]);

    ours("kelect", &[]).ok().expect("it does what it is told");
    let elected =
        ours("kelect", &["--topic", "t", "--partition", "0"]).ok().expect("it does what it is told").stdout;
    assert_eq!(elected, "Successfully completed preferred replica election for partitions t-0\n");
    assert!(
        ours("klogdirs", &["--topic-list", "t"])
            .ok()
            .expect("it does what it is told")
            .stdout
            .contains("\"partition\":\"t-0\"")
    );
    assert!(
        ours("kcluster", &["cluster-id"])
            .ok()
            .expect("it does what it is told")
            .stdout
            .starts_with("Cluster ID: ")
    );
    for (tool, line, needs) in [
        ("kreassign", &["--list"][..], "Kafka >= 2.4 (KIP-455)"),
        ("kcluster", &["unregister", "--id", "1"], "Kafka >= 2.8 (KIP-631)"),
        ("kcluster", &["list-endpoints", "--include-fenced-brokers"], "Kafka >= 2.8 (KIP-700)"),
    ] {
        let ran = ours(tool, line);
        assert_eq!(ran.status, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(needs), "{tool}: {}", ran.stderr);
    }
}
