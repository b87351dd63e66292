//! Many records at a time by `for_each_parallel`: in order by key, tried again, given up, and none lost whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinglet::{Client, ConsumerRecord, Order, Parallel, ParallelError, Record, TopicPartition};
use tokio::sync::{Notify, oneshot};

use super::fixture::{LIMIT, Site, soon};

/// What was handled: numbers, in the order in which they were.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u32>>>);

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, record: &ConsumerRecord) {
        self.lock().push(number(record));
    }

    fn set(&self) -> BTreeSet<u32> {
        self.lock().iter().copied().collect()
    }
}

fn number(record: &ConsumerRecord) -> u32 {
    let value = record.value.as_deref().expect("it has one");
    std::str::from_utf8(value).expect("text").parse().expect("a number")
}

/// Sends 0..count; the key of each is its remainder.
async fn send_keyed(client: &Client, count: u32, keys: u32) {
    let producer = client.producer().expect("a runtime");
    for number in 0..count {
        let (key, value) = ((number % keys).to_string(), number.to_string());
        drop(producer.enqueue(Record::to("t").key(&key).value(&value)).await.expect("there is room"));
    }
    assert_eq!(producer.flush().await.expect("it is open").failed, 0);
}

async fn committed(client: &Client, partitions: i32) -> i64 {
    let names: Vec<_> = (0..partitions).map(|partition| TopicPartition::new("t", partition)).collect();
    let all =
        kinglet::Assignment::partitions(names.iter().map(|at| (at.clone(), kinglet::Position::Beginning)));
    let asks = client.consumer(all).await.expect("it is there");
    let offsets = asks.committed(&names).await.expect("the coordinator is there");
    offsets.iter().map(|(_, offset)| offset.as_ref().map_or(0, |offset| offset.offset)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_one_key_are_handled_in_order_although_some_fail_and_are_tried_again() {
    const COUNT: u32 = 2000;
    let site = Site::start();
    site.create("t", 3).await;
    let client = site.member("g", &[("retry.backoff.ms", "1"), ("retry.backoff.max.ms", "5")]).await;
    send_keyed(&client, COUNT, 37).await;
    let consumer = client.consumer(["t"]).await.expect("it joins");
    let (seen, failed) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let all = Arc::new(Notify::new());
    let handle = {
        let (seen, failed, running, most, all) =
            (seen.clone(), failed.clone(), running.clone(), most.clone(), all.clone());
        let tried = Arc::new(Mutex::new(BTreeSet::new()));
        move |record: ConsumerRecord| {
            let (seen, failed, running, most) = (seen.clone(), failed.clone(), running.clone(), most.clone());
            let (tried, all) = (tried.clone(), all.clone());
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                let number = number(&record);
                let is_first = tried.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
                if number.is_multiple_of(7) && is_first {
                    failed.fetch_add(1, Ordering::SeqCst);
                    return Err("not yet");
                }
                seen.add(&record);
                if seen.lock().len() == COUNT as usize {
                    all.notify_one();
                }
                Ok(())
            }
        }
    };
    let how = Parallel::new(Order::ByKey).in_flight(8).attempts(3);
    let how = how.until(async move { all.notified().await });
    let run = tokio::time::timeout(LIMIT, consumer.for_each_parallel(how, handle)).await;
    run.expect("it ends").expect("nothing fails for good");
    let mut last = BTreeMap::new();
    for number in seen.lock().iter() {
        let before = last.insert(number % 37, *number);
        assert!(before < Some(*number), "{before:?} before {number}");
    }
    assert_eq!(seen.lock().len(), COUNT as usize, "none twice");
    assert_eq!(failed.load(Ordering::SeqCst), COUNT.div_ceil(7) as usize);
    assert!((2..=8).contains(&most.load(Ordering::SeqCst)), "{most:?} at a time");
    assert_eq!(committed(&client, 3).await, i64::from(COUNT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_fails_for_good_goes_to_the_dead_letters_or_ends_the_run_in_front_of_it() {
    let site = Site::start();
    site.create("t", 1).await;
    let client = site.member("g", &[("retry.backoff.ms", "1"), ("retry.backoff.max.ms", "2")]).await;
    send_keyed(&client, 100, 100).await;
    let consumer = client.consumer(["t"]).await.expect("it joins");
    let seen = Seen::default();
    let handle = |seen: &Seen| {
        let seen = seen.clone();
        move |record: ConsumerRecord| {
            let seen = seen.clone();
            async move {
                if number(&record) == 40 {
                    return Err(format!("{} is bad", number(&record)));
                }
                seen.add(&record);
                Ok(())
            }
        }
    };
    let how = Parallel::new(Order::Unordered).attempts(2);
    let ended = tokio::time::timeout(LIMIT, consumer.for_each_parallel(how, handle(&seen))).await;
    let Err(ParallelError::Record(failed)) = ended.expect("it ends") else { panic!("it cannot go on") };
    assert_eq!((failed.record.offset, failed.error.as_str(), failed.attempts), (40, "40 is bad", 2));
    assert_eq!(failed.to_string(), "the record at t-0 @40 failed, attempts: 2: 40 is bad");
    assert_eq!(committed(&client, 1).await, 40, "nothing behind it is committed");

    // The same consumer goes on with what was not done.
    let letters = Arc::new(Mutex::new(Vec::new()));
    let (done, all) = oneshot::channel::<()>();
    let (tell, taken, again) = (Mutex::new(Some(done)), letters.clone(), Seen::default());
    let how = Parallel::new(Order::ByPartition).attempts(3).until(async move { drop(all.await) });
    let how = how.dead_letter(move |record, error: String, attempts| {
        taken.lock().unwrap_or_else(PoisonError::into_inner).push((record.offset, error, attempts));
        async { Ok(()) }
    });
    let inner = handle(&again);
    let counted = again.clone();
    let tell = Arc::new(tell);
    let handle = move |record: ConsumerRecord| {
        let (work, counted, tell) = (inner(record), counted.clone(), tell.clone());
        async move {
            work.await?;
            if counted.lock().contains(&99) {
                drop(tell.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
            Ok(())
        }
    };
    tokio::time::timeout(LIMIT, consumer.for_each_parallel(how, handle))
        .await
        .expect("it ends")
        .expect("it goes on");
    assert_eq!(*letters.lock().unwrap_or_else(PoisonError::into_inner), [(40, "40 is bad".to_owned(), 3)]);
    assert_eq!(*again.lock(), (41..100).collect::<Vec<_>>(), "in order, and from the failed one on");
    assert_eq!(committed(&client, 1).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_lose_no_record_and_repeat_none_that_was_in_flight() {
    const COUNT: u32 = 1500;
    let site = Site::start();
    site.create("t", 4).await;
    let client = site.member("g", &[("partition.assignment.strategy", "cooperative-sticky,range")]).await;
    send_keyed(&client, COUNT, 101).await;
    let seen = Seen::default();
    let handle = |seen: &Seen| {
        let seen = seen.clone();
        move |record: ConsumerRecord| {
            let seen = seen.clone();
            async move {
                // Slow enough that the others come in between.
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                seen.add(&record);
                Ok::<(), String>(())
            }
        }
    };
    let first = client.consumer(["t"]).await.expect("it joins");
    let stop = Arc::new(Notify::new());
    let run = |consumer: kinglet::Consumer, stop: Arc<Notify>| {
        let how = Parallel::new(Order::ByKey).in_flight(4).until(async move { stop.notified().await });
        let work = handle(&seen);
        tokio::spawn(async move {
            let ended = consumer.for_each_parallel(how, work).await;
            consumer.close().await;
            ended
        })
    };
    let one = run(first.clone(), stop.clone());
    soon("the first is at work", || seen.lock().len() > 100).await;
    let second = client.consumer(["t"]).await.expect("it joins");
    let leave = Arc::new(Notify::new());
    let two = run(second.clone(), leave.clone());
    soon("they share", || first.assignment().len() == 2 && second.assignment().len() == 2).await;
    soon("both are at work", || seen.lock().len() > 400).await;
    leave.notify_one();
    tokio::time::timeout(LIMIT, two).await.expect("it ends").expect("no panic").expect("no trouble");
    soon("all are handled", || seen.set().len() == COUNT as usize).await;
    stop.notify_one();
    tokio::time::timeout(LIMIT, one).await.expect("it ends").expect("no panic").expect("no trouble");
    assert_eq!(seen.set(), (0..COUNT).collect());
    // What is done out of order in front of others is not committed when a partition goes: no more than was ahead.
    let repeated = seen.lock().len() - COUNT as usize;
    assert!(repeated <= 3 * 4 * 4, "{repeated} were handled twice");
    assert_eq!(committed(&client, 4).await, i64::from(COUNT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_each_record_is_handled_and_no_more_than_was_ahead_is_repeated() {
    const COUNT: u32 = 1000;
    const AHEAD: usize = 50;
    let site = Site::start();
    site.create("t", 1).await;
    let config = site.config("g", &[("auto.commit.interval.ms", "1"), ("heartbeat.interval.ms", "10")]);
    let client = site.member("g", &[]).await;
    send_keyed(&client, COUNT, 101).await;
    let (seen, stuck) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    let handle = {
        let (seen, stuck) = (seen.clone(), stuck.clone());
        move |record: ConsumerRecord| {
            let (seen, stuck) = (seen.clone(), stuck.clone());
            async move {
                if number(&record) == 500 && stuck.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                seen.add(&record);
                Ok::<(), String>(())
            }
        }
    };
    // In a runtime of its own, whose end is the end of a process as far as the group can see.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let work = handle.clone();
    let _run = runtime.spawn(async move {
        let client = Client::connect(config).await.expect("kbroker is there");
        let consumer = client.consumer(["t"]).await.expect("it joins");
        consumer.for_each_parallel(Parallel::new(Order::ByKey).ahead(AHEAD), work).await
    });
    // Its key waits for record 500; the others go on to the bound, and no further.
    soon("it is stuck", || seen.lock().len() >= 500 + AHEAD - 1 - AHEAD.div_ceil(101)).await;
    let is_committed = async {
        while committed(&client, 1).await < 500 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, is_committed).await.expect("what is in front of it is committed");
    runtime.shutdown_background();
    assert_eq!(committed(&client, 1).await, 500);
    stuck.store(false, Ordering::SeqCst);
    let before = seen.set();
    assert!(before.len() < 500 + AHEAD && !before.contains(&500), "it went too far: {}", before.len());

    let consumer = client.consumer(["t"]).await.expect("it joins");
    let (counted, all) = (seen.clone(), Arc::new(Notify::new()));
    let (told, work) = (all.clone(), handle);
    let handle = move |record: ConsumerRecord| {
        let (work, counted, told) = (work(record), counted.clone(), told.clone());
        async move {
            work.await?;
            if counted.set().len() == COUNT as usize {
                told.notify_one();
            }
            Ok::<(), String>(())
        }
    };
    let how = Parallel::new(Order::ByKey).until(async move { all.notified().await });
    let run = tokio::time::timeout(LIMIT, consumer.for_each_parallel(how, handle)).await;
    run.expect("it ends").expect("no trouble");
    assert_eq!(seen.set(), (0..COUNT).collect());
    assert!(seen.lock().len() - COUNT as usize <= AHEAD, "{} in all", seen.lock().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_dropped_gives_back_what_is_not_done() {
    let site = Site::start();
    site.create("t", 1).await;
    let client = site.member("g", &[]).await;
    send_keyed(&client, 20, 20).await;
    let consumer = client.consumer(["t"]).await.expect("it joins");
    let seen = Seen::default();
    let handle = {
        let seen = seen.clone();
        move |record: ConsumerRecord| {
            let seen = seen.clone();
            async move {
                if number(&record) == 5 {
                    std::future::pending::<()>().await;
                }
                seen.add(&record);
                Ok::<(), String>(())
            }
        }
    };
    let run = consumer.for_each_parallel(Parallel::new(Order::ByKey), handle);
    tokio::select! {
        ended = run => panic!("{ended:?}"),
        () = soon("all but one are done", || seen.lock().len() == 19) => {}
    }
    consumer.commit().await.expect("it is the member");
    assert_eq!(committed(&client, 1).await, 5);
    let batch = tokio::time::timeout(LIMIT, consumer.recv()).await.expect("it comes");
    let batch = batch.expect("no trouble").expect("it is open");
    assert_eq!(batch.iter().next().map(|record| record.offset), Some(5), "it goes on with what is not done");
}
