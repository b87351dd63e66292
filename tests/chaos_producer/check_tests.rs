//! The judge is judged: logs that are wrong by hand, each with its one fault.

use crate::check::{Fate, Found, Order, Place, Sent, Summary, Violation, check};

/// Records 0 to 5 in turn to partitions 0 and 1; 4 failed and may be written, 5 failed and is not.
fn sent() -> Vec<Sent> {
    let acked = |partition, offset| Sent {
        wanted: Some(partition),
        fate: Fate::Acked { partition, offset: Some(offset) },
    };
    let failed =
        |wanted, possibly_written| Sent { wanted: Some(wanted), fate: Fate::Failed { possibly_written } };
    vec![acked(0, 0), acked(1, 0), acked(0, 1), acked(1, 1), failed(0, true), failed(1, false)]
}

/// One list of record numbers a partition, at offsets from 0 on.
fn log(partitions: [&[usize]; 2]) -> Vec<Vec<Found>> {
    let list = |numbers: &[usize]| {
        (0..).zip(numbers).map(|(offset, number)| Found { offset, number: *number }).collect()
    };
    partitions.map(list).to_vec()
}

fn violations(sent: &[Sent], log: &[Vec<Found>]) -> Vec<Violation> {
    check(sent, log, Order::Kept).expect_err("the log is wrong")
}

#[test]
fn a_log_that_is_right_is_counted() {
    let summary = Summary { acked: 4, doubtful_there: 1, doubtful_missing: 0, denied: 1 };
    assert_eq!(check(&sent(), &log([&[0, 2, 4], &[1, 3]]), Order::Kept), Ok(summary));
    let summary = Summary { acked: 4, doubtful_there: 0, doubtful_missing: 1, denied: 1 };
    assert_eq!(check(&sent(), &log([&[0, 2], &[1, 3]]), Order::Kept), Ok(summary));
}

#[test]
fn an_acked_record_that_is_missing_is_lost() {
    assert_eq!(violations(&sent(), &log([&[0, 2], &[1]])), [Violation::Lost { number: 3 }]);
}

#[test]
fn a_record_that_is_there_twice_is_found_whether_it_was_acked_or_not() {
    let at = |offsets: [i64; 2]| offsets.map(|offset| Place { partition: 0, offset }).to_vec();
    let twice = |number, offsets| vec![Violation::Twice { number, at: at(offsets) }];
    assert_eq!(violations(&sent(), &log([&[0, 2, 2], &[1, 3]])), twice(2, [1, 2]));
    assert_eq!(violations(&sent(), &log([&[0, 2, 4, 4], &[1, 3]])), twice(4, [2, 3]));
}

#[test]
fn a_record_that_is_there_twice_in_two_partitions_is_found() {
    let found = violations(&sent(), &log([&[0, 2], &[1, 3, 0]]));
    assert!(matches!(found.as_slice(), [Violation::Twice { number: 0, .. }, ..]), "{found:?}");
}

#[test]
fn acked_records_in_the_wrong_order_are_swapped() {
    let swapped = Violation::Swapped { partition: 0, earlier: 0, later: 2 };
    let found = violations(&sent(), &log([&[2, 0], &[1, 3]]));
    assert!(found.contains(&swapped), "{found:?}");
    // Also where the acks agree with the log.
    let mut sent = sent();
    sent[0].fate = Fate::Acked { partition: 0, offset: None };
    sent[2].fate = Fate::Acked { partition: 0, offset: None };
    assert_eq!(violations(&sent, &log([&[2, 0], &[1, 3]])), [swapped]);
    assert!(check(&sent, &log([&[2, 0], &[1, 3]]), Order::Free).is_ok());
}

#[test]
fn a_record_that_is_said_not_to_be_written_and_is_there_is_denied() {
    let at = Place { partition: 1, offset: 2 };
    assert_eq!(violations(&sent(), &log([&[0, 2], &[1, 3, 5]])), [Violation::Denied { number: 5, at }]);
}

#[test]
fn an_ack_that_names_another_place_is_found() {
    let mut elsewhere = sent();
    elsewhere[3].fate = Fate::Acked { partition: 1, offset: Some(7) };
    let found = violations(&elsewhere, &log([&[0, 2], &[1, 3]]));
    assert!(matches!(found.as_slice(), [Violation::Elsewhere { number: 3, .. }]), "{found:?}");
    elsewhere[3] = Sent { wanted: Some(1), fate: Fate::Acked { partition: 0, offset: Some(2) } };
    let found = violations(&elsewhere, &log([&[0, 2, 3], &[1]]));
    assert!(matches!(found.as_slice(), [Violation::Elsewhere { number: 3, .. }]), "{found:?}");
}

#[test]
fn a_failed_record_in_a_partition_it_was_not_meant_for_is_found() {
    let found = violations(&sent(), &log([&[0, 2], &[1, 3, 4]]));
    assert!(matches!(found.as_slice(), [Violation::Elsewhere { number: 4, .. }]), "{found:?}");
}

#[test]
fn a_record_nobody_sent_is_a_stranger() {
    let at = Place { partition: 1, offset: 2 };
    assert_eq!(violations(&sent(), &log([&[0, 2], &[1, 3, 99]])), [Violation::Stranger(at)]);
}
