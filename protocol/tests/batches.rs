//! Record batches against another implementation and hostile input; against Apache Kafka's bytes in `record_sets.rs`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod records;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::records::{
    Attributes, Batch, BatchError, BatchHeader, Compression, Depth, HEADER_LEN, Seal, peek_size,
    set_log_append_time, set_producer, validate,
};
use proptest::prelude::*;

use crate::records::{LIMIT, Owned, decoded, only_batch, patched, samples, sealed};

mod other_codec {
    use super::*;
    use kafka_protocol::protocol::StrBytes;
    use kafka_protocol::records as theirs;

    const CODECS: [(Compression, theirs::Compression); 5] = [
        (Compression::None, theirs::Compression::None),
        (Compression::Gzip, theirs::Compression::Gzip),
        (Compression::Snappy, theirs::Compression::Snappy),
        (Compression::Lz4, theirs::Compression::Lz4),
        (Compression::Zstd, theirs::Compression::Zstd),
    ];

    fn translated((offset, record): (usize, &Owned)) -> theirs::Record {
        theirs::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: 5,
            producer_epoch: 1,
            timestamp_type: theirs::TimestampType::Creation,
            offset: i64::try_from(offset).unwrap(),
            sequence: 10 + i32::try_from(offset).unwrap(),
            timestamp: record.timestamp,
            key: record.key.clone().map(Bytes::from),
            value: record.value.clone().map(Bytes::from),
            headers: record
                .headers
                .iter()
                .map(|(k, v)| (StrBytes::from(k.clone()), v.clone().map(Bytes::from)))
                .collect(),
        }
    }

    #[test]
    fn it_reads_what_we_write_and_we_read_what_it_writes() {
        let records = samples();
        let translated: Vec<_> = records.iter().enumerate().map(translated).collect();
        for (codec, their_codec) in CODECS {
            let seal = Seal {
                compression: codec,
                producer_id: 5,
                producer_epoch: 1,
                base_sequence: 10,
                ..Seal::default()
            };
            let mut ours = sealed(&records, seal);
            let back = theirs::RecordBatchDecoder::decode(&mut ours).unwrap();
            assert_eq!(back.records, translated, "{codec}");

            let mut encoded = BytesMut::new();
            let options = theirs::RecordEncodeOptions { version: 2, compression: their_codec };
            theirs::RecordBatchEncoder::encode(&mut encoded, &translated, &options).unwrap();
            let batch = only_batch(encoded.freeze());
            validate(&batch, Depth::Records, LIMIT).unwrap();
            let back: Vec<_> = decoded(&batch).unwrap().into_iter().map(|(_, record)| record).collect();
            assert_eq!(back, records, "{codec}");
        }
    }
}

fn any_record() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
    let header = ("[a-z\u{e4}]{0,10}", bytes());
    let timestamp = prop_oneof![1_700_000_000_000..1_700_000_100_000_i64, any::<i64>()];
    (timestamp, bytes(), bytes(), proptest::collection::vec(header, 0..4))
        .prop_map(|(timestamp, key, value, headers)| Owned { timestamp, key, value, headers })
}

fn any_codec() -> impl Strategy<Value = Compression> {
    proptest::sample::select(&Compression::ALL[..])
}

proptest! {
    #[test]
    fn every_batch_comes_back_with_every_codec(
        records in proptest::collection::vec(any_record(), 1..40),
        codec in any_codec(),
        producer in (any::<i64>(), any::<i16>(), any::<i32>()),
        transactional in any::<bool>(),
    ) {
        let (producer_id, producer_epoch, base_sequence) = producer;
        let seal = Seal {
            compression: codec, level: None, producer_id, producer_epoch, base_sequence, transactional,
            partition_leader_epoch: -1,
        };
        let batch = only_batch(sealed(&records, seal));
        let header = batch.header();
        prop_assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), producer);
        prop_assert_eq!(header.attributes.compression(), Ok(codec));
        prop_assert_eq!(header.attributes.is_transactional(), transactional);
        prop_assert_eq!(header.base_timestamp, records[0].timestamp);
        prop_assert_eq!(Some(header.max_timestamp), records.iter().map(|r| r.timestamp).max());
        prop_assert_eq!(batch.verify_crc(), Ok(()));
        let back = decoded(&batch).unwrap();
        for (i, (offset, record)) in back.iter().enumerate() {
            prop_assert_eq!(*offset, i64::try_from(i).unwrap());
            prop_assert_eq!(record, &records[i]);
        }
        prop_assert_eq!(back.len(), records.len());
    }

    #[test]
    fn changed_bytes_give_an_error_or_a_batch_and_never_a_panic(
        codec in any_codec(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = BytesMut::from(sealed(&samples(), Seal { compression: codec, ..Seal::default() }));
        let clean = bytes.clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // The bytes that the checksum leaves out: base offset, length, leader epoch, magic, and itself.
        let covered = bytes[21..] != clean[21..];
        let mut bytes = bytes.freeze();
        if let Ok(Some(batch)) = Batch::split(&mut bytes) {
            prop_assert!(!covered || batch.verify_crc().is_err());
            if let Ok(records) = batch.records(LIMIT) {
                prop_assert!(records.bytes().len() <= LIMIT);
                prop_assert!(records.iter().count() <= records.count() + 1);
            }
            let _any_answer_is_fine = validate(&batch, Depth::Records, LIMIT);
        }
    }
}

#[test]
fn a_batch_cut_off_at_any_byte_is_truncated_and_left_in_place() {
    for codec in Compression::ALL {
        let whole = sealed(&samples(), Seal { compression: codec, ..Seal::default() });
        for end in 1..whole.len() {
            let mut rest = whole.slice(..end);
            let error = Batch::split(&mut rest).unwrap_err();
            let need = if end < 12 { HEADER_LEN } else { whole.len() };
            assert_eq!(error, BatchError::Truncated { need, have: end }, "{codec}");
            assert_eq!(rest.len(), end);
        }
        let mut two = BytesMut::from(whole.clone());
        two.extend_from_slice(&whole[..30]);
        let mut two = two.freeze();
        assert!(Batch::split(&mut two).unwrap().is_some());
        assert_eq!(
            Batch::split(&mut two).unwrap_err(),
            BatchError::Truncated { need: whole.len(), have: 30 }
        );
    }
}

#[test]
fn records_cut_off_at_any_byte_behind_a_true_header_are_an_error() {
    for codec in Compression::ALL {
        let whole = sealed(&samples(), Seal { compression: codec, ..Seal::default() });
        for end in HEADER_LEN..whole.len() {
            let mut cut = BytesMut::from(&whole[..end]);
            let length = i32::try_from(end - 12).unwrap();
            cut[8..12].copy_from_slice(&length.to_be_bytes());
            let result = Batch::split(&mut cut.freeze()).and_then(|batch| decoded(&batch.unwrap()));
            // Gzip ends in a checksum and a size, LZ4 in an end mark: all of it has to be there.
            assert!(result.is_err(), "{codec}: {end} of {}", whole.len());
        }
    }
}

#[test]
fn counts_and_offsets_that_the_records_deny_are_refused() {
    for codec in Compression::ALL {
        let whole = sealed(&samples(), Seal { compression: codec, ..Seal::default() });
        let result = |change: fn(&mut BatchHeader)| {
            let batch = only_batch(patched(&whole, change));
            validate(&batch, Depth::Records, LIMIT)
        };
        assert_eq!(result(|_| {}), Ok(()), "{codec}");
        let fewer = result(|h| (h.record_count, h.last_offset_delta) = (11, 10));
        assert_eq!(fewer, Err(BatchError::Corrupt("bytes left behind the last record")), "{codec}");
        let more = result(|h| (h.record_count, h.last_offset_delta) = (13, 12));
        assert!(matches!(more, Err(BatchError::Corrupt(_))), "{codec}: {more:?}");
        let gap = result(|h| h.last_offset_delta = 12);
        assert_eq!(gap, Err(BatchError::Count { count: 12, last_offset_delta: 12 }), "{codec}");
        let none = result(|h| h.record_count = 0);
        assert!(matches!(none, Err(BatchError::Count { count: 0, .. })), "{codec}: {none:?}");
    }
    let packed = sealed(&samples(), Seal { compression: Compression::Zstd, ..Seal::default() });
    let huge = patched(&packed, |h| (h.record_count, h.last_offset_delta) = (i32::MAX, i32::MAX - 1));
    let records = only_batch(huge).records(LIMIT).unwrap();
    assert_eq!((records.count(), records.iter().size_hint().0), (2_147_483_647, 0));
    assert_eq!(records.iter().count(), 13, "twelve records and an error");
}

#[test]
fn what_only_a_broken_producer_sends_is_refused() {
    let whole = sealed(&samples(), Seal::default());
    let check =
        |change: fn(&mut BatchHeader)| validate(&only_batch(patched(&whole, change)), Depth::Crc, LIMIT);
    let code = |change| check(change).unwrap_err().code();
    assert_eq!(code(|h| h.attributes = h.attributes.with_control()), 87);
    assert_eq!(code(|h| (h.producer_id, h.producer_epoch) = (1, 0)), 87);
    assert_eq!(code(|h| h.attributes = h.attributes.with_transactional()), 87);
    assert_eq!(code(|h| h.attributes = Attributes(6)), 76);
    assert_eq!(check(|h| (h.producer_id, h.producer_epoch, h.base_sequence) = (1, 0, 0)), Ok(()));

    let mut flipped = BytesMut::from(&whole[..]);
    flipped[70] ^= 1;
    let batch = only_batch(flipped.freeze());
    assert_eq!(validate(&batch, Depth::Header, LIMIT), Ok(()));
    let error = validate(&batch, Depth::Crc, LIMIT).unwrap_err();
    assert!(matches!(error, BatchError::Crc { .. }) && error.code() == 2, "{error}");
}

#[test]
fn a_batch_that_compaction_thinned_out_is_read() {
    let whole = sealed(&samples()[..1], Seal::default());
    let header_alone = patched(&whole[..], |h| (h.record_count, h.last_offset_delta) = (1, 30));
    let batch = only_batch(header_alone);
    assert_eq!(decoded(&batch).unwrap().len(), 1);
    assert_eq!(batch.header().next_offset(), 31);

    for codec in Compression::ALL {
        let mut header = only_batch(whole.clone()).header().to_owned();
        header.attributes = header.attributes.with_compression(codec);
        (header.record_count, header.last_offset_delta, header.batch_length) = (0, 30, 49);
        let mut empty = [0; HEADER_LEN];
        header.write(&mut empty);
        assert_eq!(peek_size(&empty), Some(HEADER_LEN));
        assert_eq!(decoded(&only_batch(Bytes::copy_from_slice(&empty))).unwrap(), [], "{codec}");
    }
}

#[test]
fn log_append_time_overrides_the_records_timestamps() {
    let mut batch = BytesMut::from(sealed(&samples(), Seal::default()));
    set_log_append_time(&mut batch, 1_800_000_000_000);
    let batch = only_batch(batch.freeze());
    batch.verify_crc().unwrap();
    assert!(decoded(&batch).unwrap().iter().all(|(_, record)| record.timestamp == 1_800_000_000_000));
}

#[test]
fn a_batch_can_be_given_another_producer() {
    let seal = Seal { producer_id: 1, producer_epoch: 0, base_sequence: 5, ..Seal::default() };
    let mut batch = BytesMut::from(sealed(&samples(), seal));
    set_producer(&mut batch, 99, 3, 0);
    let batch = only_batch(batch.freeze());
    validate(&batch, Depth::Records, LIMIT).unwrap();
    let header = batch.header();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (99, 3, 0));
    assert_eq!(header.last_sequence(), 11);
}

#[test]
fn a_bomb_stops_at_the_limit_with_every_codec() {
    let zeros = Owned { timestamp: 0, key: None, value: Some(vec![0; 4 << 20]), headers: vec![] };
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let batch =
            only_batch(sealed(std::slice::from_ref(&zeros), Seal { compression: codec, ..Seal::default() }));
        assert_eq!(decoded(&batch).unwrap()[0].1, zeros, "{codec}");
        let exact = batch.records(LIMIT).unwrap().bytes().len();
        assert!(batch.records(exact).is_ok(), "{codec}: the limit itself is allowed");
        for limit in [0, 1, 1 << 10, 1 << 20, exact - 1] {
            let error = batch.records(limit).map(|_| ()).unwrap_err();
            assert_eq!((&error, error.code()), (&BatchError::TooLarge { limit }, 10), "{codec} {limit}");
        }
    }
}
