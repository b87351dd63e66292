use bytes::{Bytes, BytesMut};

use super::super::cursor::Ask;
use super::*;
use crate::protocol::messages::fetch::AbortedTransaction;
use crate::protocol::records::{BatchBuilder, Seal};

const ABORT: Option<&[u8]> = Some(&[0, 0, 0, 0]);
const COMMIT: Option<&[u8]> = Some(&[0, 0, 0, 1]);

/// One record at `offset`: data of a producer, or a marker with this key.
pub(in super::super) fn one(offset: i64, producer_id: i64, marker: Option<&[u8]>) -> BytesMut {
    let mut builder = BatchBuilder::new(64);
    builder.push(0, marker, Some(&[0; 6]), &[]);
    let seal =
        Seal { producer_id, producer_epoch: 0, base_sequence: 0, transactional: true, ..Seal::default() };
    let mut batch = BytesMut::from(&*builder.seal(seal).expect("it is small"));
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    if marker.is_some() {
        batch[22] |= 0x20;
    }
    batch
}

/// So many records from `offset` on.
pub(in super::super) fn many(offset: i64, count: usize) -> BytesMut {
    let mut builder = BatchBuilder::new(64);
    (0..count).for_each(|_| {
        builder.push(0, Some(b"key"), Some(b"value"), &[("h", Some(b"x"))]);
    });
    let mut batch = BytesMut::from(&*builder.seal(Seal::default()).expect("it is small"));
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch
}

fn read(log: &[BytesMut], from: i64, aborted: Option<Aborted>) -> (Vec<i64>, i64) {
    let bytes = Bytes::from(log.concat());
    let ask = Ask::from(from);
    let mut chunk = Chunk::new(&ask, bytes, 100, aborted, Progress::new(Arc::default()));
    let (mut offsets, mut next) = (Vec::new(), from);
    while let Some(share) = chunk.take_share().expect("it is sound") {
        next = share.next_offset;
        let batch = share.open(false, &Trouble::default()).expect("it is sound");
        offsets.extend(batch.iter().flat_map(Batch::iter).map(|record| record.offset));
    }
    assert_eq!(chunk.size, 0);
    (offsets, next)
}

#[test]
fn aborted_transactions_are_hidden_from_those_who_read_committed() {
    let log = [
        one(0, 7, None),
        one(1, 8, None),
        one(2, 7, ABORT),
        one(3, 7, None),
        one(4, 8, COMMIT),
        one(5, 7, COMMIT),
    ];
    let aborted = AbortedTransaction { producer_id: 7, first_offset: 0 };
    assert_eq!(read(&log, 0, Some(Aborted::new(vec![aborted]))), (vec![1, 3], 6));
    assert_eq!(read(&log, 0, None), (vec![0, 1, 3], 6), "markers are for nobody");
}

#[test]
fn the_position_moves_behind_what_is_not_shown() {
    assert_eq!(read(&[one(4, 7, COMMIT)], 4, None), (vec![], 5));
    assert_eq!(read(&[one(4, 7, None), one(9, 7, None)], 5, None), (vec![9], 10));
}

#[test]
fn an_answer_counts_up_to_its_last_whole_batch() {
    let log = [one(0, 7, None), one(1, 7, None)].concat();
    let half = log.len() / 2;
    assert_eq!(extent(&log), Ok((log.len(), Some((2, -1)))));
    for cut in half..log.len() {
        assert_eq!(extent(&log[..cut]), Ok((half, Some((1, -1)))), "{cut}");
    }
    assert_eq!(extent(&log[..half - 1]), Ok((0, None)));
    let mut bad = log;
    bad[half + 8..half + 12].copy_from_slice(&1i32.to_be_bytes());
    assert_eq!(extent(&bad), Ok((half, Some((1, -1)))), "what lies in front of the damage is whole");
    assert!(extent(&bad[half..]).is_err(), "a length that would go round in circles");
}

fn chunk(log: &[BytesMut], aborted: Option<Aborted>) -> Chunk {
    Chunk::new(&Ask::from(0), Bytes::from(log.concat()), 100, aborted, Progress::new(Arc::default()))
}

#[test]
fn records_in_front_of_a_damaged_batch_reach_the_user() {
    let mut bad = one(1, 7, None);
    *bad.last_mut().unwrap() ^= 1;
    let share = chunk(&[one(0, 7, None), bad.clone()], None).take_share().unwrap().unwrap();
    let batch = share.open(true, &Trouble::default()).unwrap().unwrap();
    let offsets: Vec<_> = batch.iter().map(|record| record.offset).collect();
    assert_eq!((offsets, batch.next_offset()), (vec![0], 1));
    let share = chunk(&[bad, one(2, 7, None)], None).take_share().unwrap().unwrap();
    let error = share.open(true, &Trouble::default()).unwrap_err();
    assert_eq!(error.hint(), Some("seek to offset 2 to skip the batch"));
}

#[test]
fn a_damaged_marker_is_an_error_once_all_in_front_of_it_is_taken() {
    let mut marker = one(1, 7, ABORT);
    // Compressed with nothing that exists.
    marker[22] |= 7;
    let mut chunk = chunk(&[one(0, 7, None), marker], Some(Aborted::new(Vec::new())));
    assert_eq!(chunk.take_share().unwrap().unwrap().next_offset, 1);
    assert!(chunk.take_share().is_err());
    assert_eq!(chunk.first_offset, 1);
}
