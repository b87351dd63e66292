//! The bytes of Apache Kafka's own classes: decoded, compared, encoded again.

mod model;
mod vectors;

use kinglet_protocol::messages::REGISTRY;
use kinglet_protocol::{request_header_version, response_header_version};

use crate::model::{Case, Direction, hex};
use crate::vectors::Vector;

/// The vectors of declared messages; how many others there are is printed.
fn declared() -> Vec<(Case, Vector)> {
    let mut known = Vec::new();
    let mut unknown = 0;
    for vector in vectors::all() {
        match vector.api() {
            Some(api) => {
                let case = Case { api, direction: vector.direction, version: vector.version };
                known.push((case, vector));
            }
            None => unknown += 1,
        }
    }
    println!("{} vectors of declared messages, {unknown} of others", known.len());
    known
}

#[test]
fn every_declared_api_has_vectors_of_its_newest_version() {
    let vectors = declared();
    for api in REGISTRY {
        for direction in [Direction::Request, Direction::Response] {
            let newest = vectors.iter().any(|(case, _)| {
                case.api.key == api.key && case.direction == direction && case.version == api.versions.last
            });
            assert!(newest, "no {direction:?} of {} v{}", api.key, api.versions.last);
        }
    }
}

#[test]
fn every_vector_decodes_and_encodes_to_the_same_bytes() {
    for (case, vector) in declared() {
        let again = case.recode(vector.body.clone()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let again = again.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(hex(&again), hex(&vector.body), "{}", vector.name);
    }
}

/// Ties every field's name to its place: the bytes are built from Kafka's JSON by name and by our table.
#[test]
fn the_tables_turn_kafkas_json_into_kafkas_bytes() {
    let mut compared = 0;
    for (case, vector) in declared() {
        // Kafka's JSON leaves record bytes out.
        if vector.json.to_string().contains(r#""records":"""#) {
            continue;
        }
        assert_eq!(hex(&case.encode(&vector.json)), hex(&vector.body), "{}", vector.name);
        compared += 1;
    }
    assert!(compared > 300, "only {compared} vectors compared");
}

#[test]
fn a_vector_cut_anywhere_is_an_error() {
    for (case, vector) in declared() {
        for end in 0..vector.body.len() {
            let cut = case.recode(vector.body.slice(..end));
            assert!(cut.is_err(), "{} cut at {end} of {}", vector.name, vector.body.len());
        }
    }
}

#[test]
fn header_versions_are_kafkas() {
    for (case, vector) in declared() {
        let (key, flexible_from) = (case.api.key, case.api.flexible_from);
        let ours = match case.direction {
            Direction::Request => request_header_version(key, case.version, flexible_from),
            Direction::Response => response_header_version(key, case.version, flexible_from),
        };
        assert_eq!(ours, vector.header_version, "{}", vector.name);
    }
}
