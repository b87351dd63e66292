//! Records one by one, as streams.

use std::collections::BTreeSet;

use kinglet::{ConsumerRecord, RecordStream, TopicPartition};

use super::fixture::{LIMIT, Site, numbers, read, soon};

async fn next(stream: &mut RecordStream) -> Option<ConsumerRecord> {
    let record = tokio::time::timeout(LIMIT, stream.next()).await.expect("it comes");
    record.map(|record| record.expect("no trouble"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_stream_is_done_when_the_next_is_asked_for_and_what_was_not_given_comes_again() {
    let site = Site::start();
    site.create("t", 1).await;
    site.send("t", 0..200).await;
    let client = site.member("g", &[("enable.auto.commit", "false")]).await;
    let consumer = client.consumer(["t"]).await.expect("it joins");
    let mut stream = consumer.clone().into_stream();
    for offset in 0..100 {
        // Waits that are dropped take no record along.
        let record = loop {
            tokio::select! {
                biased;
                record = next(&mut stream) => break record,
                () = tokio::task::yield_now() => {}
            }
        };
        assert_eq!(record.map(|record| record.offset), Some(offset));
    }
    let at = [TopicPartition::new("t", 0)];
    let committed = async || {
        consumer.commit().await.expect("it is the member");
        let offsets = consumer.committed(&at).await.expect("the coordinator is there");
        offsets.into_iter().find_map(|(_, offset)| offset).map(|offset| offset.offset)
    };
    assert_eq!(committed().await, Some(99), "the last one may still be worked on");
    drop(stream);
    let mut stream = consumer.clone().into_stream();
    let rest: Vec<_> = [next(&mut stream).await, next(&mut stream).await].into_iter().flatten().collect();
    assert_eq!(rest.iter().map(|record| record.offset).collect::<Vec<_>>(), [100, 101]);
    assert_eq!(rest.first().and_then(|record| record.key.as_deref()), Some(&b"100"[..]));
    assert_eq!(committed().await, Some(101));
    while next(&mut stream).await.expect("it is open").offset < 199 {}
    consumer.close().await;
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_a_partition_ends_when_the_partition_goes() {
    let site = Site::start();
    site.create("t", 2).await;
    site.send("t", 0..100).await;
    let client = site.member("g", &[]).await;
    let consumer = client.consumer(["t"]).await.expect("it joins");
    let mut streams = Vec::new();
    for _ in 0..2 {
        let partition = tokio::time::timeout(LIMIT, consumer.next_partition()).await.expect("it is assigned");
        streams.push(partition.expect("no trouble").expect("it is open").into_stream());
    }
    let mut got = BTreeSet::new();
    let [one, two] = &mut streams[..] else { unreachable!("two were made") };
    while got.len() < 100 {
        let record = tokio::select! {
            record = next(one) => record,
            record = next(two) => record,
        };
        let record = record.expect("both are its own");
        assert!(got.insert((record.partition(), record.offset)), "{record:?} came twice");
    }
    let other = site.member("g", &[]).await.consumer(["t"]).await.expect("it joins");
    for stream in &mut streams {
        assert!(next(stream).await.is_none(), "eager members give up all");
    }
    soon("they share", || consumer.assignment().len() == 1 && other.assignment().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_batch_has_more_than_max_poll_records() {
    let site = Site::start();
    site.create("t", 1).await;
    site.send("t", 0..1000).await;
    let consumer =
        site.member("g", &[("max.poll.records", "7")]).await.consumer(["t"]).await.expect("it joins");
    let mut next = 0;
    while next < 1000 {
        let batch = tokio::time::timeout(LIMIT, consumer.recv()).await.expect("it comes");
        let batch = batch.expect("no trouble").expect("it is open");
        let offsets: Vec<_> = batch.iter().map(|record| record.offset).collect();
        assert!(offsets.len() <= 7 && batch.count() <= 7, "{offsets:?}");
        assert_eq!(offsets, (next..batch.next_offset()).collect::<Vec<_>>());
        next = batch.next_offset();
    }
}

#[tokio::test]
async fn once_closing_begins_nothing_is_handed_out_that_the_next_member_would_repeat() {
    let site = Site::start();
    site.create("t", 1).await;
    site.send("t", 0..100).await;
    let settings = [("max.poll.records", "10")];
    let first = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    let mut got = read(&first, 10).await;
    let mut closing = std::pin::pin!(first.close());
    // It waits for the coordinator, while 90 records lie ready.
    tokio::select! {
        biased;
        () = &mut closing => unreachable!("the group's task has not run"),
        () = std::future::ready(()) => {}
    }
    got.extend(first.try_recv().expect("no trouble").iter().flat_map(numbers));
    closing.await;
    let second = site.member("g", &settings).await.consumer(["t"]).await.expect("it joins");
    got.extend(read(&second, 90).await);
    assert_eq!(got, (0..100).collect::<Vec<_>>());
}
