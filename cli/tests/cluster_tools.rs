//! `kelect`, `kconfigs` and `kcluster` as processes, against a broker in this process.

mod local;

use local::{Local, Ran};
use serde_json::Value;

const KELECT: &str = env!("CARGO_BIN_EXE_kelect");
const KCONFIGS: &str = env!("CARGO_BIN_EXE_kconfigs");
const KCLUSTER: &str = env!("CARGO_BIN_EXE_kcluster");

fn run(local: &Local, tool: &str, line: &str) -> Ran {
    local.run(tool, &line.split_whitespace().collect::<Vec<_>>(), b"")
}

#[test]
fn of_a_leader_that_is_the_preferred_one_nothing_is_elected() {
    let local = Local::start();
    local.create("t", 2);

    run(&local, KELECT, "").check(0, "");
    let one = "--election-type preferred --topic t --partition 1";
    run(&local, KELECT, one).check(0, "Valid replica already elected for partitions t-1\n");
    let json = run(&local, KELECT, "-o json --topic t --partition 1");
    let document: Value = serde_json::from_str(&json.stdout).expect("one JSON object");
    let row = &document["partitions"][0];
    assert_eq!(
        (&row["status"], &row["leader_before"]),
        (&"not needed".into(), &row["leader"]),
        "{}",
        json.stderr
    );
}

#[test]
fn a_partition_that_does_not_exist_is_part_of_the_answer_and_exits_with_4() {
    let local = Local::start();
    let file = br#"{"partitions": [{"topic": "nosuch", "partition": 0}]}"#;

    let unknown = local.run(KELECT, &["--election-type", "preferred", "--path-to-json-file", "-"], file);

    assert_eq!(unknown.code, Some(4), "{}", unknown.stderr);
    let begin = "Error completing leader election (PREFERRED) for partition: nosuch-0: \
                 org.apache.kafka.common.errors.UnknownTopicOrPartitionException: ";
    assert!(unknown.stdout.starts_with(begin), "{}", unknown.stdout);
    assert!(unknown.stderr.starts_with("error: 1 replica(s) could not be elected\n"), "{}", unknown.stderr);
}

#[test]
fn what_is_set_for_a_topic_is_described_and_gone_when_it_is_deleted() {
    let local = Local::start();
    local.create("t", 1);
    let describe = "--describe --topic t";
    let head = "Dynamic configs for topic t are:\n";
    let done = "Completed updating config for topic t.\n";

    run(&local, KCONFIGS, describe).check(0, head);
    run(&local, KCONFIGS, "--alter --topic t --add-config retention.ms=5,cleanup.policy=[compact,delete]")
        .check(0, done);
    let set = run(&local, KCONFIGS, describe);
    assert!(
        set.stdout.contains("\n  cleanup.policy=compact,delete sensitive=false synonyms={"),
        "{}",
        set.stdout
    );
    assert!(set.stdout.contains("\n  retention.ms=5 sensitive=false synonyms={"), "{}", set.stdout);
    run(&local, KCONFIGS, "--alter --topic t --delete-config retention.ms,cleanup.policy").check(0, done);
    run(&local, KCONFIGS, describe).check(0, head);
    let unknown = run(&local, KCONFIGS, "--describe --topic tt");
    assert_eq!(unknown.code, Some(4));
    assert!(unknown.stderr.contains("unknown topic 'tt'"), "{}", unknown.stderr);
}

#[test]
fn a_cluster_tells_its_id_and_where_its_broker_is() {
    let local = Local::start();
    let (_, port) = local.address().rsplit_once(':').expect("host:port");

    let id = run(&local, KCLUSTER, "cluster-id");
    assert!(id.stdout.starts_with("Cluster ID: ") && id.code == Some(0), "{}{}", id.stdout, id.stderr);
    let listed = run(&local, KCLUSTER, "list-endpoints -o json");
    let document: Value = serde_json::from_str(&listed.stdout).expect("one JSON object");
    let endpoint = &document["endpoints"][0];
    assert_eq!((endpoint["port"].to_string().as_str(), &endpoint["type"]), (port, &"broker".into()));
}
