//! It writes batches of one partition that its user has made, without retries that know duplicates from losses; making them is
//! part of what is measured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use peers_kit::{
    Codec, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch, TUNED_BATCH_BYTES,
    TUNED_BUFFER_BYTES,
};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::record::Record;
use tokio::task::JoinSet;

pub(crate) async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    if order.mode != Mode::Single && order.settings != Settings::Tuned {
        return Err("it makes no batches of its own, so there are no defaults to measure".into());
    }
    let client = ClientBuilder::new(vec![order.bootstrap.clone()]).build().await?;
    let mut partitions = Vec::new();
    for partition in 0..order.partitions {
        let topic = order.topic.clone();
        partitions
            .push(Arc::new(client.partition_client(topic, partition, UnknownTopicHandling::Retry).await?));
    }
    send(&partitions, &order, payloads, order.warm_up).await?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&partitions, &order, payloads, order.records).await?;
    Ok(Outcome::new(stopwatch, 0, None)?.with(latencies))
}

async fn send(
    partitions: &[Arc<PartitionClient>],
    order: &Order,
    payloads: Payloads,
    count: u64,
) -> Fallible<Latencies> {
    match order.mode {
        Mode::Single => single(partitions, payloads, count).await,
        Mode::Dropped | Mode::Awaited => {
            batches(partitions, order, payloads, count).await.map(|()| Latencies::default())
        }
    }
}

/// Batches go round the partitions, as many at a time as the others' buffers hold.
async fn batches(
    partitions: &[Arc<PartitionClient>],
    order: &Order,
    payloads: Payloads,
    count: u64,
) -> Fallible<()> {
    let compression = match order.codec {
        Codec::None => Compression::NoCompression,
        Codec::Lz4 => Compression::Lz4,
    };
    let batch_records = (TUNED_BATCH_BYTES / order.size).max(1);
    let mut targets = partitions.iter().cycle();
    let mut under_way = JoinSet::new();
    let mut values = payloads.take(count).peekable();
    while values.peek().is_some() {
        let records: Vec<Record> = values.by_ref().take(batch_records).map(record).collect();
        if under_way.len() == TUNED_BUFFER_BYTES / TUNED_BATCH_BYTES
            && let Some(written) = under_way.join_next().await
        {
            written??;
        }
        if let Some(partition) = targets.next().cloned() {
            under_way.spawn(async move { partition.produce(records, compression).await });
        }
    }
    while let Some(written) = under_way.join_next().await {
        written??;
    }
    Ok(())
}

async fn single(partitions: &[Arc<PartitionClient>], payloads: Payloads, count: u64) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    for (value, partition) in payloads.take(count).zip(partitions.iter().cycle()) {
        let began = Instant::now();
        partition.produce(vec![record(value)], Compression::NoCompression).await?;
        latencies.add(began.elapsed());
    }
    Ok(latencies)
}

fn record(value: &[u8]) -> Record {
    Record { key: None, value: Some(value.to_vec()), headers: BTreeMap::new(), timestamp: Utc::now() }
}
