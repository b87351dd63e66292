//! `kapi` as a process: what it prints of a broker, and requests given as JSON.

mod local;

use local::Local;
use serde_json::{Value, json};

const KAPI: &str = env!("CARGO_BIN_EXE_kapi");

fn answer(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_broker_is_shown_with_what_it_serves() {
    let local = Local::start();
    let ran = local.run(KAPI, &[], b"");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].ends_with(" rack: null isFenced: false) -> ("), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.starts_with("\tMetadata(3): 0 to ")), "{}", ran.stdout);
    assert!(lines.contains(&"\tDescribeDelegationToken(41): UNSUPPORTED,"), "{}", ran.stdout);
    assert_eq!(lines.last(), Some(&")"));

    let ran = local.run(KAPI, &["-o", "json"], b"");
    let brokers = answer(&ran.stdout)["brokers"].clone();
    assert_eq!(brokers.as_array().map(Vec::len), Some(1));
    assert_eq!(brokers[0]["apis"][0]["name"], "Produce");
}

#[test]
fn a_request_is_read_from_the_line_a_file_or_standard_input() {
    let local = Local::start();
    local.create("orders", 2);
    let request = json!({"topics": [{"name": "orders"}]}).to_string();
    let file = std::env::temp_dir().join(format!("kapi-{}.json", std::process::id()));
    std::fs::write(&file, &request).expect("a temporary file");
    let at_file = format!("@{}", file.display());
    for (arguments, stdin) in [
        (&["raw", "--api", "Metadata", "--json", &request][..], ""),
        (&["raw", "--api", "metadata", "--json", &at_file], ""),
        (&["raw", "--api", "3", "--json", "-", "--any"], &request),
        (&["--api", "Metadata", "--controller"], &request),
    ] {
        let ran = local.run(KAPI, arguments, stdin.as_bytes());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        let topics = answer(&ran.stdout)["topics"].clone();
        assert_eq!(topics[0]["name"], "orders", "{arguments:?}");
        assert_eq!(topics[0]["partitions"].as_array().map(Vec::len), Some(2), "{arguments:?}");
    }
    std::fs::remove_file(file).expect("it was written");
}

#[test]
fn a_request_reaches_the_one_that_was_named_in_the_version_that_was_named() {
    let local = Local::start();
    local.create("orders", 1);
    let request = r#"{"replicaId": -1, "topics": [{"name": "orders", "partitions": [{"partitionIndex": 0, "timestamp": -1}]}]}"#;
    let arguments = ["raw", "--api", "ListOffsets", "--leader", "orders:0", "--json", request];
    let ran = local.run(KAPI, &arguments, b"");
    assert_eq!(answer(&ran.stdout)["topics"][0]["partitions"][0]["offset"], 0, "{}", ran.stderr);

    let old = local.run(KAPI, &["raw", "--api", "Metadata", "--api-version", "1"], b"");
    let fields = answer(&old.stdout);
    assert!(fields.get("clusterId").is_none() && fields.get("controllerId").is_some(), "{fields}");
}

#[test]
fn what_cannot_be_sent_is_refused_before_a_broker_is_asked() {
    let local = Local::start();
    for (arguments, said) in [
        (&["raw"][..], "no API is named"),
        (&["raw", "--api", "Metdata"], "did you mean Metadata?"),
        (&["raw", "--api", "Metadata", "--json", "{"], "is not JSON"),
        (&["raw", "--api", "Metadata", "--json", r#"{"topcs": []}"#], "did you mean 'topics'?"),
        (&["raw", "--api", "Metadata", "--json", r#"{"topics": 5}"#], "topics"),
        (&["raw", "--api", "Metadata", "--api-version", "99"], "versions 0 to 13"),
        (&["raw", "--api", "Produce", "--json", "{}"], "never answered"),
        (&["raw", "--api", "Metadata", "--any", "--broker", "1"], "--any"),
        (&["list", "--api", "Metadata"], "belong to kapi raw"),
        (&["nosuch"], "no action of kapi"),
    ] {
        let ran = local.run(KAPI, arguments, b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    let unserved = local.run(KAPI, &["raw", "--api", "DescribeDelegationToken"], b"");
    assert_eq!(unserved.code, Some(1));
    assert!(
        unserved.stderr.contains("has no DescribeDelegationToken: needs Kafka >= 1.1 (KIP-48)"),
        "{}",
        unserved.stderr
    );
    let nobody = local.run(KAPI, &["raw", "--api", "Metadata", "--broker", "77"], b"");
    assert_eq!(nobody.code, Some(3), "{}", nobody.stderr);
}

#[test]
fn the_list_has_every_message_that_can_be_sent() {
    let local = Local::start();
    let ran = local.run(KAPI, &["list"], b"");
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("Fetch(1): 0 to 18\n") && ran.stdout.contains("ShareFetch(78): 0 to 2\n"));
    assert!(ran.stdout.lines().count() >= 77, "{}", ran.stdout);
}
