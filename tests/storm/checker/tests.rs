//! The judges are judged: a history that is right, and each with its one fault.

use kinglet_protocol::records::{BatchBuilder, Seal};
use tempfile::TempDir;

use super::{Checker, Replicas};
use crate::history::{Event, Id, Reader};

const READERS: [Reader; 3] = [Reader::Group(0), Reader::Group(1), Reader::Judge];

fn id(number: u64) -> Id {
    Id { producer: 7, number }
}

fn acked(number: u64, offset: i64) -> Event {
    Event::Acked { id: id(number), partition: 0, offset }
}

fn read(by: Reader, number: u64, offset: i64) -> Event {
    Event::Read { by, partition: 0, offset, id: Some(id(number)) }
}

fn settled(end: i64) -> Event {
    Event::Settled { ends: vec![end] }
}

/// Three records, sent, acked and read by all.
fn right() -> Vec<Event> {
    let mut events: Vec<Event> = (0..3).map(|number| Event::Sent(id(number))).collect();
    events.extend([acked(0, 0), acked(1, 1), acked(2, 2)]);
    for by in READERS {
        events.extend([read(by, 0, 0), read(by, 1, 1), read(by, 2, 2)]);
    }
    events.push(settled(3));
    events
}

fn judged(events: &[Event]) -> Vec<String> {
    let mut checker = Checker::new(2);
    events.iter().for_each(|event| checker.see(event));
    checker.violations().to_vec()
}

fn one(events: &[Event], judge: &str) {
    let violations = judged(events);
    assert!(violations.iter().any(|violation| violation.starts_with(judge)), "{violations:?}");
}

fn without(event: &Event) -> Vec<Event> {
    right().into_iter().filter(|other| other != event).collect()
}

fn with(event: Event) -> Vec<Event> {
    let mut events = right();
    events.insert(events.len() - 1, event);
    events
}

#[test]
fn a_history_that_is_right_is_right() {
    assert_eq!(judged(&right()), [""; 0]);
    // A group reads some of it again, and an ack may be heard of after the record was read.
    assert_eq!(judged(&with(read(Reader::Group(0), 1, 1))), [""; 0]);
    let mut late = without(&acked(1, 1));
    late.insert(late.len() - 1, acked(1, 1));
    assert_eq!(judged(&late), [""; 0]);
}

#[test]
fn what_one_of_them_has_not_read_is_lost() {
    for by in READERS {
        one(&without(&read(by, 1, 1)), "lost");
    }
    one(&with(acked(3, 2)), "lost");
}

#[test]
fn another_record_at_an_offset_is_found_whoever_reads_it() {
    one(&with(read(Reader::Stranger, 3, 1)), "values");
    one(&with(Event::Read { by: Reader::Group(1), partition: 0, offset: 9, id: None }), "values");
}

#[test]
fn exchanged_records_are_out_of_order() {
    one(&[read(Reader::Judge, 1, 0), read(Reader::Judge, 0, 1)], "order");
}

#[test]
fn a_record_that_is_there_twice_is_found_in_another_partition_too() {
    one(&with(read(Reader::Judge, 1, 3)), "once");
    one(&with(Event::Read { by: Reader::Judge, partition: 1, offset: 0, id: Some(id(1)) }), "once");
}

#[test]
fn what_was_said_not_to_be_written_is_not_read_before_or_after() {
    let failed = |never| Event::Failed { id: id(3), never };
    one(&[failed(true), read(Reader::Judge, 3, 3)], "denied");
    one(&[read(Reader::Judge, 3, 3), failed(true)], "denied");
    assert_eq!(judged(&[read(Reader::Judge, 3, 0), failed(false)]), [""; 0]);
}

#[test]
fn a_watermark_that_goes_back_is_found() {
    let told = |start, high| Event::Watermarks { observer: 0, partition: 0, start, high };
    assert_eq!(judged(&[told(0, 5), told(0, 5), told(1, 7)]), [""; 0]);
    one(&[told(0, 5), told(0, 4)], "watermarks");
    one(&[told(2, 5), told(1, 5)], "watermarks");
    one(&[told(6, 5)], "watermarks");
}

#[test]
fn a_commit_that_goes_back_or_lies_above_the_high_watermark_is_found() {
    let committed = |offset, high| Event::Committed { group: 0, partition: 0, offset, high, epoch: 3 };
    let twice = [settled(9), settled(9)];
    assert_eq!(judged(&[&[committed(3, 3), committed(4, 9)], &twice[..]].concat()), [""; 0]);
    one(&[committed(3, 3), committed(2, 9)], "committed");
    let leads = |epoch| Event::Leads { partition: 0, epoch, broker: 1 };
    one(&[&[leads(3), committed(4, 3)], &twice[..]].concat(), "committed");
    // Who told it led no more.
    assert_eq!(judged(&[&[leads(3), committed(4, 3), leads(4)], &twice[..]].concat()), [""; 0]);
    let known_late = [leads(3), committed(4, 3), settled(9), leads(4), settled(9)];
    assert_eq!(judged(&known_late), [""; 0]);
}

#[test]
fn two_owners_of_a_partition_are_found() {
    let owned = |other: Vec<i32>| Event::Owned {
        group: 0,
        members: vec![("a".to_owned(), vec![0, 1]), ("b".to_owned(), other)],
    };
    assert_eq!(judged(&[owned(vec![2])]), [""; 0]);
    one(&[owned(vec![1])], "owners");
}

#[test]
fn an_offset_that_holds_nothing_is_a_hole() {
    one(&with(read(Reader::Judge, 3, 4)), "holes");
    one(&with(read(Reader::Stranger, 1, 1)), "holes");
    one(&with(read(Reader::Judge, 2, 2)), "holes");
    // Who knows nothing reads it all again.
    let mut again = right();
    again.extend((0..3).map(|number| read(Reader::Stranger, number, number.try_into().unwrap())));
    assert_eq!(judged(&again), [""; 0]);
}

#[test]
fn two_leaders_in_an_epoch_are_found() {
    let leads = |epoch, broker| Event::Leads { partition: 0, epoch, broker };
    assert_eq!(judged(&[leads(3, 1), leads(4, 2), leads(3, 1)]), [""; 0]);
    one(&[leads(3, 1), leads(4, 2), leads(3, 2)], "leaders");
}

/// A replica's folder with batches of one record each, whose values are these.
fn replica(values: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for (offset, value) in (0_i64..).zip(values) {
        let mut builder = BatchBuilder::new(100);
        builder.push(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
        let mut batch = builder.seal(Seal::default()).unwrap().to_vec();
        // The base offset lies before what the checksum covers.
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        bytes.extend(batch);
    }
    std::fs::write(folder.path().join("00000000000000000000.log"), bytes).unwrap();
    folder
}

#[test]
fn replicas_that_differ_are_found_in_what_is_committed_alone() {
    let compared = |one: &[&str], other: &[&str], end| {
        let folders = [replica(one), replica(other)];
        let paths = folders.each_ref().map(|folder| folder.path().to_owned());
        let mut replicas = Replicas::default();
        replicas.compare(0, &paths, end).map(|()| replicas.bytes)
    };
    assert!(compared(&["a", "b", "c"], &["a", "b", "c"], 3).unwrap() > 0);
    assert!(compared(&["a", "b", "c"], &["a", "b"], 2).is_ok(), "one is behind in what is not committed");
    assert!(compared(&["a", "b", "c"], &["a", "b"], 3).is_err(), "one lacks a record");
    assert!(compared(&["a", "b", "c"], &["a", "x", "c"], 3).is_err(), "one has another record");
    assert!(compared(&["a", "b", "c"], &["a", "x", "c"], 1).is_ok());
}

#[test]
fn a_copy_that_is_made_anew_is_compared_from_its_beginning() {
    let [one, equal, other] =
        [replica(&["a", "b", "c"]), replica(&["a", "b", "c"]), replica(&["x", "b", "c"])];
    let [one, equal, other] = [one.path(), equal.path(), other.path()].map(std::path::Path::to_owned);
    let mut replicas = Replicas::default();
    replicas.compare(0, &[one.clone(), equal], 2).unwrap();
    let paths = [one, other];
    assert!(replicas.compare(0, &paths, 3).is_ok(), "only what is new is compared");
    replicas.compare_all();
    assert!(replicas.compare(0, &paths, 3).is_err());
}
