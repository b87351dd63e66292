//! Which partition records without one of their own go to.

use super::*;

#[test]
fn records_without_a_key_stay_together_until_their_batch_leaves() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 3), Hand::new());
    push(&mut acc, &hand, "a");
    push(&mut acc, &hand, "b");
    let first = only(acc.plan(hand.now()));
    assert_eq!((first.slot.partition, first.count), (0, 2));
    land(&mut acc, first, written(0), &hand);
    push(&mut acc, &hand, "c");
    assert_eq!(only(acc.plan(hand.now())).slot.partition, 1);
}

#[test]
fn records_without_a_key_avoid_a_partition_without_a_leader() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 3), Hand::new());
    let mut leaderless = topic(3);
    leaderless.partitions[0].broker = None;
    acc.add_topic("t", &leaderless, 0);
    push(&mut acc, &hand, "a");
    push(&mut acc, &hand, "b");
    let batch = only(acc.plan(hand.now()));
    assert_eq!((batch.slot.partition, batch.count), (1, 2));
}

#[test]
fn records_without_a_key_leave_a_partition_whose_batch_was_given_up() {
    let (mut acc, hand) = (accumulator(limits(), KNOWN, 2), Hand::new());
    push(&mut acc, &hand, "a");
    // It has a leader, but nobody ever reaches it.
    acc.on_broker(1, false);
    hand.pass(Duration::from_secs(120));
    acc.plan(hand.now());
    assert_eq!(acc.report().failed, 1);
    acc.on_broker(1, true);
    push(&mut acc, &hand, "b");
    assert_eq!(only(acc.plan(hand.now())).slot.partition, 1);
}

#[test]
fn round_robin_gives_each_record_to_the_next_partition_with_or_without_a_key() {
    let round_robin = Config::default().set("partitioner.class", "RoundRobinPartitioner").unwrap();
    let limits = Limits { partitioner: Choice::new(&round_robin), ..limits() };
    let (mut acc, hand) = (accumulator(limits, KNOWN, 3), Hand::new());
    for key in ["a", "a", "b", "b", "b", "b"] {
        acc.push(&Record::to("t").key(key).value("v"), &hand, Arc::clone).expect("there is room");
    }
    let counts = acc.topics[0].partitions.iter().map(|queue| queue.open.as_ref().map(|o| o.builder.count()));
    assert_eq!(counts.collect::<Vec<_>>(), [Some(2); 3]);
}

#[test]
fn a_partitioner_of_the_users_own_chooses_and_may_choose_wrongly() {
    struct FirstByte;
    impl crate::Partitioner for FirstByte {
        fn partition(&self, record: &Record<'_>, topic: &TopicView<'_>) -> Option<i32> {
            assert_eq!((topic.name(), topic.partition_count(), topic.has_leader(2)), ("t", 3, true));
            Some(i32::from(*record.key?.first()?))
        }
    }
    let limits = Limits { partitioner: Choice::new(&Config::default().partitioner(FirstByte)), ..limits() };
    let (mut acc, hand) = (accumulator(limits, KNOWN, 3), Hand::new());
    let mut put = |key: &[u8]| acc.push(&Record::to("t").key(key).value("v"), &hand, Arc::clone);
    put(&[2]).expect("partition 2 is there");
    put(&[]).expect("it goes with the others");
    let Err(Refused::Never(error)) = put(&[3]) else { panic!("there is no partition 3") };
    assert_eq!(error.kind(), ErrorKind::UnknownPartition);
    let counts = acc.topics[0].partitions.iter().map(|queue| queue.open.as_ref().map(|o| o.builder.count()));
    assert_eq!(counts.collect::<Vec<_>>(), [Some(1), None, Some(1)]);
}
