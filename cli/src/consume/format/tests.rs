//! The recorded output of kafka-console-consumer 4.3.1 is the measure.

use bytes::Bytes;
use kinglet::protocol::records::{Batch, BatchBuilder, Records, Seal};

use super::*;
use crate::consume::json;

/// Timestamp, key, value, headers.
type Given<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>, &'a [(&'a str, Option<&'a [u8]>)]);

const PLACE: Place<'_> =
    Place { topic: "t3", partition: 1, leader_epoch: Some(4), timestamp_type: TimestampType::CreateTime };

fn records(given: &[Given<'_>]) -> Records {
    let mut builder = BatchBuilder::new(256);
    for (timestamp, key, value, headers) in given {
        builder.push(*timestamp, *key, *value, headers);
    }
    let mut bytes: Bytes = builder.seal(Seal::default()).expect("a batch");
    Batch::split(&mut bytes).expect("valid").expect("one batch").records(1 << 20).expect("readable")
}

fn printed(properties: &[(&str, &str)], given: &[Given<'_>], bytes: BytesShown) -> String {
    let mut settings = Settings::default();
    properties.iter().for_each(|(key, value)| settings.set(key, value));
    let formatter = Formatter::new(&settings, bytes).expect("known classes");
    let mut out = Vec::new();
    for record in records(given).iter() {
        formatter.write(PLACE, &record.expect("readable"), &mut out).expect("printable");
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn line(properties: &[(&str, &str)], key: Option<&[u8]>, value: Option<&[u8]>) -> String {
    printed(properties, &[(1_795_241_457_096, key, value, &[])], BytesShown::Raw)
}

#[test]
fn by_default_values_are_printed_one_a_line() {
    let text = printed(&[], &[(1, None, Some(b"v2"), &[]), (1, Some(b"k"), None, &[])], BytesShown::Raw);

    assert_eq!(text, "v2\nnull\n");
}

#[test]
fn fields_stand_in_kafkas_order_with_kafkas_labels() {
    let print = ["key", "timestamp", "partition", "offset"].map(|field| format!("print.{field}"));
    let properties: Vec<(&str, &str)> = print.iter().map(|key| (key.as_str(), "true")).collect();

    assert_eq!(
        line(&properties, None, Some(b"one")),
        "CreateTime:1795241457096\tPartition:1\tOffset:0\tnull\tone\n"
    );
    assert_eq!(
        line(&properties, Some(b"k2"), Some(b"v2")),
        "CreateTime:1795241457096\tPartition:1\tOffset:0\tk2\tv2\n"
    );
}

#[test]
fn headers_stand_before_the_key() {
    let properties = [
        ("print.headers", "true"),
        ("print.key", "true"),
        ("print.epoch", "true"),
        ("print.delivery", "true"),
    ];
    let headers: [(&str, Option<&[u8]>); 2] = [("h1", Some(b"v1")), ("h2", None)];

    assert_eq!(
        printed(&properties, &[(1, Some(b"k"), Some(b"v"), &headers)], BytesShown::Raw),
        "Delivery:NOT_PRESENT\tEpoch:4\th1:v1,h2:null\tk\tv\n"
    );
    assert_eq!(
        printed(&properties, &[(1, Some(b"k"), Some(b"v"), &[])], BytesShown::Raw),
        "Delivery:NOT_PRESENT\tEpoch:4\tNO_HEADERS\tk\tv\n"
    );
}

#[test]
fn the_last_printed_field_ends_the_line() {
    assert_eq!(line(&[("print.key", "true"), ("print.value", "false")], Some(b"k"), Some(b"v")), "k\n");
    assert_eq!(line(&[("print.value", "false")], Some(b"k"), Some(b"v")), "");
}

#[test]
fn separators_and_the_null_literal_can_be_set() {
    let properties =
        [("print.key", "true"), ("key.separator", "="), ("line.separator", ";"), ("null.literal", "<nil>")];

    assert_eq!(line(&properties, None, Some(b"v")), "<nil>=v;");
}

#[test]
fn bytes_that_are_no_text_are_kept_unless_a_terminal_shows_them() {
    let mut out = Vec::new();
    let raw = Formatter::new(&Settings::default(), BytesShown::Raw).expect("no classes");
    let kept = records(&[(1, None, Some(b"\xff\x1b[2J\x00"), &[])]);
    raw.write(PLACE, &kept.iter().next().expect("one").expect("readable"), &mut out).expect("printable");
    assert_eq!(out, b"\xff\x1b[2J\x00\n");

    let given: [Given<'_>; 1] = [(1, None, Some("\u{fc}\u{9b}\x1b[2J\tx\x00".as_bytes()), &[])];
    assert_eq!(printed(&[], &given, BytesShown::Escaped), "\u{fc}\\xc2\\x9b\\x1b[2J\tx\\x00\n");
    assert_eq!(printed(&[], &[(1, None, Some(b"a\xff"), &[])], BytesShown::Escaped), "a\\xff\n");
}

#[test]
fn deserializers_print_numbers() {
    let properties = [("value.deserializer", "org.apache.kafka.common.serialization.LongDeserializer")];

    assert_eq!(line(&properties, None, Some(&5i64.to_be_bytes())), "5\n");
}

#[test]
fn an_unknown_class_is_an_error() {
    let mut settings = Settings::default();
    settings.set("key.deserializer", "com.example.Avro");

    assert!(Formatter::new(&settings, BytesShown::Raw).is_err());
}

#[test]
fn a_json_line_holds_what_is_no_text_as_base64() {
    let headers: [(&str, Option<&[u8]>); 1] = [("h", Some(b"\"x\""))];
    let mut out = Vec::new();

    for record in records(&[(7, None, Some(b"\xff\xfe"), &headers)]).iter() {
        json::write(PLACE, &record.expect("readable"), &mut out);
    }

    let parsed: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(parsed["schema"], json::SCHEMA);
    assert_eq!(parsed["key"], serde_json::Value::Null);
    assert_eq!(parsed["value_base64"], "//4=");
    assert_eq!(parsed["headers"][0]["value"], "\"x\"");
    assert_eq!(
        (&parsed["partition"], &parsed["offset"], &parsed["timestamp"]),
        (&1.into(), &0.into(), &7.into())
    );
}
