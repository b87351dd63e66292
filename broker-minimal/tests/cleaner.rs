//! The log cleaner, seen from outside: what its keys do, and that groups survive it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::fs;
use std::path::Path;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::DescribeConfigsRequest;
use kinglet_protocol::messages::describe_configs::DescribeConfigsResource;
use wire::groups::{Groups, QUICK};
use wire::{Wire, batch, copy, eventually, now_ms, start};

const SMALL: &str = "log.segment.bytes=300\nlog.cleanup.policy=compact\nlog.cleaner.backoff.ms=20\n";
const RECORDS: usize = 8;

/// Bytes of the records of a partition.
fn size(dir: &Path, partition: &str) -> u64 {
    let entries = fs::read_dir(dir.join(partition)).unwrap();
    let sizes = entries.filter_map(|entry| {
        let entry = entry.unwrap();
        // A file may go between two looks.
        let is_log = entry.file_name().to_string_lossy().ends_with(".log");
        if is_log { Some(entry.metadata().ok()?.len()) } else { None }
    });
    sizes.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_compacted_as_told() {
    let cases = [
        ("log.cleaner.min.cleanable.ratio=0.1", true),
        ("log.cleaner.min.cleanable.ratio=0.1\nlog.cleaner.dedupe.buffer.size=1", true),
        ("log.cleaner.min.cleanable.ratio=1\nlog.cleaner.max.compaction.lag.ms=1", true),
        ("log.cleaner.min.cleanable.ratio=1", false),
        ("log.cleaner.min.cleanable.ratio=0.1\nlog.cleaner.enable=false", false),
        ("log.cleaner.min.cleanable.ratio=0.1\nlog.cleaner.min.compaction.lag.ms=9000000", false),
    ];
    let mut brokers = Vec::new();
    for (lines, is_cleaned) in cases {
        let data = tempfile::tempdir().unwrap();
        let broker = start(&format!("{SMALL}{lines}\nlog.dirs={}\n", data.path().display())).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        for _ in 0..RECORDS {
            assert_eq!(wire.produce("t", batch(now_ms() - 1_000, 150)).error_code, ErrorCode::NONE);
        }
        brokers.push((broker, wire, data, lines, is_cleaned));
    }
    let full = |data: &tempfile::TempDir| size(data.path(), "t-0") > 150 * u64::try_from(RECORDS).unwrap();
    for (_, _, data, lines, _) in brokers.iter().filter(|(.., is_cleaned)| *is_cleaned) {
        eventually(lines, || !full(data));
    }
    for (broker, mut wire, data, lines, is_cleaned) in brokers {
        assert_eq!(full(&data), !is_cleaned, "{lines}");
        assert_eq!((wire.offset("t", -2), wire.offset("t", -1)), (0, 8), "{lines}");
        broker.shutdown().await.unwrap();
        let checkpoint = fs::read_to_string(data.path().join("cleaner-offset-checkpoint")).unwrap();
        assert_eq!(checkpoint, if is_cleaned { "0\n1\nt 0 7\n" } else { "0\n0\n" }, "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_long_tombstones_stay_reaches_the_topics() {
    let broker = start("log.cleaner.delete.retention.ms=77\n").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configuration_keys: Some(vec!["delete.retention.ms".to_owned()]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let configs = wire.call(&request, 4).results.remove(0).configs;
    assert_eq!(configs[0].value.as_deref(), Some("77"));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_offsets_survive_compaction_a_stop_and_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let lines =
        "offsets.topic.num.partitions=1\noffsets.topic.segment.bytes=4096\nlog.cleaner.backoff.ms=20\n";
    let file = |dir: &Path| format!("{QUICK}{lines}log.dirs={}\n", dir.display());
    let broker = start(&file(data.path())).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    let (member, generation) = wire.settle(5);
    for offset in 1..=200 {
        assert_eq!(wire.commit((&member, generation), offset, 8), ErrorCode::NONE);
    }
    eventually("compaction", || size(data.path(), "__consumer_offsets-0") < 2 * 4096);
    assert_eq!(wire.committed(5).0, 200);
    let killed = tempfile::tempdir().unwrap();
    copy(data.path(), killed.path());
    broker.shutdown().await.unwrap();
    for dir in [data.path(), killed.path()] {
        let broker = start(&file(dir)).await;
        let mut wire = Wire::to(&broker);
        wire.find("g");
        assert_eq!(wire.committed(5).0, 200);
        assert_eq!(wire.described("g").members.len(), 1);
        broker.shutdown().await.unwrap();
    }
}
