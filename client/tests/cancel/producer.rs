//! What is left of a producer when one of its futures is dropped.

use std::time::Duration;

use kinglet::{Client, ErrorKind, Producer, Record, TryEnqueueError};

use crate::cut::Cut;
use crate::world::{PARTITIONS, World};

/// Much more than anything takes.
const LONG: Duration = Duration::from_secs(20);

fn record(value: &str) -> Record<'_> {
    // In one partition, so that there is an order to keep.
    Record::to("t").partition(1).value(value)
}

async fn world() -> (World, Producer) {
    let world = World::new(&[]).await;
    let producer = world.client.producer().unwrap();
    (world, producer)
}

/// A world whose producer has sent records already.
async fn warm(settings: &[(&str, &str)]) -> (World, Producer) {
    let world = World::new(settings).await;
    let producer = world.client.producer().unwrap();
    producer.send(record("first")).await.unwrap();
    (world, producer)
}

/// More records go through and are acknowledged; the log has what is expected, each once and in order; no memory is held.
async fn goes_on(world: &World, producer: &Producer, expected: &[&str]) {
    for value in ["later", "last"] {
        producer.enqueue(record(value)).await.unwrap().await.unwrap();
    }
    let expected: Vec<&str> = expected.iter().copied().chain(["later", "last"]).collect();
    assert_eq!(world.values(), expected);
    let counts = producer.counts();
    assert_eq!((counts.enqueued, counts.failed), (counts.delivered, 0));
    let metrics = producer.metrics();
    assert_eq!(metrics.get("buffer-available-bytes"), metrics.get("buffer-total-bytes"));
}

pub(crate) async fn enqueue_of_a_new_topic(cut: Cut) -> bool {
    let (world, producer) = world().await;
    let taken = cut.of(producer.enqueue(record("cut"))).await;
    let ended = taken.is_some();
    if let Some(delivery) = taken {
        delivery.unwrap().await.unwrap();
    }
    goes_on(&world, &producer, if ended { &["cut"] } else { &[] }).await;
    ended
}

pub(crate) async fn enqueue_without_room(cut: Cut) -> bool {
    let (world, producer) = warm(&[("buffer.memory", "1024")]).await;
    let large = "x".repeat(900);
    let large_delivery = producer.enqueue(record(&large)).await.unwrap();
    let taken =
        cut.of(producer.enqueue(record("cut, and larger than what is left: ".repeat(9).as_str()))).await;
    let ended = taken.is_some();
    if let Some(delivery) = taken {
        delivery.unwrap().await.unwrap();
    }
    large_delivery.await.unwrap();
    let cut = "cut, and larger than what is left: ".repeat(9);
    let expected: &[&str] = if ended { &["first", &large, &cut] } else { &["first", &large] };
    goes_on(&world, &producer, expected).await;
    ended
}

pub(crate) async fn enqueue_to_a_partition_that_is_not_there(cut: Cut) -> bool {
    let (world, producer) = world().await;
    let nowhere = i32::try_from(PARTITIONS).unwrap();
    let taken = cut.of(producer.enqueue(Record::to("t").partition(nowhere).value("cut"))).await;
    let ended = taken.is_some();
    if let Some(result) = taken {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnknownPartition);
    }
    goes_on(&world, &producer, &[]).await;
    ended
}

pub(crate) async fn send(cut: Cut) -> bool {
    let (world, producer) = world().await;
    let sent = cut.of(producer.send(record("cut"))).await;
    let ended = sent.is_some();
    if let Some(sent) = sent {
        assert_eq!(sent.unwrap().offset, Some(0));
    }
    // Whether it was enqueued is not to be seen from outside, but it is there once or not at all.
    let written = producer.counts().enqueued == 1;
    assert!(written || !ended);
    goes_on(&world, &producer, if written { &["cut"] } else { &[] }).await;
    ended
}

pub(crate) async fn delivery(cut: Cut) -> bool {
    let (world, producer) = warm(&[]).await;
    let mut deliveries = Vec::new();
    for value in ["a", "cut", "b"] {
        deliveries.push(producer.enqueue(record(value)).await.unwrap());
    }
    let ended = cut.of(deliveries.remove(1)).await.is_some();
    for (delivery, offset) in deliveries.into_iter().zip([1, 3]) {
        assert_eq!(delivery.await.unwrap().offset, Some(offset));
    }
    goes_on(&world, &producer, &["first", "a", "cut", "b"]).await;
    ended
}

/// Not the delivery is dropped, but what waits for it, as `select!` does.
pub(crate) async fn delivery_that_is_awaited_again(cut: Cut) -> bool {
    let (world, producer) = warm(&[]).await;
    let mut delivery = producer.enqueue(record("cut")).await.unwrap();
    let ended = match cut.of(&mut delivery).await {
        Some(ack) => Some(ack.unwrap().offset),
        None => {
            assert_eq!(delivery.await.unwrap().offset, Some(1));
            None
        }
    };
    goes_on(&world, &producer, &["first", "cut"]).await;
    ended.is_some()
}

pub(crate) async fn flush(cut: Cut) -> bool {
    let world = World::new(&[("linger.ms", "600000")]).await;
    let producer = world.client.producer().unwrap();
    for value in ["a", "b", "c"] {
        drop(producer.enqueue(record(value)).await.unwrap());
    }
    let flushed = cut.of(producer.flush()).await;
    let ended = flushed.is_some();
    let report = match flushed {
        Some(report) => report.unwrap(),
        // What a dropped flush was about is in the next report.
        None => producer.flush().await.unwrap(),
    };
    assert_eq!((report.delivered, report.failed), (3, 0));
    assert_eq!(world.values(), ["a", "b", "c"]);
    drop(producer.enqueue(record("d")).await.unwrap());
    assert_eq!(producer.flush().await.unwrap().delivered, 1);
    ended
}

pub(crate) async fn partitions_for(cut: Cut) -> bool {
    let (world, producer) = world().await;
    let count = cut.of(producer.partitions_for("t")).await;
    let ended = count.is_some();
    assert_eq!(count.unwrap_or(Ok(PARTITIONS)).unwrap(), PARTITIONS);
    assert_eq!(producer.partitions_for("t").await.unwrap(), PARTITIONS);
    goes_on(&world, &producer, &[]).await;
    ended
}

pub(crate) async fn close(cut: Cut) -> bool {
    let (world, producer) = warm(&[]).await;
    let delivery = producer.enqueue(record("cut")).await.unwrap();
    let closed = cut.of(producer.close(LONG)).await;
    let ended = closed.is_some();
    if cut.begins() {
        assert!(matches!(producer.try_enqueue(record("late")), Err(TryEnqueueError::Failed(_))));
    }
    assert_eq!(delivery.await.unwrap().offset, Some(1));
    let report = match closed {
        Some(report) => report.unwrap(),
        None => producer.close(LONG).await.unwrap(),
    };
    assert_eq!((report.delivered, report.failed), (2, 0));
    assert_eq!(world.values(), ["first", "cut"]);
    ended
}

/// It gives up what a silent broker holds, once the time is over.
pub(crate) async fn close_that_gives_up(cut: Cut) -> bool {
    let (world, producer) = warm(&[]).await;
    world.store().silent = true;
    let delivery = producer.enqueue(record("cut")).await.unwrap();
    let closed = cut.of(producer.close(Duration::from_millis(10))).await;
    let ended = closed.is_some();
    let report = match closed {
        Some(report) => report.unwrap(),
        None => producer.close(Duration::ZERO).await.unwrap(),
    };
    assert_eq!(report.failed, 1);
    assert_eq!(delivery.await.unwrap_err().kind(), ErrorKind::Closed);
    ended
}

/// With handles that are dropped while a future waits, nothing is lost either.
pub(crate) async fn send_of_the_last_handle(cut: Cut) -> bool {
    let (world, producer) = warm(&[]).await;
    let delivery = producer.enqueue(record("kept")).await.unwrap();
    let ended = cut.of(producer.send(record("cut"))).await.is_some();
    drop(producer);
    delivery.await.unwrap();
    let again: Client = world.client.clone();
    again.producer().unwrap().send(record("last")).await.unwrap();
    let values = world.values();
    assert_eq!((values.first(), values.get(1)), (Some(&"first".to_owned()), Some(&"kept".to_owned())));
    assert!(values.contains(&"last".to_owned()));
    ended
}
