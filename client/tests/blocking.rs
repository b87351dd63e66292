//! The client without async.
#![allow(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fake::{Fake, Script, produced};
use kinglet::blocking::Client;
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::ProduceRequest;
use kinglet::{Config, ErrorKind, Record};
use tokio::runtime::Runtime;

/// Acknowledges every batch at the next offset, one an answer.
fn acking(runtime: &Runtime) -> Fake {
    let next = AtomicI64::new(0);
    runtime.block_on(Fake::start(|at| {
        Script::default().with_topic(at).on::<ProduceRequest>(9, move |_| {
            Some(produced(ErrorCode::NONE, next.fetch_add(1, Ordering::Relaxed)))
        })
    }))
}

#[test]
fn records_are_sent_and_awaited_without_a_runtime_of_the_callers() {
    let server = Runtime::new().unwrap();
    let fake = acking(&server);
    let client = Client::connect(Config::new(&*fake.address)).unwrap();
    let producer = client.producer().unwrap();
    assert_eq!(producer.send(Record::to("t").value("a")).unwrap().offset, Some(0));
    let delivery = producer.enqueue(Record::to("t").value("b")).unwrap();
    assert_eq!(delivery.wait().unwrap().offset, Some(1));
    producer.push(Record::to("t").value("c")).unwrap();
    let report = producer.close(Duration::from_secs(10)).unwrap();
    assert_eq!((report.delivered, report.failed), (3, 0));
    assert_eq!(producer.send(Record::to("t")).unwrap_err().kind(), ErrorKind::Closed);
    assert!(client.wait(|client| async move { client.producer().is_ok() }));
}

#[test]
fn the_last_handle_may_be_dropped_in_async_code() {
    let server = Runtime::new().unwrap();
    let fake = acking(&server);
    let client = Client::connect(Config::new(&*fake.address)).unwrap();
    server.block_on(async move { drop(client) });
}

#[test]
fn a_server_that_is_not_there_is_an_error_at_once() {
    let error = Client::connect(Config::new("127.0.0.1:1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}
