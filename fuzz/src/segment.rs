//! What lies on disk: segments, their indexes, and the small files beside them.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::records::files::{
    FileError, MetaProperties, OffsetIndexEntry, TimeIndexEntry, parse_epochs, parse_offsets,
    parse_partition_metadata, parse_segment_file_name, segment_file_name, write_epochs, write_offsets,
    write_partition_metadata,
};
use kinglet_protocol::records::legacy::{Tail, to_batches};
use kinglet_protocol::records::{Batch, BatchHeader, peek_size};

use super::batches::mend;
use super::{LIMIT, PACKING, UNPACKING, bounded, tell};

/// Which file (the remainder by eight; a segment with 8 added has right checksums), then its bytes.
pub fn segment(data: &[u8]) {
    let [kind, file @ ..] = data else { return };
    let text = || std::str::from_utf8(file).ok();
    match (kind % 8, text()) {
        (0, _) => log(file, kind & 8 != 0),
        (1, _) => {
            let entries = bounded(file.len(), 0, || OffsetIndexEntry::entries(file).collect::<Vec<_>>());
            let again: Vec<u8> = entries.into_iter().flat_map(OffsetIndexEntry::encode).collect();
            assert_eq!(again, file[..file.len() / OffsetIndexEntry::LEN * OffsetIndexEntry::LEN]);
        }
        (2, _) => {
            let entries = bounded(file.len(), 0, || TimeIndexEntry::entries(file).collect::<Vec<_>>());
            let again: Vec<u8> = entries.into_iter().flat_map(TimeIndexEntry::encode).collect();
            assert_eq!(again, file[..file.len() / TimeIndexEntry::LEN * TimeIndexEntry::LEN]);
        }
        (3, Some(text)) => same(text, parse_epochs, |entries| write_epochs(entries)),
        (4, Some(text)) => same(text, parse_offsets, |entries| write_offsets(entries.iter())),
        (5, Some(text)) => same(text, parse_partition_metadata, |id| {
            assert_eq!(id.is_zero(), id.0 == [0; 16]);
            write_partition_metadata(*id)
        }),
        (6, Some(text)) => same(text, MetaProperties::parse, MetaProperties::write),
        (7, Some(name)) => {
            let Some((base_offset, suffix)) = parse_segment_file_name(name) else { return };
            assert_eq!(segment_file_name(base_offset, suffix), name);
        }
        _ => {}
    }
}

/// What a file says comes back when it is written and read again.
fn same<T: PartialEq + Debug>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, FileError>,
    write: impl Fn(&T) -> String,
) {
    match bounded(text.len(), 0, || parse(text)) {
        Ok(parsed) => assert_eq!(parse(&write(&parsed)).expect("what was written is read"), parsed),
        Err(error) => tell(&error),
    }
}

/// Goes through a segment as recovery does, to the first batch that is torn; then as a reader of an old log.
fn log(file: &[u8], mended: bool) {
    let mut file = BytesMut::from(file);
    if mended {
        mend(&mut file);
    }
    let file = file.freeze();
    let valid = bounded(file.len(), 0, || valid_len(&file));
    let mut rest = file.slice(..valid);
    while let Some(batch) = Batch::split(&mut rest).expect("the scan went over it") {
        assert_eq!(batch.header().next_offset(), batch.header().last_offset().saturating_add(1));
        assert!(batch.header().last_sequence() >= -1);
        batch.verify_crc().expect("the scan compared it");
    }
    for tail in [Tail::Whole, Tail::MayBeCut] {
        let batches = bounded(file.len(), UNPACKING + PACKING, || to_batches(file.clone(), tail, LIMIT));
        match batches {
            Ok(batches) => assert!(valid <= batches.len(), "batches in front stay as they are"),
            Err(error) => tell(&error),
        }
    }
}

fn valid_len(file: &Bytes) -> usize {
    let mut position = 0;
    while let Ok(header) = BatchHeader::parse(&file[position..]) {
        assert_eq!(peek_size(&file[position..]), Some(header.size()));
        let Ok(Some(batch)) = Batch::split(&mut file.slice(position..)) else { break };
        if batch.verify_crc().is_err() {
            break;
        }
        position += header.size();
    }
    position
}
