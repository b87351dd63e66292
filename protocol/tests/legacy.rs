//! Message sets of the formats before v2, written here by hand, and their way to batches and back.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod records;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::records::legacy::{
    Message, MessageFormat, MessageSet, Tail, from_batch, from_batches, to_batch, to_batches,
};
use kinglet_protocol::records::{
    Batch, BatchError, Compression, Depth, HEADER_LEN, Seal, TimestampType, compress, set_log_append_time,
    validate,
};
use proptest::prelude::*;

use crate::records::{LIMIT, Owned, decoded, only_batch, patched, samples, sealed};

use MessageFormat::{V0, V1};

const OLD_CODECS: [Compression; 4] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4];
const LOG_APPEND_TIME: u8 = 0x08;
const NOW: i64 = 1_700_000_000_000;

/// Bit by bit, as the format's description has it: none of the code under test.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn message(magic: u8, offset: i64, attributes: u8, timestamp: i64, value: Option<&[u8]>) -> Vec<u8> {
    let mut body = vec![magic, attributes];
    if magic == 1 {
        body.extend(timestamp.to_be_bytes());
    }
    for field in [Some(&b"key"[..]), value] {
        body.extend(field.map_or(-1, |field| i32::try_from(field.len()).unwrap()).to_be_bytes());
        body.extend(field.unwrap_or_default());
    }
    let size = i32::try_from(body.len() + 4).unwrap();
    [&offset.to_be_bytes()[..], &size.to_be_bytes(), &crc32(&body).to_be_bytes(), &body].concat()
}

fn plain(magic: u8, offset: i64, timestamp: i64) -> Vec<u8> {
    message(magic, offset, 0, timestamp, Some(b"value"))
}

fn wrapper(magic: u8, offset: i64, codec: Compression, flags: u8, timestamp: i64, set: &[u8]) -> Vec<u8> {
    let mut packed = BytesMut::new();
    compress(codec, None, set, &mut packed).unwrap();
    message(magic, offset, flags | u8::try_from(codec.id()).unwrap(), timestamp, Some(&packed))
}

fn gzipped(magic: u8, offset: i64, set: &[Vec<u8>]) -> Vec<u8> {
    wrapper(magic, offset, Compression::Gzip, 0, NOW, &set.concat())
}

fn read(set: &[u8], tail: Tail) -> Result<Vec<Message>, BatchError> {
    MessageSet::new(Bytes::copy_from_slice(set), tail).messages(LIMIT).collect()
}

fn offsets_and_times(set: &[u8]) -> Vec<(i64, i64)> {
    read(set, Tail::Whole).unwrap().iter().map(|m| (m.offset, m.timestamp)).collect()
}

fn batches(mut bytes: Bytes) -> Vec<Batch> {
    std::iter::from_fn(|| Batch::split(&mut bytes).unwrap()).inspect(|b| b.verify_crc().unwrap()).collect()
}

fn upgraded(set: &[u8]) -> Vec<Batch> {
    batches(to_batches(Bytes::copy_from_slice(set), Tail::Whole, LIMIT).unwrap())
}

fn offsets(batches: &[Batch]) -> Vec<Vec<i64>> {
    let offsets = |batch| decoded(batch).unwrap().into_iter().map(|(offset, _)| offset).collect();
    batches.iter().map(offsets).collect()
}

fn one_batch(set: &[u8]) -> Result<Batch, BatchError> {
    to_batch(&MessageSet::new(Bytes::copy_from_slice(set), Tail::Whole), LIMIT)
}

/// What is left of records in a format that has no headers, and perhaps no timestamps.
fn without_news(records: &[Owned], format: MessageFormat) -> Vec<Owned> {
    let old = |record: &Owned| Owned {
        timestamp: if format == V1 { record.timestamp.max(-1) } else { -1 },
        headers: Vec::new(),
        ..record.clone()
    };
    records.iter().map(old).collect()
}

#[test]
fn offsets_inside_a_v1_wrapper_count_from_the_one_it_carries() {
    let inside = [plain(1, 0, 5), plain(1, 1, 6), plain(1, 4, 7)];
    assert_eq!(offsets_and_times(&gzipped(1, 104, &inside)), [(100, 5), (101, 6), (104, 7)]);
    // Compaction may take the first ones away; the last one's offset still is the wrapper's.
    assert_eq!(offsets_and_times(&gzipped(1, 104, &inside[1..])), [(101, 6), (104, 7)]);
    // librdkafka sent 0 in some versions.
    assert_eq!(offsets_and_times(&gzipped(1, 0, &inside)), [(0, 5), (1, 6), (4, 7)]);
    let below = read(&gzipped(1, 3, &inside), Tail::Whole);
    assert!(matches!(below, Err(BatchError::Corrupt(_))), "{below:?}");
}

#[test]
fn offsets_inside_a_v0_wrapper_are_those_of_the_log() {
    let inside = [plain(0, 100, 0), plain(0, 101, 0), plain(0, 104, 0)];
    assert_eq!(offsets_and_times(&gzipped(0, 104, &inside)), [(100, -1), (101, -1), (104, -1)]);
}

#[test]
fn the_wrapper_says_whose_clock_the_timestamps_are() {
    let inside = [plain(1, 0, 5), plain(1, 1, 6)].concat();
    for (flags, times, timestamp_type) in
        [(0, [5, 6], TimestampType::CreateTime), (LOG_APPEND_TIME, [NOW; 2], TimestampType::LogAppendTime)]
    {
        let set = wrapper(1, 11, Compression::Snappy, flags, NOW, &inside);
        let messages = read(&set, Tail::Whole).unwrap();
        assert_eq!(messages.iter().map(|m| m.timestamp).collect::<Vec<_>>(), times);
        assert!(messages.iter().all(|m| m.timestamp_type == Some(timestamp_type)));
        let batch = &upgraded(&set)[0];
        assert_eq!(batch.header().attributes.timestamp_type(), timestamp_type);
        assert_eq!(batch.header().attributes.compression(), Ok(Compression::Snappy));
        assert_eq!(decoded(batch).unwrap().iter().map(|(_, r)| r.timestamp).collect::<Vec<_>>(), times);
        // And the way back.
        let back = from_batch(batch, V1, 0, LIMIT).unwrap();
        assert_eq!(read(&back, Tail::Whole).unwrap(), messages);
    }
}

#[test]
fn timestamps_inside_a_v0_wrapper_stay_whosever_clock_they_claim() {
    let inside = [(3, NOW), (4, NOW + 80)]
        .map(|(offset, timestamp)| message(1, offset, LOG_APPEND_TIME, timestamp, Some(b"value")));
    let set = gzipped(0, 4, &inside);
    assert_eq!(offsets_and_times(&set), [(3, NOW), (4, NOW + 80)]);
    let batches = upgraded(&set);
    let records = batches.iter().flat_map(|batch| decoded(batch).unwrap());
    let records: Vec<i64> = records.map(|(_, record)| record.timestamp).collect();
    assert_eq!(records, [NOW, NOW + 80]);
}

#[test]
fn keys_and_values_may_be_null() {
    let set = [message(0, 7, 0, 0, None), message(1, 8, 0, NOW, None)].concat();
    for message in read(&set, Tail::Whole).unwrap() {
        assert_eq!((message.key.as_deref(), message.value), (Some(&b"key"[..]), None));
    }
    let nothing = Owned { timestamp: NOW, key: None, value: None, headers: vec![] };
    let set = from_batches(sealed(&[nothing], Seal::default()), V1, 0, LIMIT).unwrap();
    assert_eq!(set[26..], [0xff; 8], "two lengths of -1 end the message");
}

#[test]
fn what_no_client_writes_is_an_error() {
    let text = [plain(1, 0, 5)];
    let nested = gzipped(1, 0, &[gzipped(1, 0, &text)]);
    let zstd = wrapper(1, 0, Compression::Zstd, 0, NOW, &text[0]);
    let zstd_that_is_none = message(1, 0, 4, NOW, Some(b"value"));
    let unknown = message(1, 0, 6, NOW, Some(b"value"));
    let empty = gzipped(1, 0, &[]);
    let no_value = message(1, 0, 1, NOW, None);
    let cut_inside = gzipped(1, 0, &[plain(1, 0, 5)[..30].to_vec()]);
    let batch_inside = gzipped(1, 0, &[sealed(&samples(), Seal::default()).to_vec()]);
    let mut trailing = plain(1, 0, 5);
    trailing.extend([0; 3]);
    let size = i32::try_from(trailing.len() - 12).unwrap();
    trailing[8..12].copy_from_slice(&size.to_be_bytes());
    let crc = crc32(&trailing[16..]).to_be_bytes();
    trailing[12..16].copy_from_slice(&crc);
    let mut flipped = plain(0, 0, 0);
    *flipped.last_mut().unwrap() ^= 1;
    let mut short = plain(1, 0, 5);
    short[8..12].copy_from_slice(&21_i32.to_be_bytes());
    let mut negative = plain(1, 0, 5);
    negative[8..12].copy_from_slice(&(-1_i32).to_be_bytes());

    let cases: [(&str, Vec<u8>, i16); 12] = [
        ("a wrapper in a wrapper", nested, 87),
        ("zstd", zstd, 87),
        ("zstd that is none", zstd_that_is_none, 87),
        ("no codec", unknown, 76),
        ("nothing inside", empty, 87),
        ("no value", no_value, 87),
        ("half a message inside", cut_inside, 87),
        ("a batch inside", batch_inside, 2),
        ("bytes behind the value", trailing, 87),
        ("a flipped bit", flipped, 2),
        ("a size below the smallest", short, 2),
        ("a negative size", negative, 2),
    ];
    for (what, set, code) in cases {
        for tail in [Tail::Whole, Tail::MayBeCut] {
            let error = read(&set, tail).unwrap_err();
            assert_eq!(error.code(), code, "{what}: {error}");
            let error = to_batches(Bytes::from(set.clone()), tail, LIMIT).unwrap_err();
            assert_eq!(error.code(), code, "{what}: {error}");
        }
        assert_eq!(one_batch(&set).unwrap_err().code(), code, "{what}");
    }
}

#[test]
fn a_set_cut_off_at_any_byte_gives_its_whole_messages_or_an_error() {
    let inside = [plain(1, 0, 5), plain(1, 1, 6)];
    let parts = [plain(0, 9, 0), gzipped(1, 11, &inside), plain(1, 12, 7), plain(0, 13, 0)];
    let set = parts.concat();
    let ends: Vec<usize> = (1..=parts.len()).map(|n| parts[..n].concat().len()).collect();
    for end in 1..set.len() {
        let whole = ends.iter().filter(|at| **at <= end).count();
        let cut = read(&set[..end], Tail::MayBeCut).unwrap();
        assert_eq!(cut, read(&parts[..whole].concat(), Tail::Whole).unwrap(), "{end}");
        let strict = read(&set[..end], Tail::Whole);
        assert_eq!(strict.is_ok(), ends.contains(&end), "{end}");

        let bytes = Bytes::copy_from_slice(&set[..end]);
        assert_eq!(to_batches(bytes.clone(), Tail::Whole, LIMIT).is_ok(), ends.contains(&end), "{end}");
        match to_batches(bytes, Tail::MayBeCut, LIMIT) {
            Ok(batches) => assert_eq!(offsets(&self::batches(batches)).concat().len(), cut.len(), "{end}"),
            Err(error) => {
                assert_eq!(whole, 0, "{end}: {error}");
                let need = if end < 12 { 26 } else { parts[0].len() };
                assert_eq!(error, BatchError::Truncated { need, have: end });
            }
        }
    }
}

#[test]
fn messages_and_batches_in_one_answer_become_batches_in_their_order() {
    let new = patched(&sealed(&samples()[..3], Seal::default()), |h| h.base_offset = 20);
    let set = [
        plain(0, 3, 0),
        plain(0, 5, 0),
        plain(1, 6, NOW),
        wrapper(1, 9, Compression::Lz4, 0, NOW, &[plain(1, 0, 1), plain(1, 2, 2)].concat()),
        message(1, 10, LOG_APPEND_TIME, 50, None),
        message(1, 11, LOG_APPEND_TIME, 50, None),
        message(1, 12, LOG_APPEND_TIME, 60, None),
        new.to_vec(),
        plain(1, 30, NOW),
    ]
    .concat();
    let batches = upgraded(&set);
    let wanted: [&[i64]; 6] = [&[3, 5, 6], &[7, 9], &[10, 11], &[12], &[20, 21, 22], &[30]];
    assert_eq!(offsets(&batches), wanted);
    assert_eq!(batches[4].bytes(), &new, "a batch stays as it is");
    assert_eq!(batches[1].header().attributes.compression(), Ok(Compression::Lz4));
    let times: Vec<_> = batches.iter().map(|b| b.header().max_timestamp).collect();
    assert_eq!(times, [NOW, 2, 50, 60, NOW + 14, NOW]);
    let producers = batches.iter().map(|b| b.header().producer_id);
    assert!(producers.chain([-1]).all(|id| id == -1));
}

#[test]
fn batches_alone_come_back_without_a_copy() {
    let two = [sealed(&samples(), Seal::default()), sealed(&samples(), Seal::default())].concat();
    let bytes = Bytes::from([&two[..], &two[..40]].concat());
    let same = to_batches(bytes.clone(), Tail::MayBeCut, LIMIT).unwrap();
    assert_eq!((same.as_ptr(), same.len()), (bytes.as_ptr(), two.len()));
    assert_eq!(to_batches(Bytes::new(), Tail::MayBeCut, LIMIT), Ok(Bytes::new()));
}

#[test]
fn a_fault_behind_whole_messages_is_told_to_who_asks_for_it() {
    let good = plain(1, 4, NOW);
    let mut bad = plain(1, 5, NOW);
    bad[30] ^= 1;
    let both = Bytes::from([good.clone(), bad.clone()].concat());
    let result = batches(to_batches(both.clone(), Tail::MayBeCut, LIMIT).unwrap());
    assert_eq!(offsets(&result), [[4]]);
    assert_eq!(to_batches(both, Tail::Whole, LIMIT).unwrap_err().code(), 2);
    assert_eq!(to_batches(Bytes::from(bad), Tail::MayBeCut, LIMIT).unwrap_err().code(), 2);
}

#[test]
fn offsets_that_do_not_rise_are_an_error_of_a_log_and_none_of_a_producer() {
    let twice = [plain(0, 5, 0), plain(0, 5, 0)].concat();
    assert!(to_batches(Bytes::from(twice.clone()), Tail::Whole, LIMIT).is_err());
    assert_eq!(offsets(&[one_batch(&twice).unwrap()]), [[0, 1]]);
    let backwards = gzipped(0, 9, &[plain(0, 9, 0), plain(0, 8, 0)]);
    assert!(to_batches(Bytes::from(backwards.clone()), Tail::Whole, LIMIT).is_err());
    assert_eq!(offsets(&[one_batch(&backwards).unwrap()]), [[0, 1]]);
    let far = [plain(1, 0, NOW), plain(1, 1 << 40, NOW)].concat();
    assert_eq!(offsets(&upgraded(&far)), [[0], [1 << 40]], "further than a batch reaches");
}

#[test]
fn what_a_producer_sent_becomes_one_batch_that_a_log_takes() {
    let three = [plain(1, 0, 7), message(1, 0, 0, 9, None), plain(1, 0, 8)];
    for codec in OLD_CODECS {
        let set = match codec {
            Compression::None => three.concat(),
            // The offset of the wrapper is anything here.
            codec => wrapper(1, 2, codec, 0, 9, &three.concat()),
        };
        let batch = one_batch(&set).unwrap();
        validate(&batch, Depth::Records, LIMIT).unwrap();
        let header = batch.header();
        assert_eq!(header.attributes.compression(), Ok(codec));
        assert_eq!((header.base_timestamp, header.max_timestamp, header.base_offset), (7, 9, 0));
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
        let records = decoded(&batch).unwrap();
        let facts: Vec<_> = records.iter().map(|(at, r)| (*at, r.timestamp, r.value.is_some())).collect();
        assert_eq!(facts, [(0, 7, true), (1, 9, false), (2, 8, true)], "{codec}");
    }
}

#[test]
fn sets_that_a_broker_refuses_from_a_producer() {
    let text = [plain(1, 0, 7), plain(1, 1, 8)];
    let packed = gzipped(1, 1, &text);
    for (what, set) in [
        ("nothing", vec![]),
        ("two wrappers", [&packed[..], &packed].concat()),
        ("a wrapper behind a message", [&text[0][..], &packed].concat()),
        ("two formats", [plain(0, 0, 0), plain(1, 1, 7)].concat()),
        ("another format inside", gzipped(1, 1, &[plain(0, 0, 0)])),
    ] {
        let error = one_batch(&set).unwrap_err();
        assert_eq!(error.code(), 87, "{what}: {error}");
    }
    let batch = sealed(&samples(), Seal::default());
    assert_eq!(one_batch(&batch).unwrap_err(), BatchError::Magic(2));
    assert!(matches!(one_batch(&packed[..40]), Err(BatchError::Truncated { .. })));
}

#[test]
fn old_peers_get_data_of_transactions_and_no_control_batch() {
    let seal =
        Seal { producer_id: 1, producer_epoch: 0, base_sequence: 0, transactional: true, ..Seal::default() };
    let data = sealed(&samples(), seal);
    let marker = patched(&sealed(&samples()[..1], seal), |h| {
        (h.base_offset, h.attributes) = (12, h.attributes.with_control());
    });
    let more = patched(&sealed(&samples()[..2], Seal::default()), |h| h.base_offset = 13);
    let all = Bytes::from([data, marker.clone(), more].concat());
    for format in [V0, V1] {
        let set = from_batches(all.clone(), format, 0, LIMIT).unwrap();
        let messages = read(&set, Tail::Whole).unwrap();
        let offsets: Vec<_> = messages.iter().map(|m| m.offset).collect();
        assert_eq!(offsets, (0..12).chain(13..15).collect::<Vec<_>>());
        assert_eq!(from_batches(marker.clone(), format, 0, LIMIT), Ok(Bytes::new()));
    }
}

#[test]
fn a_reader_inside_a_batch_gets_what_it_asked_for_and_perhaps_more() {
    for codec in OLD_CODECS {
        let batch = patched(&sealed(&samples(), Seal { compression: codec, ..Seal::default() }), |h| {
            h.base_offset = 1000;
        });
        let set = from_batches(batch, V1, 1009, LIMIT).unwrap();
        let offsets: Vec<_> = offsets_and_times(&set).into_iter().map(|(offset, _)| offset).collect();
        let first = if codec == Compression::None { 1009 } else { 1000 };
        assert_eq!(offsets, (first..1012).collect::<Vec<_>>(), "{codec}");
    }
}

#[test]
fn zstd_and_old_formats_do_not_go_together() {
    let batch = sealed(&samples(), Seal { compression: Compression::Zstd, ..Seal::default() });
    for format in [V0, V1] {
        let error = from_batches(batch.clone(), format, 0, LIMIT).unwrap_err();
        assert_eq!((&error, error.code()), (&BatchError::TooOldFor(Compression::Zstd), 76));
    }
}

#[test]
fn a_batch_that_compaction_thinned_out_keeps_its_offsets() {
    let set = gzipped(1, 109, &[plain(1, 2, 5), plain(1, 9, 6)]);
    let batch = &upgraded(&set)[0];
    assert_eq!((batch.header().base_offset, batch.header().last_offset()), (102, 109));
    for format in [V0, V1] {
        let back = from_batch(batch, format, 0, LIMIT).unwrap();
        let offsets: Vec<_> = offsets_and_times(&back).into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, [102, 109]);
    }
    let mut header = *only_batch(sealed(&samples(), Seal::default())).header();
    (header.record_count, header.last_offset_delta, header.batch_length) = (0, 30, 49);
    let mut none = [0; HEADER_LEN];
    header.write(&mut none);
    let none = Bytes::copy_from_slice(&none);
    assert_eq!(from_batches(none, V1, 0, LIMIT), Ok(Bytes::new()));
}

/// The header of lz4 frames as clients of Kafka 0.8 and 0.9 wrote it, and as everyone else does (KAFKA-3160).
#[test]
fn lz4_in_v0_carries_the_wrong_checksum_of_its_time_and_either_is_read() {
    let batch = sealed(&samples(), Seal { compression: Compression::Lz4, ..Seal::default() });
    for (format, frame_at, checksum) in [(V0, 26, 0x1a), (V1, 34, 0x82)] {
        let set = from_batches(batch.clone(), format, 0, LIMIT).unwrap();
        assert_eq!(set[frame_at..frame_at + 4], [0x04, 0x22, 0x4d, 0x18], "{format:?}");
        assert_eq!(set[frame_at + 6], checksum, "{format:?}");
        assert_eq!(read(&set, Tail::Whole).unwrap().len(), 12);
    }
    let right = wrapper(0, 0, Compression::Lz4, 0, 0, &plain(0, 0, 0));
    assert_eq!(read(&right, Tail::Whole).unwrap().len(), 1);
}

#[test]
fn decompressed_sets_stop_at_the_limit_both_ways() {
    let zeros = Owned { timestamp: 0, key: None, value: Some(vec![0; 1 << 20]), headers: vec![] };
    for codec in &OLD_CODECS[1..] {
        let batch = sealed(std::slice::from_ref(&zeros), Seal { compression: *codec, ..Seal::default() });
        for format in [V0, V1] {
            let set = from_batches(batch.clone(), format, 0, LIMIT).unwrap();
            let least = (1 << 20) + if format == V0 { 26 } else { 34 };
            for limit in [0, 1 << 10, least - 1] {
                let too_large = BatchError::TooLarge { limit };
                assert_eq!(from_batches(batch.clone(), format, 0, limit), Err(too_large.clone()));
                assert_eq!(to_batches(set.clone(), Tail::MayBeCut, limit), Err(too_large.clone()));
                let set = MessageSet::new(set.clone(), Tail::Whole);
                assert_eq!(to_batch(&set, limit).unwrap_err(), too_large);
            }
            assert!(from_batches(batch.clone(), format, 0, least).is_ok());
            assert!(to_batches(set, Tail::Whole, least).is_ok());
        }
    }
}

fn any_records() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200));
    let timestamp = prop_oneof![NOW..NOW + 100_000, any::<i64>()];
    let record = (timestamp, bytes(), bytes()).prop_map(|(timestamp, key, value)| Owned {
        timestamp,
        key,
        value,
        headers: vec![],
    });
    proptest::collection::vec(record, 1..40)
}

fn any_old_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&OLD_CODECS[..])
}

proptest! {
    #[test]
    fn batches_go_down_and_come_up_again(
        records in any_records(),
        codec in any_old_codec(),
        base_offset in 0..i64::MAX / 2,
        append_time in proptest::option::of(0..NOW),
        format in proptest::sample::select(vec![V0, V1]),
    ) {
        let mut batch = BytesMut::from(sealed(&records, Seal { compression: codec, ..Seal::default() }));
        batch[..8].copy_from_slice(&base_offset.to_be_bytes());
        if let Some(time) = append_time {
            set_log_append_time(&mut batch, time);
        }
        let batch = only_batch(batch.freeze());
        let (offsets, records): (Vec<_>, Vec<_>) = decoded(&batch).unwrap().into_iter().unzip();

        let down = from_batch(&batch, format, 0, LIMIT).unwrap();
        let up = only_batch(to_batches(down.clone(), Tail::Whole, LIMIT).unwrap());
        up.verify_crc().unwrap();
        let (offsets_up, records_up): (Vec<_>, Vec<_>) = decoded(&up).unwrap().into_iter().unzip();
        prop_assert_eq!(&offsets_up, &offsets);
        prop_assert_eq!(records_up, without_news(&records, format));
        prop_assert_eq!(up.header().attributes.compression(), Ok(codec));
        let is_stamped = up.header().attributes.timestamp_type() == TimestampType::LogAppendTime;
        prop_assert_eq!(is_stamped, append_time.is_some() && format == V1);
        prop_assert_eq!(&from_batch(&up, format, 0, LIMIT).unwrap(), &down);

        let produced = to_batch(&MessageSet::new(down, Tail::Whole), LIMIT).unwrap();
        prop_assert_eq!(validate(&produced, Depth::Records, LIMIT), Ok(()));
        prop_assert_eq!(decoded(&produced).unwrap().len(), records.len());
    }

    #[test]
    fn changed_bytes_give_an_error_or_messages_and_never_a_panic(
        codec in any_old_codec(),
        format in proptest::sample::select(vec![V0, V1]),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        makes_crc_true in any::<bool>(),
    ) {
        let batch = sealed(&samples(), Seal { compression: codec, ..Seal::default() });
        let mut set = from_batches(batch, format, 0, LIMIT).unwrap().to_vec();
        for (at, byte) in changes {
            let at = at.index(set.len());
            set[at] = byte;
        }
        if makes_crc_true {
            let size = i32::from_be_bytes(set[8..12].try_into().unwrap());
            let end = usize::try_from(size).map_or(set.len(), |size| (12 + size).clamp(16, set.len()));
            let crc = crc32(&set[16..end]);
            set[12..16].copy_from_slice(&crc.to_be_bytes());
        }
        for tail in [Tail::Whole, Tail::MayBeCut] {
            let messages = read(&set, tail);
            prop_assert!(messages.map_or(0, |messages| messages.len()) <= 12);
            if let Ok(up) = to_batches(Bytes::from(set.clone()), tail, LIMIT) {
                // Offsets are outside the checksum, so anything may have come of them.
                let _any_answer_is_fine = from_batches(up, format, 0, LIMIT);
            }
        }
        let _any_answer_is_fine = one_batch(&set);
    }
}
