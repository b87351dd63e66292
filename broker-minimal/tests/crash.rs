//! What a broker finds after it was killed. A copy of the data directory of a running broker is what a kill leaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::path::{Path, PathBuf};

use kinglet_broker::{Broker, Config, Handle};
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::DeleteTopicsRequest;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;

use wire::{Wire, batch, copy, eventually, now_ms};

/// A broker with its data in a directory of the test's.
async fn start_in(dir: &Path, properties: &str) -> Handle {
    let mut config = Config::from_properties(properties).unwrap();
    config.set("log.dirs", &dir.display().to_string()).unwrap();
    config.set_port(0);
    Broker::start(config).await.unwrap()
}

fn delete(wire: &mut Wire, name: &str) {
    let topics = vec![DeleteTopicState { name: Some(name.to_owned()), ..Default::default() }];
    let request = DeleteTopicsRequest { topics, ..Default::default() };
    assert_eq!(wire.call(&request, 6).responses[0].error_code, ErrorCode::NONE);
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

struct Dirs {
    root: tempfile::TempDir,
}

impl Dirs {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn running(&self) -> PathBuf {
        self.root.path().join("running")
    }

    fn killed(&self) -> PathBuf {
        self.root.path().join("killed")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acked_records_are_there_after_a_kill() {
    let dirs = Dirs::new();
    let broker = start_in(&dirs.running(), "").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    for offset in 0..10 {
        assert_eq!(wire.produce("t", batch(now_ms(), 100)).base_offset, offset);
    }
    copy(&dirs.running(), &dirs.killed());
    broker.shutdown().await.unwrap();

    let broker = start_in(&dirs.killed(), "").await;
    let mut wire = Wire::to(&broker);
    assert_eq!((wire.offset("t", -2), wire.offset("t", -1)), (0, 10));
    assert_eq!(wire.produce("t", batch(now_ms(), 100)).base_offset, 10);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_deleted_topic_do_not_hide_records_of_the_next_one() {
    let dirs = Dirs::new();
    let small = "log.segment.bytes=300\nlog.retention.check.interval.ms=50\nlog.retention.bytes=100\n";
    let broker = start_in(&dirs.running(), small).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.create("other", &[]);
    for _ in 0..5 {
        wire.produce("t", batch(now_ms(), 150));
    }
    eventually("retention", || wire.offset("t", -2) >= 2);
    // A deletion saves where the others stand.
    delete(&mut wire, "other");
    delete(&mut wire, "t");
    wire.create("t", &[("retention.bytes", "-1")]);
    assert_eq!(wire.produce("t", batch(now_ms(), 150)).base_offset, 0);
    copy(&dirs.running(), &dirs.killed());
    broker.shutdown().await.unwrap();

    let broker = start_in(&dirs.killed(), small).await;
    let mut wire = Wire::to(&broker);
    assert_eq!((wire.offset("t", -2), wire.offset("t", -1)), (0, 1));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_a_kill_cut_short_is_finished_and_the_name_is_free() {
    let dirs = Dirs::new();
    let broker = start_in(&dirs.running(), "").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.produce("t", batch(now_ms(), 100));
    copy(&dirs.running().join("t-0"), &dirs.killed().join("t-0"));
    delete(&mut wire, "t");
    copy(&dirs.running(), &dirs.killed());
    broker.shutdown().await.unwrap();

    let broker = start_in(&dirs.killed(), "").await;
    assert!(!names(&dirs.killed()).iter().any(|name| name.starts_with("t-0")));
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.create("t", &[]).error_code, ErrorCode::NONE);
    assert_eq!(wire.offset("t", -1), 0);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_an_unknown_topic_are_moved_aside_and_neither_served_nor_deleted() {
    let dirs = Dirs::new();
    let broker = start_in(&dirs.running(), "").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.produce("t", batch(now_ms(), 100));
    copy(&dirs.running().join("t-0"), &dirs.killed().join("t-0"));
    broker.shutdown().await.unwrap();

    let broker = start_in(&dirs.killed(), "").await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.create("t", &[]).error_code, ErrorCode::NONE);
    assert_eq!(wire.offset("t", -1), 0);
    let aside = names(&dirs.killed()).into_iter().find(|name| name.ends_with("-stray")).unwrap();
    assert!(std::fs::metadata(dirs.killed().join(aside).join("00000000000000000000.log")).unwrap().len() > 0);
    broker.shutdown().await.unwrap();
    let broker = start_in(&dirs.killed(), "").await;
    assert_eq!(Wire::to(&broker).offset("t", -1), 0);
    broker.shutdown().await.unwrap();
}
