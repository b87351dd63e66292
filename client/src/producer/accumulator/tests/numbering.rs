//! Sequence numbers, epochs and ids.

use super::*;

#[test]
fn nothing_follows_the_first_numbered_batch_of_a_partition_before_it_is_acked() {
    let (mut acc, hand) = (fresh(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    push(&mut acc, &hand, "b");
    acc.flush();
    assert!(acc.plan(hand.now()).requests.is_empty(), "a broker without state would take it as the first");
    land(&mut acc, first, refused(ErrorCode::NOT_ENOUGH_REPLICAS), &hand);
    hand.pass(Duration::from_secs(1));
    let mut again = only(acc.plan(hand.now()));
    assert_eq!((values(&mut again), sealed(&mut again).header().base_sequence), (vec!["a".into()], 0));
    land(&mut acc, again, written(0), &hand);
    let mut second = only(acc.plan(hand.now()));
    assert_eq!((values(&mut second), sealed(&mut second).header().base_sequence), (vec!["b".into()], 1));
}

#[test]
fn after_a_numbered_batch_is_given_up_all_number_anew_in_the_next_epoch() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    land(&mut acc, first, refused(ErrorCode::INVALID_RECORD), &hand);
    push(&mut acc, &hand, "b");
    let plan = acc.plan(hand.now());
    assert!(!plan.identify, "no broker is needed for that");
    let mut parcel = only(plan);
    let header = *sealed(&mut parcel).header();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 1, 0));
    assert_eq!(acc.report().failed, 1);
}

#[test]
fn behind_the_last_epoch_a_new_id_is_asked_for() {
    let last = Identity::Known { id: 7, epoch: i16::MAX };
    let (mut acc, hand) = (accumulator(limits(), last, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    land(&mut acc, first, refused(ErrorCode::INVALID_RECORD), &hand);
    push(&mut acc, &hand, "b");
    let plan = acc.plan(hand.now());
    assert!(plan.identify && plan.requests.is_empty());
}

/// Partition 0 has a batch that may be written, and partition 1 one that is given up, so that epoch 1 is taken.
fn with_an_uncertain_batch_of_the_last_epoch(hand: &Hand, outcome: Outcome) -> (Accumulator, Parcel) {
    let mut acc = accumulator(limits(), KNOWN, 2);
    for partition in 0..2 {
        acc.push(&Record::to("t").partition(partition).value("v"), hand, Arc::clone).expect("there is room");
    }
    let [(1, parcels)]: [_; 1] = acc.plan(hand.now()).requests.try_into().expect("one request") else {
        panic!("broker 1")
    };
    let [mut first, second]: [_; 2] = parcels.try_into().expect("a batch of each");
    sealed(&mut first);
    land(&mut acc, first, outcome, hand);
    land(&mut acc, second, refused(ErrorCode::INVALID_RECORD), hand);
    acc.push(&Record::to("t").partition(0).value("w"), hand, Arc::clone).expect("there is room");
    acc.add_topic("t", &topic(2), 0);
    hand.pass(Duration::from_secs(1));
    let again = only(acc.plan(hand.now()));
    (acc, again)
}

/// The values of a batch, its epoch and its number.
fn stamped(parcel: &mut Parcel) -> (String, i16, i32) {
    let header = *sealed(parcel).header();
    assert_eq!(header.producer_id, 7);
    (values(parcel).concat(), header.producer_epoch, header.base_sequence)
}

#[test]
fn a_batch_that_may_be_written_keeps_its_numbers_in_a_new_epoch() {
    let hand = Hand::new();
    let (mut acc, mut again) = with_an_uncertain_batch_of_the_last_epoch(&hand, lost());
    assert_eq!(stamped(&mut again), ("v".to_owned(), 0, 0), "else a broker that has it would write it twice");
    land(&mut acc, again, written(0), &hand);
    let mut next = only(acc.plan(hand.now()));
    assert_eq!(stamped(&mut next), ("w".to_owned(), 1, 0));
    acc.push(&Record::to("t").partition(0).value("x"), &hand, Arc::clone).expect("there is room");
    acc.flush();
    assert!(acc.plan(hand.now()).requests.is_empty(), "the broker has acked nothing of the new epoch yet");
    land(&mut acc, next, written(1), &hand);
    assert_eq!(stamped(&mut only(acc.plan(hand.now()))), ("x".to_owned(), 1, 1));
}

#[test]
fn a_batch_out_of_order_in_an_old_epoch_is_not_written_and_goes_on_in_the_new_one() {
    let hand = Hand::new();
    let appended = refused(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    let (mut acc, again) = with_an_uncertain_batch_of_the_last_epoch(&hand, appended);
    land(&mut acc, again, refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), &hand);
    hand.pass(Duration::from_secs(1));
    let mut again = only(acc.plan(hand.now()));
    assert_eq!(stamped(&mut again), ("v".to_owned(), 1, 0));
    land(&mut acc, again, written(0), &hand);
    assert_eq!(stamped(&mut only(acc.plan(hand.now()))), ("w".to_owned(), 1, 1));
}

#[test]
fn a_batch_out_of_order_whose_first_request_may_still_be_worked_off_fails_as_possibly_written() {
    let hand = Hand::new();
    let (mut acc, again) = with_an_uncertain_batch_of_the_last_epoch(&hand, lost());
    acc.report();
    land(&mut acc, again, refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), &hand);
    assert!(acc.report().first_error.expect("it failed").possibly_written());
}

#[test]
fn what_a_broker_remembers_is_never_exceeded_behind_a_batch_that_failed() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    let send = |acc: &mut Accumulator, value: &str| {
        push(acc, &hand, value);
        acc.flush();
        acc.plan(hand.now())
    };
    let first = only(send(&mut acc, "0"));
    let behind: Vec<Parcel> = ["1", "2", "3"].map(|value| only(send(&mut acc, value))).into();
    land(&mut acc, first, refused(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), &hand);
    for (offset, parcel) in (1..).zip(behind) {
        land(&mut acc, parcel, written(offset), &hand);
    }
    hand.pass(Duration::from_secs(1));
    let again = only(acc.plan(hand.now()));
    only(send(&mut acc, "4"));
    assert!(send(&mut acc, "5").requests.is_empty(), "behind five others the first would be taken for new");
    land(&mut acc, again, written(0), &hand);
    only(acc.plan(hand.now()));
}

#[test]
fn nothing_is_sent_beside_a_batch_of_an_old_epoch() {
    let hand = Hand::new();
    let appended = refused(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    let (mut acc, again) = with_an_uncertain_batch_of_the_last_epoch(&hand, appended);
    acc.topics[0].partitions[0].is_known = true;
    acc.flush();
    assert!(acc.plan(hand.now()).requests.is_empty(), "it would be in front, should the first be refused");
    land(&mut acc, again, written(0), &hand);
    only(acc.plan(hand.now()));
}

#[test]
fn a_batch_whose_old_id_is_forgotten_fails_as_nobody_knows_whether_it_is_written() {
    let hand = Hand::new();
    let (mut acc, again) = with_an_uncertain_batch_of_the_last_epoch(&hand, lost());
    acc.report();
    land(&mut acc, again, refused(ErrorCode::UNKNOWN_PRODUCER_ID), &hand);
    assert!(acc.report().first_error.expect("it failed").possibly_written());
    assert_eq!(stamped(&mut only(acc.plan(hand.now()))), ("w".to_owned(), 1, 0), "the new epoch goes on");
}

#[test]
fn a_batch_refused_after_it_was_appended_keeps_its_numbers_under_a_new_id() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let mut first = only(acc.plan(hand.now()));
    sealed(&mut first);
    land(&mut acc, first, refused(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND), &hand);
    acc.on_identity(Identity::Known { id: 8, epoch: 0 });
    hand.pass(Duration::from_secs(1));
    assert_eq!(stamped(&mut only(acc.plan(hand.now()))), ("a".to_owned(), 0, 0));
}

#[test]
fn a_topic_in_an_old_format_gets_its_batches_without_numbers_unless_they_are_a_must() {
    let code = ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT;
    for must_be_numbered in [false, true] {
        let hand = Hand::new();
        let mut acc = accumulator(Limits { must_be_numbered, ..limits() }, KNOWN, 1);
        let result = push(&mut acc, &hand, "a").batch;
        let parcel = only(acc.plan(hand.now()));
        assert!(parcel.stamp.is_some());
        land(&mut acc, parcel, refused(code), &hand);
        assert_eq!(acc.is_finished(u64::MAX), must_be_numbered);
        if !must_be_numbered {
            hand.pass(Duration::from_secs(1));
            let again = only(acc.plan(hand.now()));
            assert_eq!(again.stamp, None);
            land(&mut acc, again, written(5), &hand);
            assert!(acc.is_finished(u64::MAX));
        }
        drop(result);
    }
}
