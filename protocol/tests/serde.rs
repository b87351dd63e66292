//! The messages under serde: the same form as Kafka's own JSON.

mod model;
mod vectors;

use kinglet_protocol::Request;
use kinglet_protocol::messages::{JoinGroupRequest, MetadataRequest, MetadataResponse, ProduceRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::model::Direction;

/// Every vector of one message: typed, printed, read again.
fn check<M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    key: i16,
    direction: Direction,
    decode: impl Fn(bytes::Bytes, i16) -> M,
) {
    let mut count = 0;
    for vector in vectors::all() {
        if (vector.key, vector.direction) != (key, direction) {
            continue;
        }
        let message = decode(vector.body.clone(), vector.version);
        let printed = serde_json::to_value(&message).expect("a message is JSON");
        let names: Vec<&String> = vector.json.as_object().expect("an object").keys().collect();
        assert!(names.iter().all(|name| printed.get(name).is_some()), "{}: {printed}", vector.name);
        let again: M = serde_json::from_value(printed).expect("it is its own JSON");
        assert_eq!(again, message, "{}", vector.name);
        // Kafka leaves the bytes of records out.
        if !vector.json.to_string().contains(r#"ecords":"""#) {
            let theirs: M = serde_json::from_value(vector.json.clone()).expect("Kafka's JSON is ours");
            assert_eq!(theirs, message, "{}", vector.name);
        }
        count += 1;
    }
    assert!(count > 0, "no vector of key {key}");
}

#[test]
fn kafkas_json_is_read_and_written() {
    let whole = "a vector is whole";
    check(3, Direction::Request, |body, version| MetadataRequest::decode_body(body, version).expect(whole));
    check(3, Direction::Response, |body, version| {
        MetadataRequest::decode_response_body(body, version).expect(whole)
    });
    check(0, Direction::Request, |body, version| ProduceRequest::decode_body(body, version).expect(whole));
    check(11, Direction::Request, |body, version| JoinGroupRequest::decode_body(body, version).expect(whole));
}

#[test]
fn unknown_fields_are_errors_and_absent_ones_have_their_defaults() {
    let response: MetadataResponse = serde_json::from_value(json!({ "topics": [] })).expect("one field");
    assert_eq!(response, MetadataResponse::default());
    let error = serde_json::from_value::<MetadataResponse>(json!({ "topic": Value::Null })).unwrap_err();
    assert!(error.to_string().contains("unknown field `topic`"), "{error}");
}
