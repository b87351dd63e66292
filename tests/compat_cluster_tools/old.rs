//! A broker of Kafka 2.2, which knows whole configurations only and elects by itself what is preferred.

use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, JavaTools, Kafka, Ran, Release};
use kinglet_harness::process::{Input, run};
use kinglet_harness::tools::Tools;
use serde_json::Value;

const PREFERRED_REPLICA: &str = "kafka.admin.PreferredReplicaLeaderElectionCommand";
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_old_broker_takes_what_it_knows_and_is_named_as_too_old_for_the_rest() {
    let Some(jars) = or_skip("the cluster's tools with an old broker", Jars::fetch_release(Release::V2_2))
    else {
        return;
    };
    let kafka = Kafka::start(&jars).expect("Apache Kafka 2.2 starts");
    let tools = Tools::new(Binaries::build().expect("our programs compile"), kafka.bootstrap());
    let ours = |tool: &str, line: &[&str]| {
        let ran = run(tools.command(tool).args(line), Input::Nothing, LIMIT);
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

    tools.create_topic("t3", 5, &[]).expect("ktopics --create");
    // The tool of that time, which current ones have taken the place of. Its order is another one at each call.
    let mut java = JavaTools::start(&jars).expect("java starts");
    let theirs = java.run(PREFERRED_REPLICA, &["--bootstrap-server", &kafka.bootstrap()], LIMIT);
    let (theirs, ours_too) = (theirs.expect("Kafka's tool answers"), ours("kelect", &["--compat"]));
    assert_eq!((ours_too.status, theirs.status), (0, 0), "{}{}", ours_too.stderr, theirs.stderr);
    assert_eq!(elected_of(&ours_too.stdout), elected_of(&theirs.stdout));
    assert_eq!(elected_of(&theirs.stdout).len(), 6, "{}", theirs.stdout);
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

/// The partitions in the line that says that leaders were elected.
fn elected_of(stdout: &str) -> Vec<&str> {
    let names = stdout.strip_prefix("Successfully completed preferred replica election for partitions ");
    let mut names: Vec<&str> = names.expect("elected").trim_end().split(", ").collect();
    names.sort_unstable();
    names
}
