//! What the binaries say and how they exit when no broker answers: the parts that scripts rely on.

#![expect(clippy::disallowed_methods, reason = "a test measures how long a tool took")]

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const TOOLS: [&str; 13] = [
    env!("CARGO_BIN_EXE_ktopics"),
    env!("CARGO_BIN_EXE_kproduce"),
    env!("CARGO_BIN_EXE_kconsume"),
    env!("CARGO_BIN_EXE_kapi"),
    env!("CARGO_BIN_EXE_kperf"),
    env!("CARGO_BIN_EXE_kgroups"),
    env!("CARGO_BIN_EXE_kdelete"),
    env!("CARGO_BIN_EXE_kquorum"),
    env!("CARGO_BIN_EXE_kelect"),
    env!("CARGO_BIN_EXE_kreassign"),
    env!("CARGO_BIN_EXE_klogdirs"),
    env!("CARGO_BIN_EXE_kconfigs"),
    env!("CARGO_BIN_EXE_kcluster"),
];
const KTOPICS: &str = TOOLS[0];
const KPRODUCE: &str = TOOLS[1];
const KCONSUME: &str = TOOLS[2];
const KAPI: &str = TOOLS[3];
const KPERF: &str = TOOLS[4];
const KGROUPS: &str = TOOLS[5];
const KDELETE: &str = TOOLS[6];
const KQUORUM: &str = TOOLS[7];
const KELECT: &str = TOOLS[8];
const KREASSIGN: &str = TOOLS[9];
const KLOGDIRS: &str = TOOLS[10];
const KCONFIGS: &str = TOOLS[11];
const KCLUSTER: &str = TOOLS[12];

/// A load that is right but for the broker.
const PERF: [&str; 7] = ["produce", "--topic", "t", "--num-records", "9", "--record-size", "1"];

/// Port 1 is reserved and nobody listens there.
const NOBODY: &str = "127.0.0.1:1";

fn run(tool: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(tool);
    for name in ["KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS", "BOOTSTRAP_SERVERS", "KAFKA_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).output().expect("the tool starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn help_is_on_stdout_and_exits_with_0() {
    for tool in TOOLS {
        for option in ["--help", "-h"] {
            let output = run(tool, &[option]);

            assert_eq!((code(&output), stderr(&output)), (0, String::new()), "{tool}");
            assert!(stdout(&output).contains("--bootstrap-server"), "{tool}");
        }
    }
}

#[test]
fn version_names_kinglet() {
    for tool in TOOLS {
        let output = run(tool, &["--version"]);

        assert_eq!(
            (code(&output), stdout(&output)),
            (0, format!("kinglet {}\n", env!("CARGO_PKG_VERSION"))),
            "{tool}"
        );
    }
}

#[test]
fn a_wrong_line_exits_with_2_and_in_kafkas_manner_with_1() {
    for (tool, arguments) in [
        (KTOPICS, &["--lst"][..]),
        (KTOPICS, &[]),
        (KTOPICS, &["--list", "--describe"]),
        (KTOPICS, &["--create", "--topic", "t", "--partitions", "0"]),
        (KAPI, &["nosuch"]),
        (KAPI, &["raw", "--api", "Metadata", "--json", "{"]),
        (KPERF, &[]),
        (KPERF, &["produce", "--topic", "t"]),
        (KPERF, &["produce", "--topic", "t", "--num-records", "9"]),
        (KPERF, &["produce", "--topic", "t", "--num-records", "9", "--payload-file", "/nonexistent"]),
        (KGROUPS, &[]),
        (KGROUPS, &["--list", "--describe", "--group", "g"]),
        (KGROUPS, &["--list", "--state", "angry"]),
        (KGROUPS, &["--describe"]),
        (KGROUPS, &["--delete-offsets", "--group", "g"]),
        (KGROUPS, &["--reset-offsets", "--group", "g", "--topic", "t", "--dry-run"]),
        (KGROUPS, &["--reset-offsets", "--group", "g", "--topic", "t:x", "--to-latest", "--dry-run"]),
        (KGROUPS, &["--reset-offsets", "--group", "g", "--topic", "t", "--by-duration", "5m", "--dry-run"]),
        (KDELETE, &[]),
        (KDELETE, &["--offset-json-file", "/nonexistent"]),
        (KQUORUM, &["--status"]),
        (KQUORUM, &["describe"]),
        (KQUORUM, &["describe", "--status", "--replication"]),
        (KELECT, &["--topic", "t"]),
        (KELECT, &["--election-type", "dirty"]),
        (KELECT, &["--path-to-json-file", "/nonexistent"]),
        (KREASSIGN, &[]),
        (KREASSIGN, &["--list", "--execute"]),
        (KREASSIGN, &["--execute", "--reassignment-json-file", "/nonexistent"]),
        (KLOGDIRS, &["--broker-list", "b1:9092"]),
        (KCONFIGS, &["--describe"]),
        (KCONFIGS, &["--alter", "--topic", "t"]),
        (KCLUSTER, &[]),
        (KCLUSTER, &["unregister"]),
        (KPRODUCE, &[]),
        (KPRODUCE, &["--topic", "t", "--property", "null.marker=\t"]),
        (KCONSUME, &[]),
        (KCONSUME, &["--topic", "t", "--group", "g", "--partition", "0"]),
        (KCONSUME, &["--topic", "t", "--offset", "5"]),
        (KCONSUME, &["--topic", "t", "--consumer.config", "/nonexistent"]),
    ] {
        let ours = run(tool, arguments);
        assert_eq!((code(&ours), stdout(&ours)), (2, String::new()), "{tool} {arguments:?}");
        assert!(stderr(&ours).starts_with("error: "), "{}", stderr(&ours));

        let kafkas = run(tool, &[arguments, &["--compat"]].concat());
        assert_eq!(code(&kafkas), 1, "{tool} {arguments:?}");
    }
}

#[test]
fn a_misspelt_option_is_answered_with_the_nearest_one() {
    let output = run(KCONSUME, &["--topic", "t", "--from-begining"]);

    assert_eq!(
        stderr(&output),
        "error: --from-begining is not an option of kconsume\n  hint: did you mean --from-beginning?\n"
    );
}

#[test]
fn an_unreachable_server_exits_with_3_and_says_which_address_refused() {
    for (tool, arguments) in [
        (KTOPICS, &["--list"][..]),
        (KGROUPS, &["--list"]),
        (KGROUPS, &["--describe", "--group", "g"]),
        (KQUORUM, &["describe", "--status"]),
        (KELECT, &[]),
        (KREASSIGN, &["--list"]),
        (KLOGDIRS, &[]),
        (KCONFIGS, &["--describe", "--topic", "t"]),
        (KCLUSTER, &["cluster-id"]),
        (KPRODUCE, &["--topic", "t"]),
        (KCONSUME, &["--topic", "t", "--timeout-ms", "2000"]),
        (KPERF, &PERF),
    ] {
        let output = run(tool, &[arguments, &["--bootstrap-server", NOBODY]].concat());

        let text = stderr(&output);
        assert_eq!((code(&output), stdout(&output)), (3, String::new()), "{tool}: {text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "error: cannot reach the cluster", "{tool}");
        assert!(lines[1].starts_with("cause: ") && lines[1].contains(NOBODY), "{tool}: {text}");
        assert!(lines[1].contains("refused"), "{tool}: {text}");
        assert!(lines[2].starts_with("  hint: "), "{tool}: {text}");
    }
}

#[test]
fn in_kafkas_manner_kgroups_says_what_failed_on_stdout_and_exits_with_0() {
    let output = run(KGROUPS, &["--list", "--compat", "--bootstrap-server", NOBODY]);

    assert_eq!(code(&output), 0);
    assert!(stdout(&output).starts_with("\nError: Executing consumer group command failed due to "));
    assert!(stderr(&output).starts_with("error: cannot reach the cluster\n"), "{}", stderr(&output));
}

#[test]
fn in_kafkas_manner_kelect_says_on_stdout_that_it_had_no_answer() {
    let line =
        ["--election-type", "preferred", "--all-topic-partitions", "--compat", "--bootstrap-server", NOBODY];
    let output = run(KELECT, &line);

    assert_eq!((code(&output), &*stdout(&output)), (1, "Timeout waiting for election results\n"));
    assert!(stderr(&output).starts_with("error: cannot reach the cluster\n"), "{}", stderr(&output));
}

#[test]
fn a_key_is_explained_without_a_cluster() {
    let output = run(KCONFIGS, &["explain", "retention.ms", "--bootstrap-server", NOBODY]);

    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    assert!(stdout(&output).contains("default  604800000"), "{}", stdout(&output));
    let unknown = run(KCONFIGS, &["explain", "retention.m"]);
    assert_eq!(code(&unknown), 4);
    assert!(stderr(&unknown).contains("did you mean retention.ms?"), "{}", stderr(&unknown));
}

#[test]
fn a_reset_that_is_neither_tried_nor_done_says_so_first() {
    let line =
        ["--reset-offsets", "--group", "g", "--topic", "t", "--to-latest", "--bootstrap-server", NOBODY];
    let output = run(KGROUPS, &line);

    assert_eq!(code(&output), 3);
    assert!(
        stderr(&output).starts_with("WARN: No action will be performed as the --execute option is missing."),
        "{}",
        stderr(&output)
    );
}

#[test]
fn nobody_reading_stderr_changes_no_exit_code() {
    for (tool, arguments, expected) in [
        (KTOPICS, &["--lst"][..], 2),
        (KTOPICS, &["--list", "--bootstrap-server", NOBODY], 3),
        (KPRODUCE, &["--topic", "t", "-v", "--bootstrap-server", NOBODY], 3),
        (KCONSUME, &["--topic", "t", "--group", "g", "--partition", "0", "--bootstrap-server", NOBODY], 2),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);

        let status = Command::new(tool).args(arguments).stdin(Stdio::null()).stderr(writer).status();

        assert_eq!(status.expect("the tool starts").code(), Some(expected), "{tool} {arguments:?}");
    }
}

#[test]
fn a_server_that_never_answers_exits_with_3_within_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("bound").to_string();
    let began = Instant::now();

    let output = run(KTOPICS, &["--list", "--timeout", "300", "--bootstrap-server", &address]);

    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
}

#[test]
fn the_first_signal_ends_a_tool_that_still_connects() {
    for (tool, line, expected) in
        [(KPRODUCE, &["--topic", "t"][..], 1), (KCONSUME, &["--topic", "t"], 0), (KPERF, &PERF, 1)]
    {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = silent.local_addr().expect("bound").to_string();
        let arguments = [line, &["--bootstrap-server", &address]].concat();
        let mut child =
            Command::new(tool).args(arguments).stdin(Stdio::null()).spawn().expect("the tool starts");
        // It listens for signals before it connects.
        let _connection = silent.accept().expect("it connects");
        let began = Instant::now();

        kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");

        assert_eq!(child.wait().expect("it runs").code(), Some(expected), "{tool}");
        assert!(began.elapsed() < Duration::from_secs(3), "{tool} took {:?}", began.elapsed());
    }
}

#[test]
fn the_environment_names_the_server_when_the_line_does_not() {
    let output =
        Command::new(KTOPICS).arg("--list").env("KAFKA_BOOTSTRAP", NOBODY).output().expect("the tool starts");

    assert!(stderr(&output).contains(NOBODY), "{}", stderr(&output));
}

#[test]
fn json_output_has_json_errors() {
    let output = run(KTOPICS, &["--list", "-o", "json", "--bootstrap-server", NOBODY]);

    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!(error["error"]["message"], "cannot reach the cluster");
    assert_eq!(stdout(&output), "");
}

#[test]
fn zookeeper_needs_a_broker_beside_it() {
    let output = run(KTOPICS, &["--zookeeper", "127.0.0.1:2181", "--list"]);

    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("--bootstrap-server"), "{}", stderr(&output));
}

#[test]
fn a_setting_with_a_bad_value_is_a_usage_error_that_names_it() {
    let output = run(
        KPRODUCE,
        &["--topic", "t", "--producer-property", "linger.ms=soon", "--bootstrap-server", NOBODY],
    );

    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("linger.ms=soon"), "{}", stderr(&output));
}
