//! Apache Kafka's own record sets of every format and codec, both ways.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod records;

use bytes::Bytes;
use kinglet_protocol::records::control::{ControlRecord, ControlType};
use kinglet_protocol::records::legacy::{MessageFormat, MessageSet, Tail, from_batches};
use kinglet_protocol::records::{Batch, BatchHeader, Compression, Depth, Seal, TimestampType, validate};
use serde_json::Value;

use crate::records::{LIMIT, Owned, decoded, only_batch, patched, sealed};

fn unhex(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes().chunks(2);
    digits.map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn optional(hex: &Value) -> Option<Vec<u8>> {
    (!hex.is_null()).then(|| unhex(hex))
}

fn expected(record: &Value) -> (i64, Owned) {
    let headers = record["headers"].as_array().unwrap();
    let owned = Owned {
        timestamp: record["timestamp"].as_i64().unwrap(),
        key: optional(&record["key"]),
        value: optional(&record["value"]),
        headers: headers.iter().map(|h| (h[0].as_str().unwrap().to_owned(), optional(&h[1]))).collect(),
    };
    (record["offset"].as_i64().unwrap(), owned)
}

fn check_header(header: &BatchHeader, want: &Value, name: &str) {
    let number = |field: &str| want[field].as_i64().unwrap();
    assert_eq!(header.base_offset, number("baseOffset"), "{name}");
    assert_eq!(header.last_offset(), number("lastOffset"), "{name}");
    assert_eq!(header.max_timestamp, number("maxTimestamp"), "{name}");
    assert_eq!(header.producer_id, number("producerId"), "{name}");
    assert_eq!(i64::from(header.producer_epoch), number("producerEpoch"), "{name}");
    assert_eq!(i64::from(header.base_sequence), number("baseSequence"), "{name}");
    assert_eq!(i64::from(header.partition_leader_epoch), number("partitionLeaderEpoch"), "{name}");
    assert_eq!(i64::try_from(header.size()).unwrap(), number("sizeInBytes"), "{name}");
    assert_eq!(header.attributes.is_transactional(), want["isTransactional"], "{name}");
    assert_eq!(header.attributes.is_control(), want["isControl"], "{name}");
    assert_eq!(header.attributes.timestamp_type(), TimestampType::CreateTime, "{name}");
}

/// What our builder makes of the same records. Without compression it must be Kafka's bytes.
fn check_encoding(batch: &Batch, records: &[(i64, Owned)], name: &str) {
    let header = batch.header();
    let seal = Seal {
        compression: header.attributes.compression().unwrap(),
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        transactional: header.attributes.is_transactional(),
        partition_leader_epoch: header.partition_leader_epoch,
        ..Seal::default()
    };
    let owned: Vec<_> = records.iter().map(|(_, record)| record.clone()).collect();
    let ours = patched(&sealed(&owned, seal), |ours| ours.base_offset = header.base_offset);
    if seal.compression == Compression::None {
        assert_eq!(&ours, batch.bytes(), "{name}");
    }
    assert_eq!(decoded(&only_batch(ours)).unwrap(), records, "{name}");
}

#[test]
fn all_of_kafkas_record_sets_decode_and_uncompressed_ones_encode_to_the_same_bytes() {
    let (mut new, mut old) = (0, 0);
    for line in include_str!("data/batches.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let codec: Compression = row["codec"].as_str().unwrap().parse().unwrap_or_default();
        let name = format!("{} {codec}", row["name"].as_str().unwrap());
        let bytes = Bytes::from(unhex(&row["hex"]));
        let wanted = row["batches"].as_array().unwrap();
        let magic = wanted[0]["magic"].as_i64().unwrap();
        match MessageFormat::from_magic(i8::try_from(magic).unwrap()) {
            None => {
                check_batches(bytes, wanted, &name);
                new += 1;
            }
            Some(format) => {
                check_message_set(&bytes, format, codec, wanted, &name);
                old += 1;
            }
        }
    }
    println!("{} record sets: {new} of batches, {old} of messages", new + old);
    assert_eq!((new, old), (63, 24));
}

fn check_batches(mut bytes: Bytes, wanted: &[Value], name: &str) {
    for want in wanted {
        let batch = Batch::split(&mut bytes).unwrap().unwrap();
        check_header(batch.header(), want, name);
        batch.verify_crc().unwrap();
        let records = decoded(&batch).unwrap();
        let wanted: Vec<_> = want["records"].as_array().unwrap().iter().map(expected).collect();
        assert_eq!(records, wanted, "{name}");
        if batch.header().attributes.is_control() {
            check_marker(&batch, name);
        } else {
            check_encoding(&batch, &records, name);
            validate(&batch, Depth::Records, LIMIT).unwrap();
        }
    }
    assert!(Batch::split(&mut bytes).unwrap().is_none(), "{name}");
}

/// The messages of a set as records, after a check of what a record does not say.
fn messages(set: Bytes, format: MessageFormat, name: &str) -> Vec<(i64, Owned)> {
    let timestamp_type = (format == MessageFormat::V1).then_some(TimestampType::CreateTime);
    let set = MessageSet::new(set, Tail::Whole);
    let messages = set.messages(LIMIT).map(|message| {
        let message = message.unwrap();
        assert_eq!((message.format, message.timestamp_type), (format, timestamp_type), "{name}");
        let [key, value] = [message.key, message.value].map(|field| field.map(Vec::from));
        (message.offset, Owned { timestamp: message.timestamp, key, value, headers: Vec::new() })
    });
    messages.collect()
}

fn check_message_set(bytes: &Bytes, format: MessageFormat, codec: Compression, wanted: &[Value], name: &str) {
    let wanted: Vec<_> =
        wanted.iter().flat_map(|batch| batch["records"].as_array().unwrap()).map(expected).collect();
    assert_eq!(messages(bytes.clone(), format, name), wanted, "{name}");

    let owned: Vec<_> = wanted.iter().map(|(_, record)| record.clone()).collect();
    let batch = sealed(&owned, Seal { compression: codec, ..Seal::default() });
    let ours = from_batches(batch, format, 0, LIMIT).unwrap();
    if codec == Compression::None {
        assert_eq!(&ours, bytes, "{name}");
    }
    assert_eq!(messages(ours.clone(), format, name), wanted, "{name}");
    // Codec and timestamp of the wrapper stand in front of what each encoder compresses in its own way.
    let head = if format == MessageFormat::V0 { 16..18 } else { 16..26 };
    assert_eq!(ours[head.clone()], bytes[head], "{name}");
    if codec == Compression::Lz4 {
        let frame_head = |set: &Bytes| {
            let start = set.windows(4).position(|at| at == [0x04, 0x22, 0x4d, 0x18]).unwrap();
            set.slice(start..start + 7)
        };
        assert_eq!(
            frame_head(&ours),
            frame_head(bytes),
            "{name}: the frame's checksum is Kafka's, right or wrong"
        );
    }
}

fn check_marker(batch: &Batch, name: &str) {
    let records = batch.records(LIMIT).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    let control_type = if name.contains("COMMIT") { ControlType::Commit } else { ControlType::Abort };
    let want = ControlRecord { version: 0, control_type, coordinator_epoch: Some(17) };
    assert_eq!(ControlRecord::decode(&record), Ok(want), "{name}");
    assert!(validate(batch, Depth::Header, LIMIT).is_err(), "{name}: no producer may send a marker");
}
