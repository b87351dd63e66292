//! A record as one JSON object on a line (`-o json`).

use kinglet::RecordRef;
use kinglet::protocol::records::TimestampType;

use super::format::Place;
use super::value::append;

/// The version of the shape; fields may be added to it, none changes.
pub const SCHEMA: &str = "kinglet/consume.record/v1";

/// Appends one record. A key or value that is no UTF-8 stands base64-encoded in `key_base64`, `value_base64`.
pub fn write(place: Place<'_>, record: &RecordRef<'_>, out: &mut Vec<u8>) {
    append(out, format_args!("{{\"schema\":\"{SCHEMA}\",\"topic\":"));
    write_text(place.topic, out);
    append(out, format_args!(",\"partition\":{},\"offset\":{}", place.partition, record.offset));
    append(out, format_args!(",\"timestamp\":{},\"timestamp_type\":", record.timestamp));
    out.extend_from_slice(match place.timestamp_type {
        TimestampType::CreateTime => b"\"CreateTime\"",
        TimestampType::LogAppendTime => b"\"LogAppendTime\"",
    });
    out.extend_from_slice(b",\"headers\":[");
    for (i, (key, value)) in record.headers().enumerate() {
        out.extend_from_slice(if i == 0 { b"{" } else { b",{" });
        write_field("key", Some(key), out);
        out.push(b',');
        write_field("value", value, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"],");
    write_field("key", record.key, out);
    out.push(b',');
    write_field("value", record.value, out);
    out.extend_from_slice(b"}\n");
}

fn write_field(name: &str, bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes.map(std::str::from_utf8) {
        None => append(out, format_args!("\"{name}\":null")),
        Some(Ok(text)) => {
            append(out, format_args!("\"{name}\":"));
            write_text(text, out);
        }
        Some(Err(_)) => {
            append(out, format_args!("\"{name}_base64\":\""));
            write_base64(bytes.unwrap_or_default(), out);
            out.push(b'"');
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a Vec takes all bytes, and a str is JSON");
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    use base64::Engine;
    out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
}
