//! Its producer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use krafka::producer::{Acks, DeliveryHandle, Producer};
use krafka::{Compression, Kafka, Record};
use peers_kit::{
    AWAITED_MAX, Codec, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch,
    TUNED_BATCH_BYTES, TUNED_BUFFER_BYTES, TUNED_LINGER,
};

pub(crate) async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let producer = connect(&order).await?;
    send(&producer, &order, payloads, order.warm_up).await?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&producer, &order, payloads, order.records).await?;
    Ok(Outcome::new(stopwatch, 0, None)?.with(latencies))
}

async fn connect(order: &Order) -> Fallible<Producer> {
    let kafka = Kafka::builder(&order.bootstrap).connect().await?;
    let builder = kafka.producer().acks(Acks::All).compression(match order.codec {
        Codec::None => Compression::None,
        Codec::Lz4 => Compression::Lz4,
    });
    let builder = match order.settings {
        Settings::Defaults => builder,
        Settings::Prompt => builder.linger(Duration::ZERO),
        Settings::Tuned => builder
            .batch_size(TUNED_BATCH_BYTES)
            .linger(TUNED_LINGER)
            .buffer_memory(TUNED_BUFFER_BYTES)
            .idempotent(true),
    };
    Ok(builder.build().await?)
}

async fn send(producer: &Producer, order: &Order, payloads: Payloads, count: u64) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    let mut deliveries: VecDeque<DeliveryHandle> = VecDeque::new();
    for value in payloads.take(count) {
        let began = Instant::now();
        let delivery = producer.enqueue(Record::new(order.topic.as_str(), value)).await?;
        match order.mode {
            // Its failures are lost with it: what is read back tells.
            Mode::Dropped => drop(delivery),
            Mode::Awaited => {
                if deliveries.len() == AWAITED_MAX
                    && let Some(oldest) = deliveries.pop_front()
                {
                    drop(oldest.await?);
                }
                deliveries.push_back(delivery);
            }
            Mode::Single => {
                drop(delivery.await?);
                latencies.add(began.elapsed());
            }
        }
    }
    for delivery in deliveries {
        drop(delivery.await?);
    }
    producer.flush().await?;
    Ok(latencies)
}
