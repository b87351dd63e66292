//! What librdkafka 2 sends that no other client does, and how it is answered: byte for byte as its own test suite sends it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_configs::{AlterConfigsResource, AlterableConfig};
use kinglet_protocol::messages::{AlterConfigsRequest, MetadataRequest};
use kinglet_protocol::records::{BatchBuilder, Seal};

use wire::{Wire, now_ms, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_topics_are_told_to_a_request_with_three_bytes_too_many() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.create("t", &[]).error_code, ErrorCode::NONE);
    // Metadata 12, correlation 7, client "rdkafka"; no tagged fields, a null list of topics, two flags, no tagged fields: and more.
    let frame = b"\x00\x03\x00\x0c\x00\x00\x00\x07\x00\x07rdkafka\x00\x00\x00\x00\x00\x01\x00\x00";
    let size = u32::try_from(frame.len()).unwrap().to_be_bytes();
    wire.send(&[&size[..], frame].concat());
    let response = wire.answer::<MetadataRequest>(12);
    let names = response.topics.iter().filter_map(|topic| topic.name.as_deref());
    assert_eq!(names.collect::<Vec<_>>(), ["t"]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_told_when_to_sign_in_again_though_it_never_does() {
    let broker = start("").await;
    let config = AlterableConfig {
        name: "sasl.kerberos.min.time.before.relogin".to_owned(),
        value: Some("58000".to_owned()),
    };
    let resource =
        AlterConfigsResource { resource_type: 4, resource_name: "1".to_owned(), configs: vec![config] };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response = Wire::to(&broker).call(&request, 0).responses.remove(0);
    assert_eq!((response.error_code, response.error_message), (ErrorCode::NONE, None));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_records_that_spoil_a_batch_are_named() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[("cleanup.policy", "compact")]);
    let mut builder = BatchBuilder::new(1024);
    for key in [Some(&b"key"[..]), None, Some(b"key"), None] {
        builder.push(now_ms(), key, Some(b"value"), &[]);
    }
    let refused = wire.produce("t", builder.seal(Seal::default()).unwrap());
    assert_eq!(refused.error_code, ErrorCode::INVALID_RECORD);
    let named = refused
        .record_errors
        .into_iter()
        .map(|record| (record.batch_index, record.batch_index_error_message));
    let why = Some("Compacted topic cannot accept message without key in topic partition t-0".to_owned());
    assert_eq!(named.collect::<Vec<_>>(), [(1, why.clone()), (3, why)]);
    broker.shutdown().await.unwrap();
}
