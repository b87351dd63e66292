//! Random messages out of a field table, edge values among them.

use kinglet_protocol::wire::{Field, FieldType};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// A message of this version in which every field is set to something.
pub(crate) fn message(rng: &mut StdRng, fields: &[Field], version: i16) -> Value {
    let present = fields.iter().filter(|f| f.versions.contains(version));
    present.map(|f| (f.name.to_owned(), field(rng, f, version))).collect::<Map<_, _>>().into()
}

/// What a run starts from: `KINGLET_SEED`, or something new every time. Failures print it.
pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let fresh = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    let seed = std::env::var("KINGLET_SEED").map_or_else(|_| fresh(), |text| text.parse().expect("a seed"));
    println!("KINGLET_SEED={seed}");
    seed
}

fn field(rng: &mut StdRng, field: &Field, version: i16) -> Value {
    if field.tag.is_some() && rng.random_bool(0.3) {
        return super::default_value(field, version);
    }
    match field.ty {
        FieldType::Nullable(_) if field.null.contains(version) && rng.random_bool(0.3) => Value::Null,
        FieldType::Nullable(inner) => value(rng, *inner, version),
        ty => value(rng, ty, version),
    }
}

fn value(rng: &mut StdRng, ty: FieldType, version: i16) -> Value {
    match ty {
        FieldType::Struct(fields) => message(rng, fields, version),
        FieldType::Array(element) => {
            // More than 127 elements take a longer compact length.
            let long = matches!(element, FieldType::Plain(_)) && rng.random_bool(0.05);
            let count = if long { 130 } else { rng.random_range(0..3) };
            (0..count).map(|_| value(rng, *element, version)).collect()
        }
        FieldType::Nullable(inner) if rng.random_bool(0.7) => value(rng, *inner, version),
        FieldType::Nullable(_) => Value::Null,
        FieldType::Plain(name) => plain(rng, name),
    }
}

fn plain(rng: &mut StdRng, name: &str) -> Value {
    match name {
        "bool" => json!(rng.random_bool(0.5)),
        "int8" => json!(number(rng, i8::MIN.into(), i8::MAX.into())),
        "int16" => json!(number(rng, i16::MIN.into(), i16::MAX.into())),
        "int32" => json!(number(rng, i32::MIN.into(), i32::MAX.into())),
        "int64" => json!(number(rng, i64::MIN, i64::MAX)),
        "uint16" => json!(number(rng, 0, u16::MAX.into())),
        "uint32" => json!(number(rng, 0, u32::MAX.into())),
        "float64" => json!(f64::from(rng.random::<i32>()) / 3.0),
        "string" => json!(text(rng)),
        // 16 bytes take 22 digits of base64, the last of them only four bits.
        "uuid" => json!(digits(rng, 21) + "A"),
        "bytes" | "records" => {
            let quads = rng.random_range(0..40);
            json!(digits(rng, 4 * quads))
        }
        other => panic!("no such type: {other}"),
    }
}

fn number(rng: &mut StdRng, min: i64, max: i64) -> i64 {
    match rng.random_range(0..6) {
        0 => min,
        1 => max,
        2 => 0,
        3 => (-1).max(min),
        _ => rng.random_range(min..=max),
    }
}

fn text(rng: &mut StdRng) -> String {
    // 126 to 128 bytes lie around the end of a one-byte compact length.
    let len = match rng.random_range(0..12) {
        0 => 0,
        1 => rng.random_range(126..=128),
        2 => 300,
        _ => rng.random_range(1..12),
    };
    if rng.random_bool(0.8) { digits(rng, len) } else { "é€𝄞".chars().cycle().take(len).collect() }
}

fn digits(rng: &mut StdRng, len: usize) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..len).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())])).collect()
}
