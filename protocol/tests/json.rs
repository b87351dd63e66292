//! Messages as JSON: the form is that of Kafka's own converters, so what its tools print can be sent, and the other way round.

mod model;
mod vectors;

use kinglet_protocol::Request;
use kinglet_protocol::json::{self, JsonError};
use kinglet_protocol::messages::{MetadataRequest, REGISTRY};
use kinglet_protocol::wire::Field;
use serde_json::{Value, json};

use crate::model::{Case, Direction, hex};
use crate::vectors::Vector;

fn table(vector: &Vector) -> (&'static [Field], i16) {
    let api = vector.api().unwrap_or_else(|| panic!("{} is not declared", vector.name));
    match vector.direction {
        Direction::Request => (api.request, api.flexible_from),
        Direction::Response => (api.response, api.flexible_from),
    }
}

fn decoded(vector: &Vector) -> Value {
    let (fields, flexible_from) = table(vector);
    json::decode(fields, flexible_from, vector.version, vector.body.clone())
        .unwrap_or_else(|e| panic!("{}: {e}", vector.name))
}

#[test]
fn every_vector_prints_as_kafkas_json() {
    for vector in vectors::all() {
        let mut ours = decoded(&vector);
        like_kafka(&mut ours, &vector.json);
        assert_eq!(ours, vector.json, "{}", vector.name);
    }
}

/// Takes out what Kafka's converter leaves away: tagged fields that have their defaults, and the bytes of records.
fn like_kafka(ours: &mut Value, kafkas: &Value) {
    match (ours, kafkas) {
        (Value::Object(ours), Value::Object(kafkas)) => {
            ours.retain(|name, _| kafkas.contains_key(name));
            for (name, ours) in ours {
                match &kafkas[name] {
                    Value::String(empty) if name.to_lowercase().ends_with("records") && empty.is_empty() => {
                        *ours = kafkas[name].clone();
                    }
                    theirs => like_kafka(ours, theirs),
                }
            }
        }
        (Value::Array(ours), Value::Array(kafkas)) => {
            ours.iter_mut().zip(kafkas).for_each(|(ours, kafkas)| like_kafka(ours, kafkas));
        }
        _ => {}
    }
}

#[test]
fn json_of_a_message_has_its_bytes() {
    for vector in vectors::all() {
        let (fields, flexible_from) = table(&vector);
        let body = json::encode(fields, flexible_from, vector.version, &decoded(&vector))
            .unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(hex(&body), hex(&vector.body), "{}", vector.name);
    }
}

#[test]
fn every_message_can_be_left_empty() {
    for case in Case::all() {
        let flexible_from = case.subject.flexible_from();
        let body = json::encode(case.fields(), flexible_from, case.version, &json!({}));
        match body {
            Ok(body) => {
                let again = case.recode(body.clone()).unwrap_or_else(|e| panic!("{case}: {e}"));
                assert_eq!(again.unwrap_or_else(|e| panic!("{case}: {e}")), body, "{case}");
            }
            // Absent nullable fields are null, which some versions do not have.
            Err(JsonError::Null { .. }) => {}
            Err(error) => panic!("{case}: {error}"),
        }
    }
}

fn metadata(json: &Value, version: i16) -> Result<bytes::Bytes, String> {
    let metadata = REGISTRY.iter().find(|api| api.key.name() == "Metadata").expect("it is declared");
    json::encode(metadata.request, metadata.flexible_from, version, json).map_err(|e| e.to_string())
}

#[test]
fn what_is_left_out_has_its_default_and_what_nobody_knows_is_an_error() {
    let wanted = MetadataRequest::default().encode_body(9).expect("it fits");
    assert_eq!(metadata(&json!({}), 9), Ok(wanted));
    let refused = |json, version| metadata(&json, version).expect_err("it is no such request");
    let error = refused(json!({ "topic": [] }), 9);
    assert!(error.starts_with("topic: no such field; there are topics, allowAutoTopicCreation"), "{error}");
    let error = refused(json!({ "topics": [{ "name": "a" }, { "name": 5 }] }), 9);
    assert_eq!(error, "topics[1].name: 5 is not text");
    assert_eq!(refused(json!({ "topics": null }), 0), "topics: version 0 allows no null");
    let error = refused(json!({ "topics": [], "allowAutoTopicCreation": false }), 3);
    assert_eq!(error, "allowAutoTopicCreation: version 3 has no such field");
}

#[test]
fn fields_that_a_version_lacks_are_not_printed() {
    let metadata = REGISTRY.iter().find(|api| api.key.name() == "Metadata").expect("it is declared");
    let body = vec![0; 8].into();
    let json = json::decode(metadata.response, metadata.flexible_from, 0, body).expect("it is whole");
    assert_eq!(json, json!({ "brokers": [], "topics": [] }));
}

#[test]
fn damaged_bodies_are_errors() {
    for vector in vectors::all() {
        let (fields, flexible_from) = table(&vector);
        for end in 0..vector.body.len() {
            let cut = json::decode(fields, flexible_from, vector.version, vector.body.slice(..end));
            assert!(cut.is_err(), "{} cut at {end}", vector.name);
        }
    }
}
