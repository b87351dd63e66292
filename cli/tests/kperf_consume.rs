//! `kperf consume` as a process: that it counts what is in the topic, and how it says so.

mod local;

use local::{KPRODUCE, Local, Ran};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

const KPERF: &str = env!("CARGO_BIN_EXE_kperf");
const KGROUPS: &str = env!("CARGO_BIN_EXE_kgroups");
const HEADER: &str = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
                      fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";

/// A topic `t` with three partitions and a thousand records of 1049 bytes of keys and values each, which makes 1.0004 MiB.
fn with_records() -> Local {
    let local = Local::start();
    local.create("t", 3);
    let value = "v".repeat(1_044);
    let lines: String = (0..1_000).map(|number| format!("{number:05}\t{value}\n")).collect();
    let keyed = ["--topic", "t", "--property", "parse.key=true"];
    assert_eq!(local.run(KPRODUCE, &keyed, lines.as_bytes()).code, Some(0));
    local
}

fn consume(local: &Local, options: &str) -> Ran {
    let arguments: Vec<&str> = options.split_whitespace().collect();
    local.run(KPERF, &[&["consume", "--topic", "t"], &arguments[..]].concat(), b"")
}

#[test]
fn the_row_has_kafkas_columns_and_counts_keys_and_values() {
    let local = with_records();

    let ran = consume(&local, "--num-records 1000");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let row: Vec<&str> = lines[1].split(", ").collect();
    assert_eq!((lines[0], lines.len(), row.len()), (HEADER, 2, 10), "{}", ran.stdout);
    assert_eq!((row[2], row[4]), ("1.0004", "1000"), "{}", ran.stdout);
    let (whole, waited, read) = (row[1], row[6], row[7]);
    assert_eq!(whole.len(), "2026-11-27 23:26:29:781".len(), "{whole}");
    assert!(waited.parse::<u64>().is_ok() && read.parse::<u64>().is_ok(), "{}", ran.stdout);
    // Its group was only for this.
    local.run(KGROUPS, &["--list"], b"").check(0, "");
}

#[test]
fn a_group_goes_on_behind_the_last_record_that_was_counted() {
    let local = with_records();
    for (wanted, found) in [("400", 400), ("1000", 600)] {
        let ran = consume(&local, &format!("--group g --messages {wanted} --timeout 1000 -o json"));

        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let summary: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
        assert_eq!((&summary["records"], &summary["bytes"]), (&found.into(), &(found * 1_049).into()));
    }
}

#[test]
fn too_few_records_are_told_in_kafkas_words() {
    let local = with_records();

    let ran = consume(&local, "--num-records 1001 --timeout 700 --hide-header");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (warning, row) = ran.stdout.split_once('\n').expect("two lines");
    assert_eq!(
        warning,
        "WARNING: Exiting before consuming the expected number of records: timeout (700 ms) exceeded. You can use the \
         --timeout option to increase the timeout."
    );
    assert!(row.contains(", 1000, "), "{row}");
    assert_eq!(consume(&local, "--num-records 1001 --timeout 700 --fail-on-timeout").code, Some(5));
}

#[test]
fn details_are_rows_of_intervals_and_metrics_follow() {
    let local = with_records();

    let ran =
        consume(&local, "--num-records 1000 --show-detailed-stats --reporting-interval 1 --print-metrics");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let (rows, metrics) = ran.stdout.split_once("\n\n").expect("an empty line before the metrics");
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(", ").collect()).collect();
    assert_eq!(rows[0][..2], ["time", "threadId"]);
    assert!(rows.len() > 1 && rows.iter().all(|row| row.len() == 10), "{}", ran.stdout);
    let consumed = "consumer-fetch-manager-metrics:records-consumed-total:{client-id=perf-consumer-client} ";
    let consumed = metrics.lines().find(|line| line.starts_with(consumed)).expect("a line for each metric");
    assert!(consumed.ends_with(" : 1000.000"), "{consumed}");
}

#[test]
fn from_latest_an_old_record_is_not_read() {
    let ran = consume(&with_records(), "--num-records 1 --from-latest --timeout 500 -o json");

    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("\"records\":0,"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: no record came for 500 ms: read 0 of 1"), "{}", ran.stderr);
}

#[test]
fn an_unknown_topic_exits_with_4_and_in_kafkas_manner_is_waited_for() {
    let local = Local::start();

    let ran = consume(&local, "--num-records 1");

    ran.check(4, "");
    assert!(ran.stderr.starts_with("error: unknown topic 't'\n"), "{}", ran.stderr);
    let waited = consume(&local, "--num-records 1 --timeout 300 --compat");
    assert_eq!(waited.code, Some(0), "{}", waited.stderr);
    assert!(waited.stdout.contains("\nWARNING: Exiting before "), "{}", waited.stdout);
}

#[test]
fn the_first_signal_ends_a_measurement_with_the_figures_so_far() {
    let local = with_records();
    let group = ["consume", "--topic", "t", "--group", "g", "--num-records", "2000", "--timeout", "60000"];
    let more = ["--show-detailed-stats", "--reporting-interval", "1"];
    let mut kperf = local.spawn(KPERF, &[&group[..], &more].concat());
    let stdout = kperf.stdout.take().expect("piped");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).map_while(Result::ok);
    // The line that names the columns, and a row.
    assert!(lines.nth(1).is_some(), "it ends by itself");

    kill_process(local::pid(&kperf), Signal::TERM).expect("it runs");

    let ran = local::wait(kperf);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("error: stopped before the last record\n"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(" of 2000\n"), "{}", ran.stderr);
}
