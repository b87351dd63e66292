//! Bytes from a peer who means harm: an error or a message, never a panic, and never much memory.

mod allocation;
mod model;

use bytes::Bytes;
use kinglet_protocol::messages::{FetchRequest, FetchResponse};
use kinglet_protocol::records::legacy::{MessageFormat, MessageSet, Tail, from_batch, to_batch, to_batches};
use kinglet_protocol::records::{
    Batch, BatchBuilder, BatchError, Compression, DecompressError, Seal, decompress,
};
use kinglet_protocol::wire::{Field, FieldType};
use kinglet_protocol::{RequestHead, decode_response, encode_request, encode_response};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

use crate::allocation::peak_of;
use crate::model::{Case, hex, random};

/// What decoding may cost at its peak: a declared count allocates nothing by itself.
fn allowed(received: usize) -> usize {
    (64 << 10) + 96 * received
}

/// Decodes, encodes what came out, holds both to the bound, and says whether it was a message.
fn check(case: Case, body: Vec<u8>) -> bool {
    let len = body.len();
    let body = Bytes::from(body);
    let (result, peak) = peak_of(|| case.recode(body.clone()));
    let shown = hex(body.get(..200).unwrap_or(&body));
    assert!(peak <= allowed(len), "{case}: {len} bytes took {peak} ({} each): {shown}", peak / len.max(1));
    result.is_ok()
}

#[test]
fn huge_counts_at_every_position_cost_nothing() {
    const COUNTS: [&[u8]; 7] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0xff, 0xff, 0xff],
        &[0x00, 0x00, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0x7f, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0x7f],
    ];
    let mut rng = StdRng::seed_from_u64(random::seed());
    for case in Case::all() {
        let value = random::message(&mut rng, case.fields(), case.version);
        let mut body = case.encode(&value);
        // Room behind the counts, so that some of them can be followed for a while.
        body.resize(body.len().min(400) + 100, 1);
        for (at, count) in (0..body.len() - 5).flat_map(|at| COUNTS.map(|count| (at, count))) {
            let mut hostile = body.clone();
            hostile[at..at + count.len()].copy_from_slice(count);
            check(case, hostile);
        }
    }
}

#[test]
fn damaged_messages_and_noise_are_errors_or_messages() {
    let mut rng = StdRng::seed_from_u64(random::seed());
    for case in Case::all() {
        for _ in 0..200 {
            let value = random::message(&mut rng, case.fields(), case.version);
            let mut body = case.encode(&value);
            damage(&mut rng, &mut body);
            check(case, body);
        }
    }
}

#[test]
fn damaged_frames_are_errors_or_requests_and_responses() {
    let mut rng = StdRng::seed_from_u64(random::seed());
    let request = encode_request(&FetchRequest::default(), 12, 7, Some("me")).expect("it fits").to_bytes();
    let response =
        encode_response::<FetchRequest>(&FetchResponse::default(), 12, 7).expect("it fits").to_bytes();
    for _ in 0..20_000 {
        let [request, response] = [&request, &response].map(|frame| {
            let mut frame = frame[4..].to_vec();
            damage(&mut rng, &mut frame);
            Bytes::from(frame)
        });
        let allowed = allowed(request.len().max(response.len()));
        let (_, peak) = peak_of(|| RequestHead::decode(request).and_then(RequestHead::body::<FetchRequest>));
        assert!(peak <= allowed, "{peak}");
        let (_, peak) = peak_of(|| decode_response::<FetchRequest>(response, 12));
        assert!(peak <= allowed, "{peak}");
    }
}

fn damage(rng: &mut StdRng, body: &mut Vec<u8>) {
    if rng.random_bool(0.2) {
        *body = (0..rng.random_range(0..300)).map(|_| rng.random()).collect();
        return;
    }
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=body.len());
        match rng.random_range(0..3) {
            0 => body.truncate(at),
            1 => body.insert(at, rng.random()),
            _ => body.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        }
    }
}

/// Arrays may really be long; their elements may take a byte each and be strings or structures here.
#[test]
fn long_arrays_of_the_smallest_elements_stay_within_the_bound() {
    for case in Case::all() {
        for value in with_a_long_array(case.fields(), case.version, 10_000) {
            assert!(check(case, case.encode(&value)), "{case}: {value}");
        }
    }
}

#[test]
fn a_megabyte_of_empty_strings_stays_within_the_bound() {
    let case = Case::all().find(|case| case.to_string() == "DescribeConfigsRequest v4");
    let case = case.expect("DescribeConfigs v4 has an array of strings");
    // Around every power of two: where growth by doubling wastes most.
    for count in (10..=20).flat_map(|n| [(1 << n) - 1, 1 << n, (1 << n) + 1]) {
        let keys = json!({ "repeat": count, "of": "" });
        let resource = json!({ "resource_type": 2, "resource_name": "", "configuration_keys": keys });
        assert!(check(case, case.encode(&json!({ "resources": [resource] }))), "{count} keys");
    }
}

/// One message for every array of the table, with `count` elements there; for arrays within arrays also many outer
/// elements with one inner one each.
fn with_a_long_array(fields: &[Field], version: i16, count: u64) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut push = |field: &Field, value: Value| {
        let mut message = smallest_of(fields, version);
        message.insert(field.name.to_owned(), value);
        messages.push(message.into());
    };
    for field in fields.iter().filter(|field| field.versions.contains(version)) {
        match without_null(field.ty) {
            FieldType::Array(element) => {
                push(field, json!({ "repeat": count, "of": smallest(*element, version) }));
                let FieldType::Struct(inner) = *element else { continue };
                for of in with_a_long_array(inner, version, count) {
                    push(field, json!([of]));
                }
                for of in with_a_long_array(inner, version, 1) {
                    push(field, json!({ "repeat": count, "of": of }));
                }
            }
            FieldType::Struct(inner) => {
                with_a_long_array(inner, version, count).into_iter().for_each(|value| push(field, value));
            }
            FieldType::Plain(_) | FieldType::Nullable(_) => {}
        }
    }
    messages
}

fn smallest_of(fields: &[Field], version: i16) -> Map<String, Value> {
    let present = fields.iter().filter(|field| field.versions.contains(version) && field.tag.is_none());
    present.map(|field| (field.name.to_owned(), smallest(without_null(field.ty), version))).collect()
}

fn smallest(ty: FieldType, version: i16) -> Value {
    match ty {
        FieldType::Nullable(inner) => smallest(*inner, version),
        FieldType::Array(_) => json!([]),
        FieldType::Struct(fields) => smallest_of(fields, version).into(),
        FieldType::Plain("string" | "bytes" | "records") => json!(""),
        FieldType::Plain("uuid") => json!("AAAAAAAAAAAAAAAAAAAAAA"),
        FieldType::Plain("bool") => json!(false),
        FieldType::Plain(_) => json!(0),
    }
}

fn without_null(ty: FieldType) -> FieldType {
    match ty {
        FieldType::Nullable(inner) => *inner,
        other => other,
    }
}

#[test]
fn a_decompression_bomb_stops_at_the_callers_limit() {
    const LIMIT: usize = 1 << 20;
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut builder = BatchBuilder::new(1 << 10);
        builder.push(0, None, Some(&vec![0; 32 << 20]), &[]);
        let mut bomb = builder.seal(Seal { compression, ..Seal::default() }).expect("the codec is built in");
        let len = bomb.len();
        let batch = Batch::split(&mut bomb).expect("a batch").expect("a whole one");
        let (result, peak) = peak_of(|| batch.records(LIMIT).map(|records| records.count()));
        let stopped = matches!(result, Err(BatchError::TooLarge { limit: LIMIT }));
        assert!(stopped, "{compression}: {result:?}");
        // Old and new buffer at once while the output grows.
        assert!(peak <= 2 * LIMIT + (64 << 10), "{compression}: {len} bytes took {peak}");
    }
}

/// Found by fuzzing.
#[test]
fn a_field_of_a_gzip_header_that_is_declared_only_costs_nothing() {
    // A member whose header declares 65,535 bytes of extra field.
    let member = [0x1f, 0x8b, 8, 0x04, 0, 0, 0, 0, 0, 3, 0xff, 0xff];
    let (result, peak) = peak_of(|| decompress(Compression::Gzip, &member, 1 << 20));
    assert!(matches!(result, Err(DecompressError::Corrupt { .. })), "{result:?}");
    assert!(peak <= allowed(member.len()), "{peak}");
}

#[test]
fn a_bomb_in_an_old_wrapper_stops_at_the_callers_limit() {
    const LIMIT: usize = 1 << 20;
    const TINY: usize = 4 << 20;
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        // One value, and as many records as fit: what is small in a batch is five times that in a message.
        let (mut one, mut many) = (BatchBuilder::new(1 << 10), BatchBuilder::new(1 << 10));
        one.push(0, None, Some(&vec![0; 32 << 20]), &[]);
        while many.len() < TINY {
            many.push(0, None, None, &[]);
        }
        for builder in [one, many] {
            let mut bomb =
                builder.seal(Seal { compression, ..Seal::default() }).expect("the codec is built in");
            let batch = Batch::split(&mut bomb).expect("a batch").expect("a whole one");
            for format in [MessageFormat::V0, MessageFormat::V1] {
                let (result, peak) = peak_of(|| from_batch(&batch, format, 0, LIMIT));
                assert_eq!(result, Err(BatchError::TooLarge { limit: LIMIT }), "{compression}");
                assert!(peak <= 4 * LIMIT, "{compression}: {peak}");

                let set = from_batch(&batch, format, 0, 256 << 20).expect("it fits");
                let (result, peak) = peak_of(|| to_batches(set.clone(), Tail::MayBeCut, LIMIT));
                assert_eq!(result, Err(BatchError::TooLarge { limit: LIMIT }), "{compression}");
                assert!(peak <= 2 * LIMIT + (64 << 10), "{compression}: {} bytes took {peak}", set.len());
                let set = MessageSet::new(set, Tail::Whole);
                let (result, peak) = peak_of(|| to_batch(&set, LIMIT).map(|batch| batch.bytes().len()));
                assert_eq!(result, Err(BatchError::TooLarge { limit: LIMIT }), "{compression}");
                assert!(peak <= 2 * LIMIT + (64 << 10), "{compression}: {peak}");
                let (count, peak) = peak_of(|| set.messages(LIMIT).count());
                assert_eq!(count, 1, "an error alone");
                assert!(peak <= 2 * LIMIT + (64 << 10), "{compression}: {peak}");
            }
        }
    }
}

#[test]
fn sizes_in_a_message_set_that_lie_cost_nothing() {
    let mut builder = BatchBuilder::new(1 << 10);
    builder.push(0, Some(b"key"), Some(b"value"), &[]);
    let mut batch = builder.seal(Seal::default()).expect("no codec");
    let batch = Batch::split(&mut batch).expect("a batch").expect("a whole one");
    for format in [MessageFormat::V0, MessageFormat::V1] {
        let set = from_batch(&batch, format, 0, 1 << 20).expect("it fits");
        for at in 8..set.len() - 4 {
            for size in [i32::MAX, i32::MIN, -2, 0, 13, 1 << 30] {
                let mut hostile = set.to_vec();
                hostile[at..at + 4].copy_from_slice(&size.to_be_bytes());
                if at > 12 {
                    let crc = crc_fast::crc32_iso_hdlc(&hostile[16..]);
                    hostile[12..16].copy_from_slice(&crc.to_be_bytes());
                }
                let hostile = Bytes::from(hostile);
                for tail in [Tail::Whole, Tail::MayBeCut] {
                    let (_, peak) = peak_of(|| to_batches(hostile.clone(), tail, 1 << 20));
                    assert!(peak <= allowed(set.len()), "{format:?} {at} {size}: {peak}");
                    let set = MessageSet::new(hostile.clone(), tail);
                    let (_, peak) = peak_of(|| to_batch(&set, 1 << 20).map(|_| ()));
                    assert!(peak <= allowed(hostile.len()), "{format:?} {at} {size}: {peak}");
                }
            }
        }
    }
}
