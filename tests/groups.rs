//! Groups of our consumer at `kbroker`: who reads what, and where each goes on.

#[path = "groups/fixture.rs"]
mod fixture;
#[path = "groups/parallel.rs"]
mod parallel;
#[path = "groups/racks.rs"]
mod racks;
#[path = "groups/streams.rs"]
mod streams;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fixture::{LIMIT, Site, numbers, read, read_until, soon};
use kinglet::{
    Assignment, Consumer, OffsetAndMetadata, Position, RebalanceListener, Subscription, TopicPartition,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_three_partitions_and_read_every_record_once() {
    let site = Site::start();
    site.create("t", 3).await;
    let first = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    soon("the first has all", || first.assignment().len() == 3).await;
    let second = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    let got = Mutex::new(Vec::new());
    let reading = async |consumer: &Consumer| loop {
        // The first gives up when it asks for more: that is when it is done with what it has.
        let more = read(consumer, 1).await;
        got.lock().expect("no test panics while it writes").extend(more);
    };
    let sending = async {
        for number in 0..600 {
            site.send("t", number..number + 1).await;
        }
        soon("both have a share", || first.assignment().len() + second.assignment().len() == 3).await;
        soon("all have come", || got.lock().expect("no test panics while it writes").len() >= 600).await;
    };
    tokio::select! {
        () = reading(&first) => {}
        () = reading(&second) => {}
        () = sending => {}
    }
    assert!(!first.assignment().is_empty() && !second.assignment().is_empty());
    let mut got = got.into_inner().expect("no test panics while it writes");
    got.sort_unstable();
    assert_eq!(got, (0..600).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_group_gets_everything_and_goes_on_where_it_left_off() {
    let site = Site::start();
    site.create("t", 3).await;
    site.send("t", 0..100).await;
    for group in ["a", "b"] {
        let consumer = site.member(group, &[]).await.consumer(["t"]).await.expect("it joins");
        assert_eq!(read_until(&consumer, 100).await, (0..100).collect(), "{group}");
        consumer.close().await;
    }
    site.send("t", 100..150).await;
    // Where a group begins without an offset is of no account for one that has them.
    let again =
        site.member("a", &[("auto.offset.reset", "latest")]).await.consumer(["t"]).await.expect("it joins");
    assert_eq!(read_until(&again, 50).await, (100..150).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_auto_commit_a_group_goes_on_where_it_committed_and_nowhere_else() {
    let site = Site::start();
    site.create("t", 1).await;
    site.send("t", 0..100).await;
    let manual = [("enable.auto.commit", "false")];
    let consumer = site.member("g", &manual).await.consumer(["t"]).await.expect("it joins");
    read_until(&consumer, 100).await;
    consumer.close().await;

    let consumer = site.member("g", &manual).await.consumer(["t"]).await.expect("it joins");
    let batch = consumer.recv().await.expect("no trouble").expect("it is open");
    assert_eq!(batch.iter().next().map(|record| record.offset), Some(0), "nothing was committed");
    batch.done_through(39);
    consumer.commit().await.expect("it is the member");
    let at = TopicPartition::new("t", 0);
    let offset = OffsetAndMetadata { metadata: "mine".into(), ..OffsetAndMetadata::from(40) };
    consumer.commit_offsets([(at.clone(), offset.clone())]).await.expect("it is the member");
    let committed = consumer.committed(std::slice::from_ref(&at)).await.expect("the coordinator is there");
    assert_eq!(committed, [(at, Some(offset))]);
    consumer.close().await;

    let consumer = site.member("g", &manual).await.consumer(["t"]).await.expect("it joins");
    assert_eq!(read_until(&consumer, 60).await, (40..100).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_partitions_are_committed_by_hand_and_by_themselves_and_nobody_joins() {
    let site = Site::start();
    site.create("t", 2).await;
    site.send("t", 0..100).await;
    for (group, auto) in [("hand", "false"), ("auto", "true")] {
        let settings = [("enable.auto.commit", auto)];
        let all = || Assignment::topics(["t"], Position::Committed);
        let consumer = site.member(group, &settings).await.consumer(all()).await.expect("it is there");
        read_until(&consumer, 100).await;
        if auto == "false" {
            consumer.commit().await.expect("no member is needed");
        }
        let identity = consumer.group().expect("it has a group");
        assert_eq!((identity.generation, identity.member_id.as_str()), (-1, ""));
        consumer.close().await;
        let again = site.member(group, &settings).await.consumer(all()).await.expect("it is there");
        site.send("t", 100..110).await;
        assert_eq!(read_until(&again, 10).await, (100..110).collect(), "{group}");
        again.close().await;
        site.delete("t").await;
        site.create("t", 2).await;
        site.send("t", 0..100).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_leaves_goes_to_the_others_at_once_and_what_a_dead_one_leaves_after_its_session() {
    let site = Site::start();
    site.create("t", 4).await;
    let stays = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    for how in ["closed", "dropped", "dead"] {
        // In a runtime of its own, whose end is the end of a process as far as the group can see.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let config = site.config("g", &[]);
        let goes = runtime.spawn(async move {
            let client = kinglet::Client::connect(config).await.expect("kbroker is there");
            client.consumer(["t"]).await.expect("it joins")
        });
        let goes = goes.await.expect("it runs");
        let share = || stays.assignment().len() == 2 && goes.assignment().len() == 2;
        soon("they share", share).await;
        match how {
            "closed" => runtime.spawn(async move { goes.close().await }).await.expect("it closes"),
            "dropped" => drop(goes),
            _ => {
                runtime.shutdown_background();
                soon(how, || stays.assignment().len() == 4).await;
                return;
            }
        }
        soon(how, || stays.assignment().len() == 4).await;
        runtime.shutdown_background();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_is_killed_is_found_again_and_no_record_is_left_out() {
    let mut site = Site::start();
    site.create("t", 3).await;
    site.send("t", 0..100).await;
    let consumer =
        site.member("g", &[("auto.commit.interval.ms", "10")]).await.consumer(["t"]).await.expect("it joins");
    assert_eq!(read_until(&consumer, 100).await, (0..100).collect());
    site.restart();
    site.send("t", 100..200).await;
    assert_eq!(read_until(&consumer, 100).await, (100..200).collect());
    consumer.close().await;
    let again = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    site.send("t", 200..210).await;
    assert_eq!(read_until(&again, 10).await, (200..210).collect(), "the offsets were kept");
}

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, partitions: &[TopicPartition]) {
        let numbers: BTreeSet<_> = partitions.iter().map(|at| at.partition).collect();
        self.0.lock().expect("no test panics while it writes").push(format!("{what} {numbers:?}"));
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics while it writes").clone()
    }
}

impl RebalanceListener for Diary {
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.note("assigned", partitions);
    }

    async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition], _: Duration) {
        consumer.commit().await.expect("commits count until the partitions are gone");
        self.note("revoked", partitions);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cooperative_members_give_up_only_what_moves_and_eager_ones_everything() {
    for (strategy, given_up) in [("cooperative-sticky", "revoked {3}"), ("range", "revoked {0, 1, 2, 3}")] {
        let site = Site::start();
        site.create("t", 4).await;
        let diary = Diary::default();
        let settings = [("partition.assignment.strategy", strategy)];
        let config = site.config("g", &settings).rebalance_listener(diary.clone());
        let first = kinglet::Client::connect(config)
            .await
            .expect("kbroker is there")
            .consumer(["t"])
            .await
            .expect("it joins");
        soon("all are the first's", || first.assignment().len() == 4).await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(site.member("g", &settings).await.consumer(["t"]).await.expect("it joins"));
            if others.len() == 1 {
                let shared = || {
                    first.assignment().len() == 2 && others.iter().all(|other| other.assignment().len() == 2)
                };
                soon("two have two each", shared).await;
                let lines = diary.lines();
                assert!(lines.len() >= 2 && lines[0] == "assigned {0, 1, 2, 3}", "{lines:?}");
                let was: Vec<_> = lines.iter().filter(|line| line.starts_with("revoked")).collect();
                let eager = given_up.contains("0, 1, 2, 3");
                assert_eq!(
                    was.iter().any(|line| **line == "revoked {0, 1, 2, 3}"),
                    eager,
                    "{strategy}: {lines:?}"
                );
            }
        }
        let shared =
            || first.assignment().len() == 1 && others.iter().all(|other| other.assignment().len() == 1);
        soon("each has one", shared).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cooperative_members_that_come_and_go_handle_every_record_once() {
    let site = Site::start();
    site.create("t", 6).await;
    // Nothing is committed but what is given up: whoever keeps a partition must go on where it was, by itself.
    let settings =
        [("partition.assignment.strategy", "cooperative-sticky"), ("auto.commit.interval.ms", "3600000")];
    let join = async || site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    let got = Mutex::new(Vec::new());
    // Until it is closed.
    let reading = async |consumer: &Consumer| {
        while let Some(batch) = consumer.recv().await.expect("no trouble") {
            got.lock().expect("no test panics while it writes").extend(numbers(&batch));
        }
        std::future::pending::<()>().await;
    };
    let count = || got.lock().expect("no test panics while it writes").len();
    let first = join().await;
    soon("the first has all", || first.assignment().len() == 6).await;
    let (second, third) = (join().await, join().await);
    let each_has = |share: usize| [&first, &second, &third].iter().all(|c| c.assignment().len() == share);
    let sending = async {
        let mut sent = 0;
        while !each_has(2) {
            site.send("t", sent..sent + 10).await;
            sent += 10;
        }
        second.close().await;
        while first.assignment().len() + third.assignment().len() < 6 {
            site.send("t", sent..sent + 10).await;
            sent += 10;
        }
        soon("all have come", || count() >= usize::try_from(sent).expect("a small number")).await;
        sent
    };
    let sent = tokio::select! {
        () = reading(&first) => unreachable!("it reads on"),
        () = reading(&second) => unreachable!("it reads on, or waits"),
        () = reading(&third) => unreachable!("it reads on"),
        sent = sending => sent,
    };
    let mut got = got.into_inner().expect("no test panics while it writes");
    got.sort_unstable();
    let again: Vec<_> = got.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(again.is_empty(), "of {sent} handled again: {again:?}");
    assert_eq!(got, (0..sent).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_created_after_the_subscription_is_read_soon() {
    let site = Site::start();
    let settings = [("allow.auto.create.topics", "false")];
    let consumer = site.member("g", &settings).await.consumer(["late"]).await.expect("it joins");
    soon("it is a member", || consumer.group().is_some_and(|group| group.generation > 0)).await;
    site.create("late", 2).await;
    site.send("late", 0..20).await;
    assert_eq!(read_until(&consumer, 20).await, (0..20).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_partitions_are_read_even_if_the_leader_does_not_read_their_topic() {
    let site = Site::start();
    site.create("a", 1).await;
    site.create("b", 1).await;
    let settings = [("metadata.max.age.ms", "50")];
    let leader = site.member("g", &settings).await.consumer(["a"]).await.expect("it joins");
    soon("it leads", || leader.assignment().len() == 1).await;
    let other = site.member("g", &settings).await.consumer(["b"]).await.expect("it joins");
    soon("the other has its own", || other.assignment().len() == 1).await;
    site.grow("b", 3).await;
    soon("and what comes to it", || other.assignment().len() == 3).await;
    assert_eq!(leader.assignment().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_partition_has_a_consumer_of_its_own_that_ends_when_it_goes_to_another_member() {
    let site = Site::start();
    site.create("t", 2).await;
    let consumer = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    let next = async || consumer.next_partition().await.expect("no trouble").expect("it is open");
    let (mut one, mut two) = (next().await, next().await);
    assert_ne!(one.topic_partition(), two.topic_partition());
    site.send("t", 0..100).await;
    let mut got = BTreeSet::new();
    while got.len() < 100 {
        let batch = tokio::select! {
            batch = one.recv() => batch,
            batch = two.recv() => batch,
        };
        let batch = batch.expect("no trouble").expect("both are its own");
        for record in batch.iter() {
            let text = String::from_utf8_lossy(record.value.expect("it has one"));
            assert!(got.insert(text.parse::<u32>().expect("a number")), "{text} came twice");
        }
    }
    let other = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    // Eager members give up everything, and get their share anew.
    let ended = async { (one.recv().await, two.recv().await) };
    let (first, second) = tokio::time::timeout(LIMIT, ended).await.expect("both end");
    assert!(first.expect("no trouble").is_none() && second.expect("no trouble").is_none());
    let again = tokio::time::timeout(LIMIT, next()).await.expect("one comes back");
    soon("they share", || consumer.assignment().len() == 1 && other.assignment().len() == 1).await;
    assert_eq!(consumer.assignment(), [again.topic_partition().clone()]);
    site.send("t", 100..150).await;
    let mut again = again;
    let mut rest = 0;
    while rest == 0 {
        rest += again.recv().await.expect("no trouble").expect("it is its own").iter().count();
    }
    drop(again);
    // Dropped while it is assigned, it is offered again, so that nobody forgets it.
    tokio::time::timeout(LIMIT, next()).await.expect("it comes again");
    consumer.close().await;
    assert!(consumer.next_partition().await.expect("no trouble").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_comes_back_without_a_rebalance() {
    let site = Site::start();
    site.create("t", 2).await;
    let other = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    let settings = [("group.instance.id", "one")];
    let member = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    let shared = || member.assignment().len() == 1 && other.assignment().len() == 1;
    soon("they share", shared).await;
    let (before, mine) = (other.group(), member.assignment());
    member.close().await;
    let member = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    soon("it is back", || member.assignment() == mine).await;
    assert_eq!(other.group(), before, "nobody else noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_takes_topics_that_come_later() {
    let site = Site::start();
    site.create("log-a", 1).await;
    site.create("other", 1).await;
    let settings = [("metadata.max.age.ms", "50")];
    let consumer =
        site.member("g", &settings).await.consumer(Subscription::pattern("log-.*")).await.expect("it joins");
    soon("the first topic is read", || consumer.assignment().len() == 1).await;
    site.create("log-b", 2).await;
    soon("the second too", || consumer.assignment().len() == 3).await;
    assert!(consumer.assignment().iter().all(|at| at.topic.starts_with("log-")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_nothing_with_its_records_makes_way_and_may_come_back() {
    let site = Site::start();
    site.create("t", 2).await;
    site.send("t", 0..100).await;
    let settings = [("max.poll.interval.ms", "400"), ("heartbeat.interval.ms", "100")];
    let slow = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    slow.recv().await.expect("no trouble").expect("it is open");
    soon("it has left", || slow.assignment().is_empty()).await;
    let quick = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    assert_eq!(read_until(&quick, 100).await, (0..100).collect(), "nothing was committed by the slow one");
    quick.close().await;
    // Asking again is a sign of life.
    site.send("t", 100..110).await;
    assert_eq!(read_until(&slow, 10).await, (100..110).collect());
}
