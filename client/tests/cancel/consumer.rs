//! What is left of a consumer when one of its futures is dropped.

use std::collections::BTreeMap;

use kinglet::{Assignment, Batch, Consumer, ErrorKind, OffsetAndMetadata, Position, TopicPartition};

use crate::cut::Cut;
use crate::world::{BATCH, PARTITIONS, RECORDS, World};

/// The next offset of each partition.
pub(crate) type Places = BTreeMap<i32, i64>;

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn all() -> Vec<TopicPartition> {
    (0..).take(PARTITIONS).map(at).collect()
}

pub(crate) fn beginning() -> Places {
    (0..).take(PARTITIONS).map(|partition| (partition, 0)).collect()
}

/// A consumer of given partitions, which commits for a group.
async fn given() -> (World, Consumer) {
    let world = World::full(&[("group.id", "g")]).await;
    let consumer = world.client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    (world, consumer)
}

/// A member of a group.
pub(crate) async fn member() -> (World, Consumer) {
    let world = World::full(&[("group.id", "g"), ("auto.offset.reset", "earliest")]).await;
    let consumer = world.client.consumer(["t"]).await.unwrap();
    (world, consumer)
}

/// Takes over what a batch brings: it must be what comes next.
fn note(places: &mut Places, batch: &Batch) {
    let next = places.get_mut(&batch.partition()).unwrap();
    for record in batch {
        assert_eq!(record.offset, *next, "partition {}", batch.partition());
        assert_eq!(record.value, Some(next.to_string().as_bytes()));
        *next += 1;
    }
}

/// Reads what is left of both partitions, each record once and in order.
async fn read_on(consumer: &Consumer, places: &mut Places) {
    while places.values().any(|next| *next < RECORDS) {
        let batch = consumer.recv().await.unwrap().unwrap();
        note(places, &batch);
    }
    for at in all() {
        assert_eq!(consumer.position(&at), Some(RECORDS));
    }
}

async fn receive(cut: Cut, (_world, consumer): (World, Consumer)) -> bool {
    let mut places = beginning();
    let mut ended = None;
    while places.values().any(|next| *next < RECORDS) {
        let batch = cut.of(consumer.recv()).await;
        ended.get_or_insert(batch.is_some());
        let batch = match batch {
            Some(batch) => batch,
            None => consumer.recv().await,
        };
        note(&mut places, &batch.unwrap().unwrap());
    }
    assert_eq!(consumer.lag(), all().into_iter().map(|at| (at, 0)).collect::<Vec<_>>());
    ended.unwrap()
}

pub(crate) async fn recv(cut: Cut) -> bool {
    receive(cut, given().await).await
}

pub(crate) async fn recv_of_a_member(cut: Cut) -> bool {
    receive(cut, member().await).await
}

/// The batch before is done once the next one is asked for, whether that comes or not.
pub(crate) async fn recv_and_commit(cut: Cut) -> bool {
    let (world, consumer) = member().await;
    let mut places = beginning();
    read_on(&consumer, &mut places).await;
    world.store().append(0);
    let next = cut.of(consumer.recv()).await;
    let ended = next.is_some();
    if let Some(batch) = next {
        note(&mut places, &batch.unwrap().unwrap());
    }
    consumer.commit().await.unwrap();
    assert_eq!(world.store().committed, places);
    if !ended {
        note(&mut places, &consumer.recv().await.unwrap().unwrap());
    }
    assert_eq!(places[&0], RECORDS + BATCH);
    ended
}

pub(crate) async fn next_partition(cut: Cut) -> bool {
    let (_world, consumer) = member().await;
    let first = cut.of(consumer.next_partition()).await;
    let ended = first.is_some();
    let mut partitions: Vec<_> = first.into_iter().map(|first| first.unwrap().unwrap()).collect();
    while partitions.len() < PARTITIONS {
        partitions.push(consumer.next_partition().await.unwrap().unwrap());
    }
    let mut places = beginning();
    for partition in &mut partitions {
        while places[&partition.topic_partition().partition] < RECORDS {
            note(&mut places, &partition.recv().await.unwrap().unwrap());
        }
    }
    ended
}

pub(crate) async fn partition_recv(cut: Cut) -> bool {
    let (_world, consumer) = member().await;
    let mut partition = consumer.next_partition().await.unwrap().unwrap();
    let number = partition.topic_partition().partition;
    let mut places = beginning();
    let mut ended = None;
    while places[&number] < RECORDS {
        let batch = cut.of(partition.recv()).await;
        ended.get_or_insert(batch.is_some());
        let batch = match batch {
            Some(batch) => batch,
            None => partition.recv().await,
        };
        note(&mut places, &batch.unwrap().unwrap());
    }
    // Its own consumer is gone: whoever takes partitions gets it again, where it was left.
    drop(partition);
    for _ in 0..PARTITIONS {
        consumer.next_partition().await.unwrap().unwrap();
    }
    assert_eq!(consumer.position(&at(number)), Some(RECORDS));
    ended.unwrap()
}

async fn seek(cut: Cut, to: Position, place: i64) -> bool {
    let (world, consumer) = given().await;
    world.store().committed.insert(0, 6);
    let mut places = beginning();
    while places[&0] == 0 {
        note(&mut places, &consumer.recv().await.unwrap().unwrap());
    }
    let before = places[&0];
    let sought = cut.of(consumer.seek(&at(0), to)).await;
    let ended = sought.is_some();
    if let Some(sought) = sought {
        sought.unwrap();
    }
    // It is where it was or where it was to go, and reading goes on from there.
    let now = if ended { place } else { before };
    assert_eq!(consumer.position(&at(0)), Some(now));
    places.insert(0, now);
    read_on(&consumer, &mut places).await;
    consumer.seek(&at(0), to).await.unwrap();
    places.insert(0, place);
    read_on(&consumer, &mut places).await;
    ended
}

pub(crate) async fn seek_to_the_beginning(cut: Cut) -> bool {
    seek(cut, Position::Beginning, 0).await
}

pub(crate) async fn seek_to_the_end(cut: Cut) -> bool {
    seek(cut, Position::End, RECORDS).await
}

pub(crate) async fn seek_to_a_time(cut: Cut) -> bool {
    seek(cut, Position::Timestamp(7), 7).await
}

pub(crate) async fn seek_to_what_is_committed(cut: Cut) -> bool {
    seek(cut, Position::Committed, 6).await
}

/// Asks for offsets, is dropped, asks again; reading is not disturbed.
async fn asks<T: PartialEq + std::fmt::Debug>(
    cut: Cut,
    expected: T,
    ask: impl AsyncFn(&Consumer) -> kinglet::Result<T>,
) -> bool {
    let (world, consumer) = given().await;
    world.store().committed.insert(0, 6);
    let mut places = beginning();
    let asked = cut.of(ask(&consumer)).await;
    let ended = asked.is_some();
    if let Some(answer) = asked {
        assert_eq!(answer.unwrap(), expected);
    }
    assert_eq!(ask(&consumer).await.unwrap(), expected);
    read_on(&consumer, &mut places).await;
    ended
}

pub(crate) async fn end_offsets(cut: Cut) -> bool {
    let ends = all().into_iter().map(|at| (at, RECORDS)).collect::<Vec<_>>();
    asks(cut, ends, async |consumer| consumer.end_offsets(&all()).await).await
}

pub(crate) async fn beginning_offsets(cut: Cut) -> bool {
    let begins = all().into_iter().map(|at| (at, 0)).collect::<Vec<_>>();
    asks(cut, begins, async |consumer| consumer.beginning_offsets(&all()).await).await
}

pub(crate) async fn offsets_for_times(cut: Cut) -> bool {
    let times: Vec<_> = all().into_iter().map(|at| (at, 7)).collect();
    asks(cut, vec![7; PARTITIONS], async |consumer| {
        let found = consumer.offsets_for_times(&times).await?;
        Ok(found.into_iter().map(|(_, place)| place.unwrap().offset).collect())
    })
    .await
}

pub(crate) async fn committed(cut: Cut) -> bool {
    asks(cut, vec![Some(6), None], async |consumer| {
        let found = consumer.committed(&all()).await?;
        Ok(found.into_iter().map(|(_, place)| place.map(|place| place.offset)).collect())
    })
    .await
}

async fn commits(cut: Cut, (world, consumer): (World, Consumer)) -> bool {
    let mut places = beginning();
    note(&mut places, &consumer.recv().await.unwrap().unwrap());
    let ended = match cut.of(consumer.commit()).await {
        Some(result) => result.map(|()| true).unwrap(),
        None => false,
    };
    note(&mut places, &consumer.recv().await.unwrap().unwrap());
    consumer.commit().await.unwrap();
    read_on(&consumer, &mut places).await;
    consumer.commit().await.unwrap();
    assert_eq!(world.store().committed, all().iter().map(|at| (at.partition, RECORDS)).collect());
    ended
}

pub(crate) async fn commit(cut: Cut) -> bool {
    commits(cut, given().await).await
}

pub(crate) async fn commit_of_a_member(cut: Cut) -> bool {
    commits(cut, member().await).await
}

pub(crate) async fn commit_offsets(cut: Cut) -> bool {
    let (world, consumer) = given().await;
    let ended = cut.of(consumer.commit_offsets([(at(0), OffsetAndMetadata::from(3))])).await;
    if let Some(result) = &ended {
        result.as_ref().unwrap();
    }
    consumer.commit_offsets([(at(0), 6.into())]).await.unwrap();
    assert_eq!(consumer.committed(&[at(0)]).await.unwrap()[0].1.as_ref().unwrap().offset, 6);
    assert_eq!(world.store().committed[&0], 6, "the older commit never comes behind the newer one");
    read_on(&consumer, &mut beginning()).await;
    ended.is_some()
}

/// What was done is committed, the group is left, and whoever waits is told: also if nobody waits for it any more.
async fn closes(cut: Cut, (world, consumer): (World, Consumer), leaves: usize) -> bool {
    let mut places = beginning();
    let other = consumer.clone();
    note(&mut places, &consumer.recv().await.unwrap().unwrap());
    let ended = cut.of(consumer.close()).await.is_some();
    if !cut.begins() {
        consumer.close().await;
    }
    while let Some(batch) = other.recv().await.unwrap() {
        note(&mut places, &batch);
    }
    assert!(other.next_partition().await.unwrap().is_none());
    consumer.close().await;
    assert_eq!(world.store().left, leaves);
    let error = other.seek(&at(0), Position::Offset(0)).await.err();
    assert!(error.is_none_or(|error| error.kind() == ErrorKind::UnknownPartition));
    ended
}

pub(crate) async fn close_of_a_member(cut: Cut) -> bool {
    closes(cut, member().await, 1).await
}

pub(crate) async fn close(cut: Cut) -> bool {
    let world = World::full(&[("group.id", "g"), ("enable.auto.commit", "true")]).await;
    let consumer = world.client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    let other = consumer.clone();
    let mut places = beginning();
    let first = consumer.recv().await.unwrap().unwrap();
    note(&mut places, &first);
    let ended = cut.of(consumer.close()).await.is_some();
    if !cut.begins() {
        consumer.close().await;
    }
    while let Some(batch) = other.recv().await.unwrap() {
        note(&mut places, &batch);
    }
    let committed = world.store().committed[&first.partition()];
    assert!(committed >= first.next_offset(), "{committed}: what was done is committed");
    ended
}
