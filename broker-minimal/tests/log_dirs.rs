//! Several log directories of which one has failed: what is told about it, and what goes on in the others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::path::Path;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use kinglet_protocol::messages::describe_log_dirs::DescribeLogDirsResult;
use kinglet_protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};

use wire::{Wire, batch, eventually, now_ms, start};

/// One directory, as it is described.
fn described(wire: &mut Wire, dir: &Path) -> DescribeLogDirsResult {
    let dirs = wire.call(&DescribeLogDirsRequest { topics: None }, 4).results;
    dirs.into_iter().find(|one| Path::new(&one.log_dir) == dir).unwrap()
}

fn topics(dir: &DescribeLogDirsResult) -> Vec<&str> {
    dir.topics.iter().map(|topic| topic.name.as_str()).collect()
}

/// What is answered to a wish to have the first partition of a topic in that directory.
fn moved(wire: &mut Wire, topic: &str, dir: &Path) -> ErrorCode {
    let topic = AlterReplicaLogDirTopic { name: topic.to_owned(), partitions: vec![0] };
    let dir = AlterReplicaLogDir { path: dir.display().to_string(), topics: vec![topic] };
    let response = wire.call(&AlterReplicaLogDirsRequest { dirs: vec![dir] }, 2);
    response.results[0].partitions[0].error_code
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_failed_directory_it_is_told_that_it_has_failed_and_the_other_one_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| root.path().join(name));
    let broker = start(&format!("log.dirs={},{}\n", a.display(), b.display())).await;
    let mut wire = Wire::to(&broker);
    // A new file for every record: it cannot be made where there is no folder.
    for topic in ["t", "u"] {
        wire.create(topic, &[("segment.ms", "1")]);
        assert_eq!(wire.produce(topic, batch(now_ms(), 100)).error_code, ErrorCode::NONE);
    }
    let (failing, whole) = if topics(&described(&mut wire, &a)) == ["t"] { (a, b) } else { (b, a) };
    for (dir, topic) in [(&failing, "t"), (&whole, "u")] {
        let one = described(&mut wire, dir);
        assert_eq!((one.error_code, topics(&one)), (ErrorCode::NONE, vec![topic]));
        assert!(one.total_bytes >= one.usable_bytes && one.usable_bytes >= 0, "{one:?}");
        assert_eq!(moved(&mut wire, topic, dir), ErrorCode::NONE);
    }

    std::fs::remove_dir_all(failing.join("t-0")).unwrap();
    eventually("a write fails", || {
        wire.produce("t", batch(now_ms(), 100)).error_code == ErrorCode::KAFKA_STORAGE_ERROR
    });
    eventually("the failure is told", || {
        described(&mut wire, &failing).error_code == ErrorCode::KAFKA_STORAGE_ERROR
    });

    let failed = described(&mut wire, &failing);
    assert_eq!((topics(&failed), failed.total_bytes, failed.usable_bytes), (vec![], -1, -1));
    let other = described(&mut wire, &whole);
    assert_eq!((other.error_code, topics(&other)), (ErrorCode::NONE, vec!["u"]));
    assert_eq!(wire.produce("u", batch(now_ms(), 100)).error_code, ErrorCode::NONE);
    for topic in ["t", "u"] {
        assert_eq!(moved(&mut wire, topic, &failing), ErrorCode::KAFKA_STORAGE_ERROR);
    }
    broker.shutdown().await.unwrap();
}
