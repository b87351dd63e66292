//! `kverify` as a process: what its lines say, and that it is so.

mod local;

use std::io::{BufRead, BufReader};

use local::{KCONSUME, Local, Ran};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

const KVERIFY: &str = env!("CARGO_BIN_EXE_kverify");
const KGROUPS: &str = env!("CARGO_BIN_EXE_kgroups");

fn produce(local: &Local, options: &str) -> Ran {
    let arguments: Vec<&str> = options.split_whitespace().collect();
    local.run(KVERIFY, &[&["produce", "--topic", "t"], &arguments[..]].concat(), b"")
}

fn consume(local: &Local, options: &str) -> Ran {
    let arguments: Vec<&str> = options.split_whitespace().collect();
    local.run(KVERIFY, &[&["consume", "--topic", "t", "--group-id", "g"], &arguments[..]].concat(), b"")
}

fn events(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["name"].as_str().expect("a name")).collect()
}

/// Where the group goes on in partition 0 of `t`.
fn committed(local: &Local) -> Value {
    let described = local.run(KGROUPS, &["--describe", "--group", "g", "-o", "json"], b"");
    let document: Value = serde_json::from_str(&described.stdout).expect("one JSON object");
    document["groups"][0]["offsets"][0]["offset"].clone()
}

#[test]
fn every_record_has_a_line_and_is_in_the_topic() {
    let local = Local::start();
    local.create("t", 1);

    let ran =
        produce(&local, "--max-messages 50 --value-prefix 7 --repeating-keys 2 --message-create-time 1000");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let events = events(&ran.stdout);
    assert_eq!(names(&events)[0], "startup_complete");
    assert_eq!(names(&events)[51..], ["shutdown_complete", "tool_data"]);
    for (number, event) in events[1..51].iter().enumerate() {
        let told = (&event["name"], &event["key"], &event["value"], &event["offset"], &event["partition"]);
        let (key, value) = ((number % 2).to_string(), format!("7.{number}"));
        assert_eq!(
            told,
            (&"producer_send_success".into(), &key.into(), &value.into(), &number.into(), &0.into())
        );
    }
    assert_eq!((&events[52]["sent"], &events[52]["acked"]), (&50.into(), &50.into()));
    let read = ["--topic", "t", "--from-beginning", "--exit-at-end", "--property", "print.key=true"];
    let lines: String = (0..50).map(|number| format!("{}\t7.{number}\n", number % 2)).collect();
    local.run(KCONSUME, &read, b"").check(0, &lines);
}

#[test]
fn a_record_that_is_not_delivered_has_a_line_with_javas_exception_and_fails_the_run() {
    let local = Local::start();
    local.create("t", 1);
    let options = "--max-messages 2 --value-prefix 7 -X max.request.size=1";

    let ran = produce(&local, options);

    assert_eq!(ran.code, Some(1));
    let events = events(&ran.stdout);
    let error = "producer_send_error";
    assert_eq!(names(&events), ["startup_complete", error, error, "shutdown_complete", "tool_data"]);
    assert_eq!(events[1]["exception"], "class org.apache.kafka.common.errors.RecordTooLargeException");
    assert!(ran.stderr.starts_with("error: 2 of 2 records were not delivered\ncause: "), "{}", ran.stderr);
    assert_eq!(produce(&local, &format!("{options} --compat")).code, Some(0), "as Kafka's tool");
}

#[test]
fn a_topic_that_does_not_exist_exits_with_4() {
    let local = Local::start();
    for ran in [produce(&local, "--max-messages 1"), consume(&local, "")] {
        assert_eq!(ran.code, Some(4), "{}", ran.stdout);
        assert!(ran.stderr.starts_with("error: unknown topic 't'\n"), "{}", ran.stderr);
    }
}

#[test]
fn what_is_read_is_told_and_committed_up_to_the_last_record_that_was_asked_for() {
    let local = Local::start();
    local.create("t", 1);
    assert_eq!(produce(&local, "--max-messages 10").code, Some(0));

    let ran = consume(&local, "--max-messages 4 --verbose");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let events = events(&ran.stdout);
    let records = vec!["record_data"; 4];
    let before = ["startup_complete", "partitions_assigned"];
    let after = [
        "records_consumed",
        "offsets_committed",
        "partitions_revoked",
        "shutdown_complete",
        "shutdown_requested",
    ];
    assert_eq!(names(&events), [&before[..], &records, &after].concat());
    assert_eq!((&events[5]["offset"], &events[5]["value"]), (&3.into(), &"3".into()));
    let summary: Value =
        serde_json::json!([{"topic": "t", "partition": 0, "count": 4, "minOffset": 0, "maxOffset": 3}]);
    assert_eq!((&events[6]["count"], &events[6]["partitions"]), (&4.into(), &summary));
    assert_eq!((&events[7]["offsets"][0]["offset"], &events[7]["success"]), (&4.into(), &true.into()));
    assert_eq!(committed(&local), 4);
}

#[test]
fn with_autocommit_nothing_is_said_of_commits_but_they_are_made() {
    let local = Local::start();
    local.create("t", 1);
    assert_eq!(produce(&local, "--max-messages 10").code, Some(0));

    let ran =
        consume(&local, "--max-messages 10 --enable-autocommit --assignment-strategy cooperative-sticky");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains("offsets_committed"), "{}", ran.stdout);
    assert_eq!(committed(&local), 10);
}

#[test]
fn the_first_signal_ends_a_member_that_has_told_everything() {
    let local = Local::start();
    local.create("t", 1);
    assert_eq!(produce(&local, "--max-messages 1").code, Some(0));
    let mut kverify = local.spawn(KVERIFY, &["consume", "--topic", "t", "--group-id", "g"]);
    let mut lines = BufReader::new(kverify.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("offsets_committed")), "it ends by itself");

    kill_process(local::pid(&kverify), Signal::TERM).expect("it runs");

    let rest = events(&lines.map(|line| line + "\n").collect::<String>());
    assert_eq!(names(&rest), ["shutdown_requested", "partitions_revoked", "shutdown_complete"]);
    local::wait(kverify).check(0, "");
}

#[test]
fn a_signal_ends_an_endless_load_when_all_that_was_sent_is_settled() {
    let local = Local::start();
    local.create("t", 1);
    let mut kverify = local.spawn(KVERIFY, &["produce", "--topic", "t", "--throughput", "20"]);
    let mut lines = BufReader::new(kverify.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("producer_send_success")), "it ends by itself");

    kill_process(local::pid(&kverify), Signal::INT).expect("it runs");

    let rest = events(&lines.map(|line| line + "\n").collect::<String>());
    let [.., shutdown, data] = &rest[..] else { panic!("{rest:?}") };
    assert_eq!((&shutdown["name"], &data["name"]), (&"shutdown_complete".into(), &"tool_data".into()));
    assert_eq!(data["sent"], data["acked"]);
    local::wait(kverify).check(0, "");
}

#[test]
fn a_group_protocol_that_is_not_spoken_is_refused() {
    let ran = consume(&Local::start(), "--group-protocol consumer");

    ran.check(2, "");
    assert!(
        ran.stderr.starts_with("error: --group-protocol consumer is not supported yet\n"),
        "{}",
        ran.stderr
    );
}
