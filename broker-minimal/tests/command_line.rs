//! What `kbroker` tells of configurations without starting anything.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn kbroker(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbroker"));
    command.args(arguments).env_remove("KAFKA_LOG").env_remove("RUST_LOG").output().unwrap()
}

fn properties(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("server.properties");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn print_config_tells_each_value_and_where_it_was_said() {
    let (_dir, file) = properties("broker.id=3\nnum.partitions=4\nlog.retention.hour=1\n");
    let printed =
        kbroker(&[path(&file), "--print-config", "--override", "num.io.threads=2", "--port", "9095"]);
    assert!(printed.status.success());
    let shown = text(&printed.stdout);
    let told: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for (origin, key) in [
        (format!("{}:1", file.display()), "node.id=3"),
        (format!("{}:2", file.display()), "num.partitions=4"),
        ("--override".to_owned(), "num.io.threads=2"),
        ("--port".to_owned(), "listeners=PLAINTEXT://localhost:9095"),
        ("default".to_owned(), "message.max.bytes=1048588"),
    ] {
        assert!(told.contains(&vec![origin.as_str(), key]), "{origin} {key}:\n{shown}");
    }
    let warned = text(&printed.stderr);
    assert!(warned.contains("did you mean log.retention.hours?"), "{warned}");
}

#[test]
fn config_check_tells_every_fault_with_its_line_and_fails_if_no_broker_would_start() {
    let (_dir, file) =
        properties("num.partitions=many\n\nlog.retention.hour=1\nlisteners=nonsense\nnum.io.threads=0\n");
    let checked = kbroker(&["config", "check", path(&file)]);
    assert_eq!(checked.status.code(), Some(1));
    let shown = text(&checked.stdout);
    let starts: Vec<String> =
        ["1: error: ", "3: warning: ", "4: error: ", "5: error: ", " 3 errors, 1 warning"]
            .map(|rest| format!("{}:{rest}", file.display()))
            .to_vec();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{shown}");
    assert!(lines.iter().zip(&starts).all(|(line, start)| line.starts_with(start)), "{shown}");
    assert!(text(&checked.stderr).ends_with("no broker starts with it\n"));
}

#[test]
fn config_check_is_content_with_warnings_alone() {
    let (_dir, file) =
        properties("broker.id=0\nzookeeper.connect=localhost:2181\nsocket.send.buffer.bytes=1\n");
    let checked = kbroker(&["config", "check", path(&file)]);
    assert!(checked.status.success());
    assert!(text(&checked.stdout).ends_with(" 0 errors, 2 warnings\n"), "{}", text(&checked.stdout));
}

#[test]
fn a_start_that_a_file_prevents_names_the_command_that_tells_all() {
    let (_dir, file) = properties("num.partitions=many\nlisteners=nonsense\n");
    let failed = kbroker(&[path(&file)]);
    assert_eq!(failed.status.code(), Some(1));
    let said = text(&failed.stderr);
    assert!(said.contains("server.properties: line 1: Invalid value many"), "{said}");
    assert!(said.contains("kbroker config check FILE"), "{said}");
    let missing = kbroker(&["config", "check", "/nowhere/server.properties"]);
    assert_eq!(missing.status.code(), Some(1));
}
