//! A record as text: the fields, labels and separators of Kafka's DefaultMessageFormatter.

use kinglet::RecordRef;
use kinglet::protocol::records::TimestampType;

use super::value::{Deserializer, ValueError, append};
use crate::settings::Settings;

/// What stands around a record in its batch.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// The epoch of the leader that took it, if known.
    pub leader_epoch: Option<i32>,
    /// Whose clock its timestamp is from.
    pub timestamp_type: TimestampType,
}

/// What is printed of a record, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatter {
    print: Fields,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key: Deserializer,
    value: Deserializer,
    headers: Deserializer,
    bytes: BytesShown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    timestamp: bool,
    partition: bool,
    offset: bool,
    delivery: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
}

/// How bytes that would steer a terminal are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BytesShown {
    /// As they are.
    Raw,
    /// As `\x1b`.
    Escaped,
}

/// The class that a property names is not one of Kafka's plain ones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class} is a Java class that is not available here")]
pub struct ClassError {
    class: String,
}

/// Every property that records are printed by.
pub const PROPERTIES: [&str; 15] = [
    "print.timestamp",
    "print.partition",
    "print.offset",
    "print.delivery",
    "print.epoch",
    "print.headers",
    "print.key",
    "print.value",
    "key.separator",
    "line.separator",
    "headers.separator",
    "null.literal",
    "key.deserializer",
    "value.deserializer",
    "headers.deserializer",
];

impl Formatter {
    /// A formatter as the formatter properties say.
    pub fn new(properties: &Settings, bytes: BytesShown) -> Result<Self, ClassError> {
        let text = |key, default: &str| properties.value(key).unwrap_or(default).as_bytes().to_vec();
        let class = |key| match properties.value(key) {
            None => Ok(Deserializer::Bytes),
            Some(class) => {
                Deserializer::of_class(class).ok_or_else(|| ClassError { class: class.to_owned() })
            }
        };
        let print = Fields {
            timestamp: properties.is_true("print.timestamp", false),
            partition: properties.is_true("print.partition", false),
            offset: properties.is_true("print.offset", false),
            delivery: properties.is_true("print.delivery", false),
            epoch: properties.is_true("print.epoch", false),
            headers: properties.is_true("print.headers", false),
            key: properties.is_true("print.key", false),
            value: properties.is_true("print.value", true),
        };
        Ok(Self {
            print,
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key: class("key.deserializer")?,
            value: class("value.deserializer")?,
            headers: class("headers.deserializer")?,
            bytes,
        })
    }

    /// Appends one record.
    #[inline]
    pub fn write(
        &self,
        place: Place<'_>,
        record: &RecordRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        if self.print != Fields::VALUE_ONLY {
            self.write_before_value(place, record, out)?;
        }
        if self.print.value {
            self.write_bytes(record.value, self.value, out)?;
            out.extend_from_slice(&self.line_separator);
        }
        Ok(())
    }

    /// Everything but the value, each with the key separator behind it, or the line separator if it is the last.
    fn write_before_value(
        &self,
        place: Place<'_>,
        record: &RecordRef<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        let print = self.print;
        let mut left = [
            print.timestamp,
            print.partition,
            print.offset,
            print.delivery,
            print.epoch,
            print.headers,
            print.key,
            print.value,
        ]
        .iter()
        .filter(|printed| **printed)
        .count();
        let mut separate = |out: &mut Vec<u8>| {
            left -= 1;
            out.extend_from_slice(if left > 0 { &self.key_separator } else { &self.line_separator });
        };
        if print.timestamp {
            write_timestamp(place.timestamp_type, record.timestamp, out);
            separate(out);
        }
        if print.partition {
            append(out, format_args!("Partition:{}", place.partition));
            separate(out);
        }
        if print.offset {
            append(out, format_args!("Offset:{}", record.offset));
            separate(out);
        }
        if print.delivery {
            // Only records of share groups are counted.
            out.extend_from_slice(b"Delivery:NOT_PRESENT");
            separate(out);
        }
        if print.epoch {
            match place.leader_epoch {
                Some(epoch) => append(out, format_args!("Epoch:{epoch}")),
                None => out.extend_from_slice(b"Epoch:NOT_PRESENT"),
            }
            separate(out);
        }
        if print.headers {
            self.write_headers(record, out)?;
            separate(out);
        }
        if print.key {
            self.write_bytes(record.key, self.key, out)?;
            separate(out);
        }
        Ok(())
    }

    fn write_headers(&self, record: &RecordRef<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let mut first = true;
        for (key, value) in record.headers() {
            if !first {
                out.extend_from_slice(&self.headers_separator);
            }
            first = false;
            self.write_bytes(Some(key), Deserializer::Bytes, out)?;
            out.push(b':');
            self.write_bytes(value, self.headers, out)?;
        }
        if first {
            out.extend_from_slice(b"NO_HEADERS");
        }
        Ok(())
    }

    #[inline]
    fn write_bytes(
        &self,
        bytes: Option<&[u8]>,
        deserializer: Deserializer,
        out: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        match (bytes, self.bytes) {
            (None, _) => out.extend_from_slice(&self.null_literal),
            (Some(bytes), BytesShown::Raw) => deserializer.write(bytes, out)?,
            (Some(bytes), BytesShown::Escaped) => {
                let mut text = Vec::new();
                deserializer.write(bytes, &mut text)?;
                escape(&text, out);
            }
        }
        Ok(())
    }
}

impl Fields {
    const VALUE_ONLY: Self = Self {
        timestamp: false,
        partition: false,
        offset: false,
        delivery: false,
        epoch: false,
        headers: false,
        key: false,
        value: true,
    };
}

/// The timestamp with the label of its type.
fn write_timestamp(timestamp_type: TimestampType, timestamp: i64, out: &mut Vec<u8>) {
    match timestamp_type {
        // Java's NO_TIMESTAMP_TYPE comes from records older than the time format.
        TimestampType::CreateTime if timestamp < 0 => out.extend_from_slice(b"NO_TIMESTAMP"),
        TimestampType::CreateTime => append(out, format_args!("CreateTime:{timestamp}")),
        TimestampType::LogAppendTime => append(out, format_args!("LogAppendTime:{timestamp}")),
    }
}

/// Text as it is; control characters and what is no UTF-8 as `\x..`, so that a record cannot steer the terminal.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() && c != '\t' {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer)
                    .bytes()
                    .for_each(|byte| append(out, format_args!("\\x{byte:02x}")));
            } else {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        chunk.invalid().iter().for_each(|byte| append(out, format_args!("\\x{byte:02x}")));
    }
}

#[cfg(test)]
mod tests;
