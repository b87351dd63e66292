//! `kperf` as a process: what it prints, and that what it counts is in the topic.

mod local;

use local::{KCONSUME, Local, Ran};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

const KPERF: &str = env!("CARGO_BIN_EXE_kperf");

/// Runs a load into topic `t`.
fn produce(local: &Local, arguments: &[&str]) -> Ran {
    local.run(KPERF, &[&["produce", "--topic", "t"], arguments].concat(), b"")
}

fn lines_of(local: &Local, topic: &str) -> Vec<String> {
    let ran = local.run(KCONSUME, &["--topic", topic, "--from-beginning", "--exit-at-end"], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_record_that_is_counted_is_in_the_topic() {
    let local = Local::start();
    local.create("t", 3);

    let ran = produce(&local, &["--num-records", "10000", "--record-size", "100", "--throughput", "-1"]);

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let total = ran.stdout.lines().last().expect("a summary");
    assert!(total.starts_with("10000 records sent, "), "{total}");
    assert!(total.ends_with(" ms 99.9th.") && total.contains(" MB/sec), "), "{total}");
    let lines = lines_of(&local, "t");
    assert_eq!(lines.len(), 10_000);
    let is_payload = |line: &String| line.len() == 100 && line.bytes().all(|byte| byte.is_ascii_uppercase());
    assert!(lines.iter().all(is_payload));
}

#[test]
fn json_is_one_object_with_all_figures() {
    let local = Local::start();
    local.create("t", 1);

    let load = ["--num-records", "10000", "--payload-monotonic", "--warmup-records", "4000"];
    let ran = produce(&local, &[&load[..], &["--reporting-interval", "1", "-o", "json"]].concat());

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let summary: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!((&summary["records"], &summary["failed"]), (&10_000.into(), &0.into()));
    assert_eq!((&summary["bytes"], &summary["steady"]["records"]), (&38_890.into(), &6_000.into()));
    for figure in ["avg", "max", "p50", "p95", "p99", "p99.9"] {
        assert!(summary["latency_ms"][figure].as_f64().is_some_and(|ms| ms > 0.0), "{figure}: {summary}");
    }
    assert_eq!(lines_of(&local, "t"), (0..10_000).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_warm_up_and_the_counts_are_told_as_kafkas_tool_tells_them() {
    let local = Local::start();
    local.create("t", 1);

    let load = ["--num-records", "500", "--record-size", "10", "--warmup-records", "200", "--print-metrics"];
    let ran = produce(&local, &load);

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("Warmup first 200 records."), "{}", ran.stdout);
    assert!(lines[1].starts_with("500 records sent, "), "{}", ran.stdout);
    assert!(lines[2].starts_with("300 steady state records sent, "), "{}", ran.stdout);
    let sent = "producer-metrics:record-send-total:{client-id=perf-producer-client} ";
    let sent = lines.iter().find(|line| line.starts_with(sent)).expect("a line for each metric");
    assert!(sent.ends_with(" : 500.000"), "{sent}");
}

#[test]
fn pieces_of_a_file_are_sent_and_the_rate_is_kept() {
    let local = Local::start();
    local.create("t", 1);
    let file = std::env::temp_dir().join(format!("kperf-{}.txt", std::process::id()));
    std::fs::write(&file, "one;two;three").expect("a temporary file");
    let path = file.display().to_string();

    let load = ["--num-records", "50", "--payload-file", &path, "--payload-delimiter", ";"];
    let rate = ["--throughput", "1000", "--producer-props", "acks=1", "linger.ms=0"];
    let ran = produce(&local, &[&load[..], &rate].concat());

    std::fs::remove_file(&file).expect("it is ours");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with(&format!("Reading payloads from: {path}\nNumber of records read: 3\n")));
    let lines = lines_of(&local, "t");
    assert_eq!(lines.len(), 50);
    assert!(lines.iter().all(|line| ["one", "two", "three"].contains(&line.as_str())));
}

#[test]
fn records_that_are_not_delivered_fail_the_run() {
    let local = Local::start();
    local.create("t", 1);

    let ran = produce(&local, &["--num-records", "3", "--record-size", "3000000"]);

    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.starts_with("0 records sent, "), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("error: 3 of 3 records were not delivered\ncause: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("note: sent 3, acked 0, failed 3"), "{}", ran.stderr);
}

#[test]
fn an_unknown_topic_exits_with_4() {
    let local = Local::start();

    let ran = produce(&local, &["--num-records", "3", "--record-size", "3"]);

    ran.check(4, "");
    assert!(ran.stderr.starts_with("error: unknown topic 't'\n"), "{}", ran.stderr);
}

#[test]
fn the_first_signal_ends_a_load_with_the_figures_so_far() {
    let local = Local::start();
    local.create("t", 1);
    let load = ["--num-records", "1000000", "--payload-monotonic", "--throughput", "1"];
    let kperf = local.spawn(KPERF, &[&["produce", "--topic", "t"], &load[..]].concat());
    local.run(KCONSUME, &["--topic", "t", "--from-beginning", "-n", "1"], b"").check(0, "0\n");

    kill_process(local::pid(&kperf), Signal::TERM).expect("it runs");

    let ran = local::wait(kperf);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains(" records sent, "), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("error: stopped before the last record\n"), "{}", ran.stderr);
}
