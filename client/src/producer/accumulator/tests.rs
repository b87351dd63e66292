mod numbering;
mod placing;

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::Config;
use crate::metadata::Leader;
use crate::producer::Delivery;
use crate::producer::parcel::{Body, Outcome, Parcel};
use crate::producer::request::{self, Settings};
use crate::protocol::Uuid;
use crate::protocol::records::{Batch, Compression};

pub(super) const KIB: usize = 1024;
pub(super) const MS: Duration = Duration::from_millis(1);

/// A clock that stands still until it is moved.
pub(super) struct Hand(Cell<Instant>);

impl Hand {
    #[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
    pub(super) fn new() -> Self {
        Self(Cell::new(Instant::now()))
    }

    pub(super) fn now(&self) -> Instant {
        self.0.get()
    }

    pub(super) fn pass(&self, time: Duration) {
        self.0.set(self.now() + time);
    }
}

impl Clock for Hand {
    fn instant(&self) -> Instant {
        self.now()
    }

    fn unix_ms(&self) -> i64 {
        1_700_000_000_000
    }
}

fn limits() -> Limits {
    Limits {
        batch_size: KIB,
        linger: None,
        memory: 64 * KIB,
        record_max: 8 * KIB,
        request_max: 64 * KIB,
        in_flight: 5,
        partition_in_flight: 5,
        delivery_timeout: Duration::from_secs(120),
        retries: u32::MAX,
        retry: Backoff { base: 100 * MS, max: Duration::from_secs(1) },
        partitioner: Choice::new(&Config::default()),
        adaptive: true,
        must_be_numbered: false,
    }
}

fn topic(partitions: usize) -> Topic {
    Topic {
        id: Uuid::ZERO,
        partitions: vec![Leader { broker: Some(1), epoch: 0 }; partitions],
        replicas: vec![],
    }
}

fn fresh(limits: Limits, identity: Identity, partitions: usize) -> Accumulator {
    let mut acc = Accumulator::new(limits, identity);
    acc.add_topic("t", &topic(partitions), 0);
    acc.on_broker(1, true);
    acc
}

const KNOWN: Identity = Identity::Known { id: 7, epoch: 0 };

/// One whose brokers know the producer already.
fn accumulator(limits: Limits, identity: Identity, partitions: usize) -> Accumulator {
    let mut acc = fresh(limits, identity, partitions);
    acc.topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|queue| queue.is_known = true);
    acc
}

fn push(acc: &mut Accumulator, hand: &Hand, value: &str) -> Pushed<Arc<BatchResult>> {
    acc.push(&Record::to("t").value(value), hand, Arc::clone).expect("there is room")
}

/// The only batch of the only request.
fn only(plan: Plan) -> Parcel {
    let [(1, parcels)]: [_; 1] = plan.requests.try_into().expect("one request") else { panic!("broker 1") };
    let [parcel]: [_; 1] = parcels.try_into().expect("one batch");
    parcel
}

fn sealed(parcel: &mut Parcel) -> Batch {
    let settings = Settings { acks: -1, timeout_ms: 0, compression: Compression::None, level: None };
    let mut bytes = request::seal(parcel, &settings).expect("it can be sealed");
    Batch::split(&mut bytes).expect("it is a batch").expect("it is there")
}

fn values(parcel: &mut Parcel) -> Vec<String> {
    let records = sealed(parcel).records(usize::MAX).expect("it is readable");
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    records.iter().map(|record| text(record.expect("it is readable").value)).collect()
}

fn written(offset: i64) -> Outcome {
    Outcome::Written(Written { base_offset: Some(offset), append_time_ms: None })
}

fn refused(code: ErrorCode) -> Outcome {
    Outcome::Refused { code, message: None, broker: "1".to_owned() }
}

fn land(acc: &mut Accumulator, parcel: Parcel, outcome: Outcome, hand: &Hand) {
    acc.request_done(1);
    acc.landed(parcel, outcome, hand.now(), 0.5);
}

#[test]
fn records_leave_in_the_order_in_which_they_came() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    let value = |n: usize| format!("{n:0>100}");
    for n in 0..20 {
        push(&mut acc, &hand, &value(n));
    }
    acc.flush();
    let plan = acc.plan(hand.now());
    let mut got = Vec::new();
    for (_, parcels) in plan.requests {
        for mut parcel in parcels {
            got.extend(values(&mut parcel));
        }
    }
    assert_eq!(got, (0..20).map(value).collect::<Vec<_>>());
}

#[test]
fn an_idle_broker_gets_the_first_record_at_once_and_a_busy_one_five_milliseconds_later() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    assert!(push(&mut acc, &hand, "a").wake);
    let first = only(acc.plan(hand.now()));
    assert!(push(&mut acc, &hand, "b").wake);
    let plan = acc.plan(hand.now());
    assert!(plan.requests.is_empty());
    assert_eq!(plan.deadline, Some(hand.now() + 5 * MS));
    hand.pass(5 * MS);
    assert_eq!(only(acc.plan(hand.now())).count, 1);
    land(&mut acc, first, written(0), &hand);
}

#[test]
fn a_linger_that_was_set_holds_even_for_an_idle_broker_unless_the_batch_is_full() {
    let (mut acc, hand) = (accumulator(Limits { linger: Some(20 * MS), ..limits() }, KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    assert_eq!(acc.plan(hand.now()).deadline, Some(hand.now() + 20 * MS));
    let long = "x".repeat(600);
    assert!(!push(&mut acc, &hand, &long).wake, "nothing is due yet");
    assert!(push(&mut acc, &hand, &long).wake, "the first batch is full");
    assert_eq!(only(acc.plan(hand.now())).count, 2);
    hand.pass(20 * MS);
    assert_eq!(only(acc.plan(hand.now())).count, 1);
}

#[test]
fn a_broker_that_throttles_is_left_in_peace_for_as_long_as_it_said() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    acc.on_throttled(1, hand.now() + 200 * MS);
    land(&mut acc, first, written(0), &hand);
    push(&mut acc, &hand, "b");
    let plan = acc.plan(hand.now());
    assert_eq!((plan.requests.len(), plan.deadline), (0, Some(hand.now() + 200 * MS)));
    hand.pass(200 * MS);
    assert_eq!(only(acc.plan(hand.now())).count, 1);
}

#[test]
fn the_sender_is_woken_once_until_it_has_looked() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 2), Hand::new());
    let to = |partition| Record::to("t").partition(partition).value("v");
    assert!(acc.push(&to(0), &hand, Arc::clone).unwrap().wake);
    assert!(!acc.push(&to(1), &hand, Arc::clone).unwrap().wake);
    assert!(!acc.push(&to(0), &hand, Arc::clone).unwrap().wake);
}

#[test]
fn memory_is_bounded_and_comes_back_with_the_acknowledgement() {
    let (mut acc, hand) = (accumulator(Limits { memory: 2 * KIB, ..limits() }, KNOWN, 1), Hand::new());
    let long = "x".repeat(900);
    push(&mut acc, &hand, &long);
    push(&mut acc, &hand, &long);
    assert!(matches!(acc.push(&Record::to("t").value(&long), &hand, Arc::clone), Err(Refused::Full)));
    let plan = acc.plan(hand.now());
    let parcels: Vec<_> = plan.requests.into_iter().flat_map(|(_, parcels)| parcels).collect();
    assert_eq!(parcels.len(), 2, "nothing lingers while somebody waits for memory");
    for parcel in parcels {
        land(&mut acc, parcel, written(0), &hand);
    }
    assert_eq!(acc.used, 0);
    push(&mut acc, &hand, &long);
}

#[test]
fn a_record_that_can_never_be_taken_is_refused_at_once() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    let refused = |acc: &mut Accumulator, record: Record<'_>| match acc.push(&record, &hand, Arc::clone) {
        Err(Refused::Never(e)) => e.kind(),
        other => panic!("{other:?}"),
    };
    let huge = "x".repeat(9 * KIB);
    assert_eq!(refused(&mut acc, Record::to("t").value(&huge)), ErrorKind::TooLarge);
    assert_eq!(refused(&mut acc, Record::to("t").partition(3)), ErrorKind::UnknownPartition);
    assert_eq!(refused(&mut acc, Record::to("t").partition(-1)), ErrorKind::UnknownPartition);
    assert!(matches!(acc.push(&Record::to("other"), &hand, Arc::clone), Err(Refused::NoMetadata)));
}

#[test]
fn a_batch_that_failed_goes_again_before_any_later_one_and_alone() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let mut first = only(acc.plan(hand.now()));
    sealed(&mut first);
    push(&mut acc, &hand, "b");
    acc.flush();
    let mut second = only(acc.plan(hand.now()));
    assert_eq!(sealed(&mut second).header().base_sequence, 1);
    push(&mut acc, &hand, "c");
    acc.flush();
    land(&mut acc, first, refused(ErrorCode::NOT_ENOUGH_REPLICAS), &hand);
    hand.pass(Duration::from_secs(1));
    assert!(acc.plan(hand.now()).requests.is_empty(), "the second is still under way");
    land(&mut acc, second, refused(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), &hand);
    hand.pass(Duration::from_secs(1));
    let mut again = only(acc.plan(hand.now()));
    assert_eq!((values(&mut again), sealed(&mut again).header().base_sequence), (vec!["a".into()], 0));
    land(&mut acc, again, written(0), &hand);
    let parcels = acc.plan(hand.now()).requests.into_iter().flat_map(|(_, parcels)| parcels);
    let numbered = parcels.map(|mut p| (values(&mut p).concat(), sealed(&mut p).header().base_sequence));
    assert_eq!(numbered.collect::<Vec<_>>(), [("b".to_owned(), 1), ("c".to_owned(), 2)]);
}

fn lost() -> Outcome {
    Outcome::Lost { error: Error::new(ErrorKind::Disconnected, "gone"), sent: true }
}

#[test]
fn a_leader_that_a_refusal_names_is_asked_at_once() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    acc.on_broker(2, true);
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    land(&mut acc, first, refused(ErrorCode::NOT_LEADER_OR_FOLLOWER), &hand);
    assert!(acc.plan(hand.now()).refresh, "nobody is named");
    acc.on_moved("t", 0, 2);
    let plan = acc.plan(hand.now());
    assert!(!plan.refresh);
    assert_eq!(plan.requests.iter().map(|(broker, _)| *broker).collect::<Vec<_>>(), [2]);
}

#[test]
fn what_waits_longer_than_the_delivery_timeout_fails_with_the_last_cause() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    acc.on_unreachable(1, &Error::new(ErrorKind::Unreachable, "no way"), hand.now(), 0.5);
    assert!(acc.plan(hand.now()).refresh);
    hand.pass(Duration::from_secs(120));
    acc.plan(hand.now());
    let error = acc.report().first_error.expect("it failed");
    assert_eq!(
        (error.kind(), error.cause(), error.possibly_written()),
        (ErrorKind::Timeout, Some("no way"), false)
    );
    assert_eq!(error.context().topic_partition, Some(crate::TopicPartition::new("t", 0)));
}

#[test]
fn a_lost_answer_leaves_open_whether_the_record_is_written() {
    let (mut acc, hand) = (accumulator(Limits { retries: 0, ..limits() }, Identity::Off, 1), Hand::new());
    push(&mut acc, &hand, "a");
    let parcel = only(acc.plan(hand.now()));
    let error = Error::new(ErrorKind::Disconnected, "gone");
    land(&mut acc, parcel, Outcome::Lost { error, sent: true }, &hand);
    assert!(acc.report().first_error.expect("it failed").possibly_written());
}

#[test]
fn a_batch_too_large_for_its_topic_is_halved_and_every_record_finds_its_offset() {
    for code in [ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::RECORD_LIST_TOO_LARGE] {
        let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
        let pushed: Vec<Pushed<_>> = (0..3).map(|n| push(&mut acc, &hand, &format!("{n}"))).collect();
        let mut deliveries: Vec<Delivery> =
            pushed.into_iter().map(|p| Delivery::new(p.batch, p.index, p.timestamp_ms)).collect();
        let mut whole = only(acc.plan(hand.now()));
        sealed(&mut whole);
        land(&mut acc, whole, refused(code), &hand);
        for (count, sequence) in [(1, 0), (2, 1)] {
            let mut half = only(acc.plan(hand.now()));
            assert_eq!((half.count, sealed(&mut half).header().base_sequence), (count, sequence));
            assert!(matches!(half.body, Body::Sealed(..)));
            assert!(!acc.is_finished(1));
            land(&mut acc, half, written(100 + i64::from(sequence)), &hand);
        }
        assert!(acc.is_finished(1));
        acc.take_finished().into_iter().for_each(|done| done.batch.complete(done.result));
        let mut cx = Context::from_waker(Waker::noop());
        let offsets: Vec<_> = deliveries
            .iter_mut()
            .map(|delivery| match std::pin::Pin::new(delivery).poll(&mut cx) {
                Poll::Ready(Ok(ack)) => ack.offset,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(offsets, [Some(100), Some(101), Some(102)]);
    }
}

#[test]
fn both_halves_of_a_batch_with_a_lost_attempt_may_be_written() {
    let (mut acc, hand) = (accumulator(Limits { retries: 1, ..limits() }, Identity::Off, 1), Hand::new());
    push(&mut acc, &hand, "a");
    push(&mut acc, &hand, "b");
    let mut whole = only(acc.plan(hand.now()));
    sealed(&mut whole);
    land(&mut acc, whole, lost(), &hand);
    acc.add_topic("t", &topic(1), 0);
    hand.pass(Duration::from_secs(1));
    let whole = only(acc.plan(hand.now()));
    land(&mut acc, whole, refused(ErrorCode::MESSAGE_TOO_LARGE), &hand);
    for _ in 0..2 {
        let half = only(acc.plan(hand.now()));
        land(&mut acc, half, refused(ErrorCode::INVALID_RECORD), &hand);
        let error = acc.report().first_error.expect("it failed");
        assert!(error.possibly_written(), "the limit may have been another when the lost attempt arrived");
    }
}

#[test]
fn a_leader_in_doubt_is_asked_for_before_more_is_sent() {
    let (mut acc, hand) = (accumulator(limits(), Identity::Off, 1), Hand::new());
    acc.doubt_leader(2);
    push(&mut acc, &hand, "a");
    let first = only(acc.plan(hand.now()));
    land(&mut acc, first, written(0), &hand);
    acc.doubt_leader(1);
    push(&mut acc, &hand, "b");
    let plan = acc.plan(hand.now());
    assert!(plan.refresh && plan.requests.is_empty());
}

#[test]
fn what_holds_records_up_is_known_with_the_name_of_the_broker_until_it_is_over() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    assert_eq!(acc.trouble(), None);
    let parcel = only(acc.plan(hand.now()));
    let code = ErrorCode::NOT_ENOUGH_REPLICAS;
    land(&mut acc, parcel, Outcome::Refused { code, message: None, broker: "1 (b:9)".to_owned() }, &hand);
    let trouble = acc.trouble().expect("it was refused");
    assert!(trouble.starts_with("broker 1 (b:9): ") && trouble.contains(code.message()), "{trouble}");
    hand.pass(Duration::from_secs(1));
    let parcel = only(acc.plan(hand.now()));
    land(&mut acc, parcel, written(0), &hand);
    push(&mut acc, &hand, "b");
    assert_eq!(acc.trouble(), None);
    acc.on_no_identity(Error::new(ErrorKind::Unreachable, "no way"));
    assert_eq!(acc.trouble().as_deref(), Some("no way"));
    acc.on_identity(KNOWN);
    assert_eq!(acc.trouble(), None);
}

#[test]
fn one_broker_gets_one_request_with_a_batch_of_each_partition() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 3), Hand::new());
    for partition in 0..3 {
        acc.push(&Record::to("t").partition(partition).value("v"), &hand, Arc::clone).unwrap();
    }
    let plan = acc.plan(hand.now());
    assert_eq!(plan.requests.len(), 1);
    assert_eq!(plan.requests[0].1.len(), 3);
}

#[test]
fn a_topic_that_stays_away_is_given_up_after_some_rounds() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 1), Hand::new());
    push(&mut acc, &hand, "a");
    for _ in 0..MISSING_MAX {
        acc.on_cluster(&Cluster::default(), hand.now());
    }
    assert_eq!(acc.report().first_error.expect("it failed").kind(), ErrorKind::UnknownTopic);
    assert!(acc.is_finished(u64::MAX));
}
