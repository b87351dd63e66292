//! What producer and consumer take of the process's memory. Each test is alone in its process's peak: they run one after the other.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

#[path = "../../protocol/tests/allocation/mod.rs"]
mod allocation;
#[path = "memory/backlog.rs"]
mod backlog;
#[path = "memory/consumer.rs"]
mod consumer;
mod fake;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fake::{Fake, Script};
use kinglet::protocol::messages::ProduceRequest;
use kinglet::{Client, Config, ErrorKind, Record};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

static ALONE: Mutex<()> = Mutex::new(());

/// Keeps the other tests waiting.
fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn silent() -> Fake {
    Fake::start(|at| Script::default().with_topic(at).on::<ProduceRequest>(9, |_| None)).await
}

#[test]
fn a_broker_that_stops_answering_costs_buffer_memory_and_no_more_and_everything_resolves() {
    const TASKS: usize = 1_000;
    const MEMORY: usize = 32 << 20;
    let _alone = alone();
    runtime().block_on(async {
        let fake = silent().await;
        let times = [("request.timeout.ms", 1_000), ("delivery.timeout.ms", 2_000), ("max.block.ms", 500)];
        let config =
            times.into_iter().try_fold(Config::new(&*fake.address), |c, (k, v)| c.set(k, v)).unwrap();
        assert_eq!(config.get("buffer.memory"), None, "32 MiB is Kafka's default");
        let producer = Client::connect(config).await.unwrap().producer().unwrap();
        producer.partitions_for("t").await.unwrap();
        let start = Arc::new(Barrier::new(TASKS + 1));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (producer, start) = (producer.clone(), start.clone());
                tokio::spawn(async move {
                    let value = [b'x'; 1_000];
                    start.wait().await;
                    let mut handles = Vec::with_capacity(1);
                    // It is never full for ever: what timed out makes room.
                    for _ in 0..60 {
                        match producer.enqueue(Record::to("t").value(&value)).await {
                            Ok(handle) if handles.is_empty() => handles.push(handle),
                            Ok(_) => {}
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout, "{error}"),
                        }
                    }
                    handles
                })
            })
            .collect();
        let before = allocation::mark();
        start.wait().await;
        let mut handles = Vec::new();
        for task in tasks {
            handles.extend(task.await.unwrap());
        }
        let report = producer.flush().await.unwrap();
        let taken = allocation::peak() - before;
        assert!(taken <= MEMORY + MEMORY / 10, "{taken} bytes are more than a tenth beyond {MEMORY}");
        assert!(taken >= MEMORY * 8 / 10, "{taken} bytes: buffer.memory was never used up");
        assert_eq!((report.delivered, report.failed), (0, producer.counts().enqueued));
        for handle in handles {
            assert!(handle.await.is_err());
        }
    });
}

#[test]
fn a_record_costs_no_allocation_of_its_own() {
    const RECORDS: u64 = 100_000;
    let _alone = alone();
    let runtime = runtime();
    let (_fake, producer) = runtime.block_on(async {
        let fake = silent().await;
        // Nothing is sent meanwhile: what is counted is what taking records costs.
        let config = Config::new(&*fake.address).linger(Duration::from_secs(600));
        let producer = Client::connect(config).await.unwrap().producer().unwrap();
        producer.partitions_for("t").await.unwrap();
        (fake, producer)
    });
    let (key, value) = ([b'k'; 10], [b'v'; 100]);
    let record = Record::to("t").key(&key).value(&value);
    let calls = allocation::calls_of(|| {
        for _ in 0..RECORDS {
            drop(producer.try_enqueue(record).unwrap());
        }
    });
    let batches = RECORDS * 120 / (1 << 20) + 1;
    assert!(calls <= 24 * batches, "{calls} allocations for {RECORDS} records in {batches} batches");
}
