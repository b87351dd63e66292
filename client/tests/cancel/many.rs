//! What is left when a stream of records, or work on many of them, is dropped.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use kinglet::{Consumer, ConsumerRecord, Order, Parallel};
use tokio::sync::Notify;

use crate::consumer::{beginning, member};
use crate::cut::Cut;
use crate::world::{PARTITIONS, RECORDS};

pub(crate) async fn stream_next(cut: Cut) -> bool {
    let (_world, consumer) = member().await;
    let mut stream = consumer.into_stream();
    let mut places = beginning();
    let mut ended = None;
    while places.values().any(|next| *next < RECORDS) {
        let record = cut.of(stream.next()).await;
        ended.get_or_insert(record.is_some());
        let record = match record {
            Some(record) => record,
            None => stream.next().await,
        };
        let record = record.unwrap().unwrap();
        let next = places.get_mut(&record.partition()).unwrap();
        assert_eq!(record.offset, *next, "partition {}", record.partition());
        *next += 1;
    }
    ended.unwrap()
}

/// What was handled, how often.
#[derive(Clone, Default)]
struct Handled {
    counts: Arc<Mutex<BTreeMap<(i32, i64), usize>>>,
}

impl Handled {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<(i32, i64), usize>) -> T) -> T {
        work(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn note(self, record: ConsumerRecord, all: Arc<Notify>) -> Result<(), Infallible> {
        tokio::task::yield_now().await;
        let count = self.with(|counts| {
            *counts.entry((record.partition(), record.offset)).or_default() += 1;
            counts.len()
        });
        if i64::try_from(count).unwrap() == RECORDS * i64::try_from(PARTITIONS).unwrap() {
            all.notify_one();
        }
        Ok(())
    }

    /// Handles records until all were.
    async fn run(&self, consumer: &Consumer) {
        let (all, handled) = (Arc::new(Notify::new()), self.clone());
        let stop = all.clone();
        let how = Parallel::new(Order::ByPartition).in_flight(3).until(async move { stop.notified().await });
        let work = move |record| handled.clone().note(record, all.clone());
        consumer.for_each_parallel(how, work).await.unwrap();
    }
}

pub(crate) async fn for_each_parallel(cut: Cut) -> bool {
    let (world, consumer) = member().await;
    let handled = Handled::default();
    let ended = cut.of(handled.run(&consumer)).await.is_some();
    consumer.commit().await.unwrap();
    for (partition, offset) in world.store().committed.clone() {
        let all = handled.with(|counts| (0..offset).all(|at| counts.contains_key(&(partition, at))));
        assert!(all, "partition {partition} is committed up to {offset}");
    }
    let everything: BTreeMap<i32, i64> =
        (0..).take(PARTITIONS).map(|partition| (partition, RECORDS)).collect();
    let is_left = world.store().committed != everything;
    if is_left {
        assert!(!ended, "what is in flight is waited for");
        handled.run(&consumer).await;
    }
    handled.with(|counts| assert_eq!(counts.len(), usize::try_from(RECORDS).unwrap() * PARTITIONS));
    consumer.commit().await.unwrap();
    let everything: BTreeMap<i32, i64> =
        (0..).take(PARTITIONS).map(|partition| (partition, RECORDS)).collect();
    assert_eq!(world.store().committed, everything);
    ended
}
