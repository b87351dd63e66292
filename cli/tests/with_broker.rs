//! The three tools against a broker in this process: what they print, what arrives, how they end.

mod local;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;

use local::{KCONSUME, KPRODUCE, KTOPICS, Local, Ran};
use rustix::process::{Signal, kill_process};

/// Prints of `kconsume` of one topic from its beginning to its end.
fn everything(local: &Local, topic: &str, more: &[&str]) -> Ran {
    local.run(KCONSUME, &[&["--topic", topic, "--from-beginning", "--exit-at-end"], more].concat(), b"")
}

#[test]
fn a_topic_is_created_listed_described_altered_and_deleted() {
    let local = Local::start();

    let created = local.run(
        KTOPICS,
        &["--create", "--topic", "t3", "--partitions", "2", "--config", "retention.ms=5000"],
        b"",
    );
    created.check(0, "Created topic t3.\n");
    local.run(KTOPICS, &["--list"], b"").check(0, "t3\n");

    local.run(KTOPICS, &["--alter", "--topic", "t3", "--partitions", "3"], b"").check(0, "");
    let described = local.run(KTOPICS, &["--describe", "--topic", "t3"], b"");
    let lines: Vec<&str> = described.stdout.lines().collect();
    assert!(lines[0].starts_with("Topic: t3\tTopicId: "), "{}", lines[0]);
    assert!(lines[0].contains("\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: "), "{}", lines[0]);
    assert!(lines[0].contains("retention.ms=5000"), "{}", lines[0]);
    assert_eq!(lines.len(), 4);
    assert!(
        lines[3].starts_with("\tTopic: t3\tPartition: 2\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: "),
        "{}",
        lines[3]
    );

    local.run(KTOPICS, &["--delete", "--topic", "t3"], b"").check(0, "");
    local.run(KTOPICS, &["--list"], b"").check(0, "\n");
}

#[test]
fn a_topic_that_exists_is_an_error_in_kafkas_words() {
    let local = Local::start();
    local.create("t3", 1);

    let again = local.run(KTOPICS, &["--create", "--topic", "t3"], b"");
    again.check(1, "");
    assert!(again.stderr.contains("cause: Topic 't3' already exists."), "{}", again.stderr);

    local.run(KTOPICS, &["--create", "--topic", "t3", "--if-not-exists"], b"").check(0, "");
}

#[test]
fn an_unknown_topic_exits_with_4_and_is_not_created() {
    let local = Local::start();
    local.create("orders", 1);

    for (tool, arguments) in [
        (KTOPICS, &["--describe", "--topic", "ordres"][..]),
        (KTOPICS, &["--delete", "--topic", "ordres"]),
        (KPRODUCE, &["--topic", "ordres"]),
        (KCONSUME, &["--topic", "ordres", "--timeout-ms", "1000"]),
    ] {
        let ran = local.run(tool, arguments, b"line\n");

        ran.check(4, "");
        assert!(ran.stderr.starts_with("error: unknown topic 'ordres'\n"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: did you mean 'orders'?"), "{}", ran.stderr);
    }
    local.run(KTOPICS, &["--list"], b"").check(0, "orders\n");
}

#[test]
fn in_kafkas_manner_the_broker_creates_the_topic() {
    let local = Local::start();

    local.run(KPRODUCE, &["--topic", "auto", "--compat"], b"line\n").check(0, "");

    everything(&local, "auto", &[]).check(0, "line\n");
}

#[test]
fn create_makes_the_topic_that_lines_go_to() {
    let local = Local::start();

    local.run(KPRODUCE, &["--topic", "fresh", "--create", "2"], b"line\n").check(0, "");

    everything(&local, "fresh", &[]).check(0, "line\n");
    assert!(local.run(KTOPICS, &["describe", "fresh"], b"").stdout.contains("PartitionCount: 2"));
}

#[test]
fn lines_come_back_byte_for_byte_with_every_codec() {
    let local = Local::start();
    let lines = b"text\n\xff\x00\x1b\r\n\n\xc3\xa4 last, without newline";
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        local.create(codec, 1);

        local.run(KPRODUCE, &["--topic", codec, "--compression-codec", codec], lines).check(0, "");

        let ran = everything(&local, codec, &[]);
        assert_eq!(ran.bytes, [&lines[..], b"\n"].concat(), "{codec}");
        assert_eq!(ran.stderr, "Processed a total of 4 messages\n");
    }
}

#[test]
fn keys_and_headers_come_back_with_their_labels() {
    let local = Local::start();
    local.create("t", 1);
    let reader = [
        "--property",
        "parse.key=true",
        "--property",
        "parse.headers=true",
        "--reader-property",
        "null.marker=NULL",
    ];

    let lines = b"h1:a,h2:b\tk\tv\nNULL\tNULL\tNULL\n";
    local.run(KPRODUCE, &[&["--topic", "t", "--sync"], &reader[..]].concat(), lines).check(0, "");

    let print = [
        "--property",
        "print.key=true",
        "--property",
        "print.headers=true",
        "--formatter-property",
        "print.offset=true",
    ];
    everything(&local, "t", &print).check(0, "Offset:0\th1:a,h2:b\tk\tv\nOffset:1\tNO_HEADERS\tnull\tnull\n");
}

#[test]
fn lines_before_a_broken_one_are_sent() {
    let local = Local::start();
    local.create("t", 1);

    let ran = local.run(
        KPRODUCE,
        &["--topic", "t", "--property", "parse.key=true"],
        b"k\tv\nno separator here\nk\tw\n",
    );

    ran.check(1, "");
    assert!(
        ran.stderr.contains("No key separator found on line number 2: 'no separator here'"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("sent 1, acked 1, failed 0"), "{}", ran.stderr);
    everything(&local, "t", &[]).check(0, "v\n");
}

#[test]
fn a_line_that_is_too_large_counts_as_failed_and_the_others_arrive() {
    let local = Local::start();
    local.create("t", 1);
    let lines = [b"first\n".to_vec(), vec![b'x'; 3 << 20], b"\nlast\n".to_vec()].concat();

    let ran = local.run(KPRODUCE, &["--topic", "t"], &lines);

    ran.check(1, "");
    assert!(ran.stderr.contains("sent 3, acked 2, failed 1"), "{}", ran.stderr);
    everything(&local, "t", &[]).check(0, "first\nlast\n");
}

#[test]
fn reading_begins_and_stops_where_it_is_told_to() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"0\n1\n2\n3\n").check(0, "");
    let run = |arguments: &[&str]| local.run(KCONSUME, &[&["--topic", "t"], arguments].concat(), b"");

    run(&["--from-beginning", "--max-messages", "2"]).check(0, "0\n1\n");
    run(&["--partition", "0", "--offset", "2", "-e"]).check(0, "2\n3\n");
    run(&["--partition", "0", "--offset", "earliest", "--timeout-ms", "300"]).check(0, "0\n1\n2\n3\n");
    run(&["-e"]).check(0, "");
    run(&["--timeout-ms", "100"]).check(0, "");
    run(&["--timeout-ms", "100", "--fail-on-timeout"]).check(5, "");
    run(&["--partition", "7", "-e"]).check(4, "");
}

#[test]
fn topics_can_be_chosen_by_a_pattern() {
    let local = Local::start();
    for topic in ["a1", "a2", "b1"] {
        local.create(topic, 1);
        local.run(KPRODUCE, &[topic], topic.as_bytes()).check(0, "");
    }

    let ran = local.run(KCONSUME, &["--whitelist", "a.", "--from-beginning", "-e"], b"");

    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a1", "a2"]);
    local.run(KTOPICS, &["--delete", "--topic", "a."], b"").check(0, "");
    local.run(KTOPICS, &["--list"], b"").check(0, "b1\n");
}

#[test]
fn json_is_one_object_a_line() {
    let local = Local::start();
    local.create("t", 1);
    let produced = local.run(KPRODUCE, &["--topic", "t", "-o", "json"], b"one\n\xff\n");
    let summary: serde_json::Value = serde_json::from_str(&produced.stdout).expect("JSON");
    assert_eq!((&summary["sent"], &summary["acked"], &summary["failed"]), (&2.into(), &2.into(), &0.into()));

    let ran = everything(&local, "t", &["-o", "json"]);

    let records: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&records[0]["value"], &records[0]["offset"]), (&"one".into(), &0.into()));
    assert_eq!(records[1]["value_base64"], "/w==");
}

#[test]
fn kconsume_ends_quietly_when_its_reader_goes_though_nothing_more_comes() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"only\n").check(0, "");
    let mut kconsume = local.spawn(KCONSUME, &["--topic", "t", "--from-beginning"]);
    let mut stdout = BufReader::new(kconsume.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("one line");

    drop(stdout);

    let ran = local::wait(kconsume);
    ran.check(0, "");
    assert_eq!((line.as_str(), ran.stderr.as_str()), ("only\n", ""));
}

#[test]
fn kconsume_stops_cleanly_at_the_first_signal() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"only\n").check(0, "");
    for signal in [Signal::INT, Signal::TERM] {
        let mut kconsume = local.spawn(KCONSUME, &["--topic", "t", "--from-beginning"]);
        let mut stdout = BufReader::new(kconsume.stdout.take().expect("piped"));
        stdout.read_line(&mut String::new()).expect("one line");

        kill_process(local::pid(&kconsume), signal).expect("it runs");

        let ran = local::wait(kconsume);
        ran.check(0, "");
        assert_eq!(ran.stderr, "Processed a total of 1 messages\n");
    }
}

#[test]
fn a_last_record_that_cannot_be_read_is_an_error_at_the_end_too() {
    let local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"first\nlast\n").check(0, "");
    let path = local.log_file("t");
    let bytes = std::fs::read(&path).expect("the log");
    let value = bytes.windows(4).position(|window| window == b"last").expect("the last value");
    let file = OpenOptions::new().write(true).open(path).expect("the log");
    // The value's length, as a varint: 63 bytes are more than the record has.
    file.write_all_at(&[63 << 1], value as u64 - 1).expect("the log is writable");

    let ran = everything(&local, "t", &["--consumer-property", "check.crcs=false"]);

    ran.check(1, "first\n");
    assert!(ran.stderr.contains("error: cannot read t-0\n"), "{}", ran.stderr);
}

#[test]
fn kconsume_survives_a_broker_that_is_away_for_longer_than_its_patience() {
    let mut local = Local::start();
    local.create("t", 1);
    local.run(KPRODUCE, &["--topic", "t"], b"only\n").check(0, "");
    let patience = ["--consumer-property", "default.api.timeout.ms=1000"];
    let mut kconsume =
        local.spawn(KCONSUME, &[&["--topic", "t", "--from-beginning"], &patience[..]].concat());
    let mut stdout = BufReader::new(kconsume.stdout.take().expect("piped"));
    stdout.read_line(&mut String::new()).expect("one line");

    local.stop();

    let stderr = BufReader::new(kconsume.stderr.take().expect("piped"));
    let mut lines = stderr.lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line.starts_with("warning: cannot read") && line.ends_with("still trying")));
    kill_process(local::pid(&kconsume), Signal::TERM).expect("it goes on");
    assert_eq!(lines.last().as_deref(), Some("Processed a total of 1 messages"));
    local::wait(kconsume).check(0, "");
}

#[test]
fn kproduce_delivers_what_it_read_before_a_signal_and_says_that_the_input_was_cut() {
    let local = Local::start();
    local.create("t", 1);
    let mut kproduce = local.spawn(KPRODUCE, &["--topic", "t"]);
    let mut stdin = kproduce.stdin.take().expect("piped");
    stdin.write_all(b"one\n").expect("it reads");
    local.run(KCONSUME, &["--topic", "t", "--from-beginning", "-n", "1"], b"").check(0, "one\n");

    kill_process(local::pid(&kproduce), Signal::TERM).expect("it runs");

    let ran = local::wait(kproduce);
    ran.check(1, "");
    assert!(ran.stderr.contains("stopped before the end of the input"), "{}", ran.stderr);
    assert!(ran.stderr.contains("sent 1, acked 1, failed 0"), "{}", ran.stderr);
    drop(stdin);
}

#[test]
fn a_hundred_thousand_lines_come_back_in_order() {
    let local = Local::start();
    local.create("t", 1);
    let lines: Vec<u8> =
        (0..100_000).flat_map(|i| format!("line {i} of some length\n").into_bytes()).collect();

    local.run(KPRODUCE, &["--topic", "t"], &lines).check(0, "");

    assert!(everything(&local, "t", &[]).bytes == lines, "the lines differ");
}

#[test]
fn a_broker_that_tells_clients_a_wrong_address_is_named_with_both_addresses() {
    let local = Local::advertising("127.0.0.1:1");
    local.create("t", 1);

    let ran = local.run(KPRODUCE, &["--topic", "t"], b"line\n");

    ran.check(3, "");
    assert!(ran.stderr.contains(local.address()) && ran.stderr.contains("127.0.0.1:1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: set advertised.listeners"), "{}", ran.stderr);
}
