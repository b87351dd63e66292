//! Random messages of every API and version, built from the field tables by an encoder of their own.

mod model;

use bytes::Bytes;
use kinglet_protocol::messages::MetadataRequest;
use kinglet_protocol::messages::consumer_group_records::ConsumerGroupMemberMetadataValue;
use kinglet_protocol::messages::metadata::MetadataRequestTopic;
use kinglet_protocol::wire::{DecodeErrorKind, EncodeErrorKind};
use kinglet_protocol::{Data, Request, Uuid};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::model::{Case, hex, random};

const MESSAGES_PER_CASE: u64 = 40;

/// Calls `check` with every case and random messages of it: the bytes, and the bytes with unknown tagged fields.
fn each_random_message(check: impl Fn(Case, &Bytes, &Bytes)) {
    let seed = random::seed();
    for (case, n) in Case::all().flat_map(|case| (0..MESSAGES_PER_CASE).map(move |n| (case, n))) {
        let mut rng = StdRng::seed_from_u64(seed ^ n);
        let value = random::message(&mut rng, case.fields(), case.version);
        let tagged = case.encode_with_unknown_tags(&value, rng.random());
        check(case, &case.encode(&value).into(), &tagged.into());
    }
}

fn recode(case: Case, body: &Bytes) -> Bytes {
    let decoded = case.recode(body.clone()).unwrap_or_else(|e| panic!("{case}: {e} in {}", hex(body)));
    decoded.unwrap_or_else(|e| panic!("{case}: {e} in {}", hex(body)))
}

#[test]
fn what_is_decoded_encodes_to_the_same_bytes() {
    each_random_message(|case, body, _| assert_eq!(hex(&recode(case, body)), hex(body), "{case}"));
}

#[test]
fn unknown_tagged_fields_are_skipped() {
    each_random_message(|case, body, tagged| {
        assert_eq!(hex(&recode(case, tagged)), hex(body), "{case} from {}", hex(tagged));
    });
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    each_random_message(|case, _, tagged| {
        // Long messages repeat what short ones have, and every cut decodes from the front.
        for end in 0..tagged.len().min(1_500) {
            assert!(case.recode(tagged.slice(..end)).is_err(), "{case} cut at {end} in {}", hex(tagged));
        }
    });
}

#[test]
fn bytes_after_the_message_are_an_error() {
    each_random_message(|case, body, _| {
        let longer = [body, &[0][..]].concat();
        assert!(case.recode(longer.into()).is_err(), "{case} in {}", hex(body));
    });
}

#[test]
fn versions_outside_of_the_table_are_errors() {
    for case in Case::all() {
        let versions = case.subject.versions();
        for version in [versions.first - 1, versions.last + 1, i16::MIN, i16::MAX] {
            assert!(Case { version, ..case }.recode(Bytes::new()).is_err(), "{case} as {version}");
        }
    }
}

#[test]
fn a_set_field_that_the_version_lacks_is_an_error_unless_ignorable() {
    let mut request = MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::default() };
    assert!(request.encode_body(4).is_ok());
    let error = request.encode_body(3).expect_err("the field came with version 4");
    assert_eq!((error.kind, error.field), (EncodeErrorKind::Absent(3), "allow_auto_topic_creation"));
    request.allow_auto_topic_creation = true;
    request.topics = Some(vec![MetadataRequestTopic { topic_id: Uuid([1; 16]), name: Some("a".into()) }]);
    assert!(request.encode_body(9).is_ok(), "topic_id is ignorable");
}

#[test]
fn null_where_the_version_has_none_is_an_error() {
    let request = MetadataRequest::default();
    assert_eq!(request.topics, None);
    assert_eq!(request.encode_body(0).map_err(|e| e.kind), Err(EncodeErrorKind::Null(0)));
    let decoded = MetadataRequest::decode_body(Bytes::from_static(&[0xff; 4]), 0);
    assert_eq!(decoded.map_err(|e| e.kind), Err(DecodeErrorKind::Null(0)));
}

/// Bytes of Kafka 4.3.1's own class. Its schema writes `"default": null`, which Kafka's generator takes for no default: an
/// absent structure is an empty one, and null is written, by a mark that only tagged fields have.
#[test]
fn a_tagged_structure_that_is_null_is_written_as_kafka_writes_it() {
    let null = ConsumerGroupMemberMetadataValue {
        client_id: "c".into(),
        classic_member_metadata: None,
        ..Default::default()
    };
    let bytes = null.encode_data(0).expect("encodes");
    assert_eq!(hex(&bytes), "00000263010100ffffffff0001000100");
    let empty = ConsumerGroupMemberMetadataValue {
        classic_member_metadata: Some(Default::default()),
        ..null.clone()
    };
    assert_eq!(hex(&empty.encode_data(0).expect("encodes")), "00000263010100ffffffff0000");
    for message in [null, empty] {
        let bytes = message.encode_data(0).expect("encodes");
        assert_eq!(ConsumerGroupMemberMetadataValue::decode_data(bytes, 0), Ok(message));
    }
}
