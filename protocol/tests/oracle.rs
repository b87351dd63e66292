//! The `kafka-protocol` crate, generated from Kafka's schemas, reads and writes the same bytes.

mod model;
mod vectors;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::{Case, Direction, hex, random};

const MESSAGES_PER_CASE: u64 = 40;

/// An API of the other crate.
struct Theirs {
    key: i16,
    first: i16,
    last: i16,
    request: Recode,
    response: Recode,
}

type Recode = fn(Bytes, i16) -> Result<Bytes, String>;

impl Theirs {
    fn of<R: Request>() -> Self {
        let (request, response) = (R::VERSIONS, R::Response::VERSIONS);
        Self {
            key: R::KEY,
            first: request.min.max(response.min),
            last: request.max.min(response.max),
            request: recode::<R>,
            response: recode::<R::Response>,
        }
    }

    fn recode(&self, direction: Direction) -> Recode {
        match direction {
            Direction::Request => self.request,
            Direction::Response => self.response,
        }
    }
}

fn recode<M: Message + Decodable + Encodable>(mut body: Bytes, version: i16) -> Result<Bytes, String> {
    let message = M::decode(&mut body, version).map_err(|e| format!("decoding: {e}"))?;
    if body.has_remaining() {
        return Err(format!("{} bytes left over", body.len()));
    }
    let mut out = BytesMut::new();
    message.encode(&mut out, version).map_err(|e| format!("encoding: {e}"))?;
    Ok(out.freeze())
}

/// Every API that both have; a new one of ours is missed by [`every_declared_api_is_compared`].
fn apis() -> Vec<Theirs> {
    vec![
        Theirs::of::<theirs::ProduceRequest>(),
        Theirs::of::<theirs::FetchRequest>(),
        Theirs::of::<theirs::ListOffsetsRequest>(),
        Theirs::of::<theirs::MetadataRequest>(),
        Theirs::of::<theirs::FindCoordinatorRequest>(),
        Theirs::of::<theirs::ApiVersionsRequest>(),
        Theirs::of::<theirs::CreateTopicsRequest>(),
        Theirs::of::<theirs::DeleteTopicsRequest>(),
        Theirs::of::<theirs::InitProducerIdRequest>(),
        Theirs::of::<theirs::OffsetForLeaderEpochRequest>(),
        Theirs::of::<theirs::DescribeConfigsRequest>(),
        Theirs::of::<theirs::CreatePartitionsRequest>(),
        Theirs::of::<theirs::IncrementalAlterConfigsRequest>(),
        Theirs::of::<theirs::DescribeClusterRequest>(),
        Theirs::of::<theirs::DescribeTopicPartitionsRequest>(),
    ]
}

/// The cases that both have.
fn shared_cases() -> Vec<(Case, Recode)> {
    let apis = apis();
    let shared = Case::all().filter_map(|case| {
        let theirs = apis.iter().find(|api| api.key == case.api.key.0)?;
        let has_version = (theirs.first..=theirs.last).contains(&case.version);
        has_version.then(|| (case, theirs.recode(case.direction)))
    });
    shared.collect()
}

#[test]
fn every_declared_api_is_compared() {
    let apis = apis();
    for case in Case::all() {
        assert!(apis.iter().any(|api| api.key == case.api.key.0), "{case} is not in the list");
    }
}

#[test]
fn random_messages_have_the_same_bytes_in_the_other_codec() {
    let seed = random::seed();
    for (case, theirs) in shared_cases() {
        for n in 0..MESSAGES_PER_CASE {
            let mut rng = StdRng::seed_from_u64(seed ^ n);
            let value = random::message(&mut rng, case.fields(), case.version);
            let body = Bytes::from(case.encode(&value));
            let ours = case.recode(body.clone()).unwrap_or_else(|e| panic!("{case}: {e}"));
            let ours = ours.unwrap_or_else(|e| panic!("{case}: {e}"));
            let theirs = theirs(body, case.version).unwrap_or_else(|e| panic!("{case}: {e}: {value}"));
            assert_eq!(hex(&ours), hex(&theirs), "{case}: {value}");
        }
    }
}

#[test]
fn kafkas_vectors_have_the_same_bytes_in_the_other_codec() {
    let shared = shared_cases();
    for vector in vectors::all() {
        let case = shared.iter().find(|(case, _)| {
            let place = (case.api.key.0, case.direction, case.version);
            place == (vector.key, vector.direction, vector.version)
        });
        let Some((case, theirs)) = case else { continue };
        let ours = case.recode(vector.body.clone()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let ours = ours.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let theirs = theirs(vector.body, case.version).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(hex(&ours), hex(&theirs), "{}", vector.name);
    }
}
