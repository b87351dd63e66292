//! `kgroups` and `kdelete` as processes, against a broker in this process.

mod local;

use local::{KPRODUCE, Local};
use serde_json::Value;

const KGROUPS: &str = env!("CARGO_BIN_EXE_kgroups");
const KDELETE: &str = env!("CARGO_BIN_EXE_kdelete");

/// A topic `t` with one partition and ten records.
fn with_records() -> Local {
    let local = Local::start();
    local.create("t", 1);
    let lines: String = (0..10).map(|number| format!("{number}\n")).collect();
    assert_eq!(local.run(KPRODUCE, &["--topic", "t"], lines.as_bytes()).code, Some(0));
    local
}

fn kgroups(local: &Local, line: &str) -> local::Ran {
    local.run(KGROUPS, &line.split(' ').collect::<Vec<_>>(), b"")
}

#[test]
fn offsets_are_set_shown_and_deleted() {
    let local = with_records();
    let table = |offset| {
        format!(
            "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\ng               t               0          {offset}\n"
        )
    };

    kgroups(&local, "--list").check(0, "");
    kgroups(&local, "--reset-offsets --group g --topic t --to-offset 4 --dry-run").check(0, &table(4));
    kgroups(&local, "--list").check(0, "");
    kgroups(&local, "reset g --topic t --to-offset 4 --execute").check(0, &table(4));
    kgroups(&local, "--reset-offsets --group g --topic t --shift-by 100 --execute").check(0, &table(10));
    kgroups(&local, "--reset-offsets --group g --topic t --shift-by -3 --execute").check(0, &table(7));
    kgroups(&local, "--list").check(0, "g\n");

    let described = kgroups(&local, "--describe --group g -o json");
    let document: Value = serde_json::from_str(&described.stdout).expect("one JSON object");
    assert_eq!(document["groups"][0]["state"], "Empty");
    assert_eq!(document["groups"][0]["offsets"][0]["lag"], 3);
    assert!(described.stderr.contains("Consumer group 'g' has no active members."), "{}", described.stderr);

    kgroups(&local, "--delete-offsets --group g --topic t").check(
        0,
        "Request succeeded for deleting offsets from group g.\n\nTOPIC           PARTITION  STATUS         \n\
         t               0          Successful     \n",
    );
}

#[test]
fn what_does_not_exist_exits_with_4_and_in_kafkas_manner_with_0() {
    let local = with_records();
    for line in [
        "--describe --group nosuch",
        "--delete --group nosuch",
        "--delete-offsets --group nosuch --topic t",
        "--reset-offsets --group g --topic nosuch --to-latest --dry-run",
        "--reset-offsets --group g --topic t:7 --to-latest --dry-run",
    ] {
        let ours = kgroups(&local, line);
        assert_eq!(ours.code, Some(4), "{line}: {}", ours.stderr);
        assert!(ours.stderr.starts_with("error: ") && !ours.stdout.contains("\nError: "), "{line}");

        let kafkas = kgroups(&local, &format!("{line} --compat"));
        assert_eq!(kafkas.code, Some(0), "{line}");
        assert!(kafkas.stdout.starts_with("\nError: "), "{line}: {}", kafkas.stdout);
    }
}

#[test]
fn a_group_goes_with_its_offsets() {
    let local = with_records();
    kgroups(&local, "reset a --topic t --to-latest --execute");

    kgroups(&local, "rm a").check(0, "Deletion of requested consumer groups ('a') was successful.\n");

    kgroups(&local, "--list").check(0, "");
}

#[test]
fn records_before_an_offset_are_deleted_and_a_partition_that_fails_exits_with_1() {
    let local = with_records();
    let request = |offset| {
        format!(r#"{{"partitions": [{{"topic": "t", "partition": 0, "offset": {offset}}}], "version": 1}}"#)
    };
    let line = ["--offset-json-file", "-"];
    let done = "Executing records delete operation\nRecords delete operation completed:\n";

    local
        .run(KDELETE, &line, request(6).as_bytes())
        .check(0, &format!("{done}partition: t-0\tlow_watermark: 6\n"));
    let failed = local.run(KDELETE, &line, request(11).as_bytes());

    assert_eq!(failed.code, Some(1), "{}", failed.stderr);
    assert_eq!(
        failed.stdout,
        format!(
            "{done}partition: t-0\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: The requested offset is \
             not within the range of offsets maintained by the server.\n"
        )
    );
}

#[test]
fn a_regular_expression_is_judged_without_any_broker() {
    let local = Local::advertising("127.0.0.1:1");
    let judged =
        |regex, more: &[&str]| local.run(KGROUPS, &[&["--validate-regex", regex], more].concat(), b"");
    let invalid = "The regular expression `a(` is invalid: missing closing ).\n";

    judged("a.*|-b", &[]).check(0, "The regular expression `a.*|-b` is valid.\n");
    judged("a(", &[]).check(5, invalid);
    judged("a(", &["--compat"]).check(0, invalid);
    let document: Value =
        serde_json::from_str(&judged("a(", &["-o", "json"]).stdout).expect("one JSON object");
    assert_eq!((&document["valid"], &document["error"]), (&false.into(), &"missing closing )".into()));
}
