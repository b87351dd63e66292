//! The bytes of Apache Kafka's own classes: decoded, compared, encoded again.

mod model;
mod vectors;

use kinglet_protocol::{ApiKey, request_header_version, response_header_version};

use crate::model::{Case, Direction, Subject, hex};
use crate::vectors::Vector;

/// Every vector with the message that it is of.
fn vectors() -> Vec<(Case, Vector)> {
    let case = |vector: Vector| {
        let api = vector.api().unwrap_or_else(|| panic!("{} is not declared", vector.name));
        (Case { subject: Subject::Api(api, vector.direction), version: vector.version }, vector)
    };
    let vectors: Vec<_> = vectors::all().into_iter().map(case).collect();
    assert_eq!(vectors.len(), 1_812, "the file is whole");
    vectors
}

#[test]
fn every_declared_api_of_the_newest_kafka_has_vectors() {
    let vectors = vectors();
    for (case, api, _) in Case::of_apis().filter(|(case, api, _)| case.version == api.versions.last) {
        // What brokers of ZooKeeper clusters said to each other is gone there.
        if (ApiKey::LEADER_AND_ISR..=ApiKey::CONTROLLED_SHUTDOWN).contains(&api.key) {
            continue;
        }
        let newest = vectors.iter().any(|(other, _)| other.to_string() == case.to_string());
        assert!(newest, "no vector of {case}");
    }
}

#[test]
fn every_vector_decodes_and_encodes_to_the_same_bytes() {
    for (case, vector) in vectors() {
        let again = case.recode(vector.body.clone()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let again = again.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(hex(&again), hex(&vector.body), "{}", vector.name);
    }
}

/// Ties every field's name to its place: the bytes are built from Kafka's JSON by name and by our table.
#[test]
fn the_tables_turn_kafkas_json_into_kafkas_bytes() {
    let mut compared = 0;
    for (case, vector) in vectors() {
        // Kafka's JSON leaves record bytes out.
        if vector.json.to_string().contains(r#"ecords":"""#) {
            continue;
        }
        assert_eq!(hex(&case.encode(&vector.json)), hex(&vector.body), "{}", vector.name);
        compared += 1;
    }
    assert!(compared > 1_700, "only {compared} vectors compared");
}

#[test]
fn a_vector_cut_anywhere_is_an_error() {
    for (case, vector) in vectors() {
        for end in 0..vector.body.len() {
            let cut = case.recode(vector.body.slice(..end));
            assert!(cut.is_err(), "{} cut at {end} of {}", vector.name, vector.body.len());
        }
    }
}

#[test]
fn header_versions_are_kafkas() {
    for (case, vector) in vectors() {
        let Subject::Api(api, direction) = case.subject else { panic!("{case} is no request or response") };
        let (key, flexible_from) = (api.key, api.flexible_from);
        let ours = match direction {
            Direction::Request => request_header_version(key, case.version, flexible_from),
            Direction::Response => response_header_version(key, case.version, flexible_from),
        };
        assert_eq!(ours, vector.header_version, "{}", vector.name);
    }
}
