//! DeleteRecords: a partition starts later, also after a kill.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::DeleteRecordsRequest;
use kinglet_protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};

use wire::groups::Groups;
use wire::{Wire, batch, copy, now_ms, start};

fn delete(wire: &mut Wire, topic: &str, offset: i64, version: i16) -> (i64, ErrorCode) {
    let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
    let topics = vec![DeleteRecordsTopic { name: topic.to_owned(), partitions }];
    let request = DeleteRecordsRequest { topics, timeout_ms: 5000 };
    let result = wire.call(&request, version).topics.remove(0).partitions.remove(0);
    (result.low_watermark, result.error_code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_before_the_offset_are_gone_also_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let (running, killed) = (root.path().join("running"), root.path().join("killed"));
    let broker = start(&format!("log.dirs={}\n", running.display())).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    for _ in 0..10 {
        wire.produce("t", batch(now_ms(), 100));
    }
    for (version, offset) in [(0, 2), (1, 4), (2, 6)] {
        assert_eq!(delete(&mut wire, "t", offset, version), (offset, ErrorCode::NONE));
        assert_eq!((wire.offset("t", -2), wire.offset("t", -1)), (offset, 10));
    }
    assert_eq!(delete(&mut wire, "t", 3, 2), (6, ErrorCode::NONE), "it never goes back");
    copy(&running, &killed);
    broker.shutdown().await.unwrap();

    let broker = start(&format!("log.dirs={}\n", killed.display())).await;
    let mut wire = Wire::to(&broker);
    assert_eq!((wire.offset("t", -2), wire.offset("t", -1)), (6, 10));
    assert_eq!(delete(&mut wire, "t", -1, 2), (10, ErrorCode::NONE), "-1 is everything that is committed");
    assert_eq!(wire.produce("t", batch(now_ms(), 100)).base_offset, 10);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_deleted_is_refused_with_kafkas_codes() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.create("compacted", &[("cleanup.policy", "compact")]);
    wire.produce("t", batch(now_ms(), 100));
    wire.find("g");
    for (topic, offset, code) in [
        ("t", 2, ErrorCode::OFFSET_OUT_OF_RANGE),
        ("t", -2, ErrorCode::OFFSET_OUT_OF_RANGE),
        ("none", 0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        ("compacted", 0, ErrorCode::POLICY_VIOLATION),
        ("__consumer_offsets", 0, ErrorCode::INVALID_TOPIC_EXCEPTION),
    ] {
        assert_eq!(delete(&mut wire, topic, offset, 2), (-1, code), "{topic}");
    }
    wire.create("kept", &[("cleanup.policy", "")]);
    wire.produce("kept", batch(now_ms(), 100));
    assert_eq!(delete(&mut wire, "kept", 1, 2), (1, ErrorCode::NONE), "without a policy only this deletes");
    broker.shutdown().await.unwrap();
}
