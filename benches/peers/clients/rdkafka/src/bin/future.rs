//! `FutureProducer` of the crate `rdkafka` under measurement.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use peer_rdkafka::producer_config;
use peers_kit::{
    AWAITED_MAX, FLUSH_LIMIT, Fallible, Latencies, Mode, Order, Outcome, Payloads, Stopwatch, run,
};
use rdkafka::error::KafkaError;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::types::RDKafkaErrorCode;

/// How long to stand back when the queue is full; the crate itself waits 100 ms.
const FULL_PAUSE: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    run(|task| tokio::runtime::Runtime::new()?.block_on(produce(task.order()?)))
}

async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let producer: FutureProducer = producer_config(&order).create()?;
    send(&producer, &order, payloads, order.warm_up).await?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&producer, &order, payloads, order.records).await?;
    Ok(Outcome::new(stopwatch, 0, None)?.with(latencies))
}

async fn send(
    producer: &FutureProducer,
    order: &Order,
    payloads: Payloads,
    count: u64,
) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    let mut deliveries: VecDeque<DeliveryFuture> = VecDeque::new();
    for value in payloads.take(count) {
        let began = Instant::now();
        let delivery = push(producer, &order.topic, value).await?;
        match order.mode {
            // Its failures are lost with it: what is read back tells.
            Mode::Dropped => drop(delivery),
            Mode::Awaited => {
                if deliveries.len() == AWAITED_MAX
                    && let Some(oldest) = deliveries.pop_front()
                {
                    settle(oldest).await?;
                }
                deliveries.push_back(delivery);
            }
            Mode::Single => {
                settle(delivery).await?;
                latencies.add(began.elapsed());
            }
        }
    }
    for delivery in deliveries {
        settle(delivery).await?;
    }
    // A flush blocks its thread; nothing else runs on this one.
    producer.flush(FLUSH_LIMIT)?;
    Ok(latencies)
}

async fn push(producer: &FutureProducer, topic: &str, value: &[u8]) -> Fallible<DeliveryFuture> {
    let mut record: FutureRecord<'_, (), [u8]> = FutureRecord::to(topic).payload(value);
    loop {
        match producer.send_result(record) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                tokio::time::sleep(FULL_PAUSE).await;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

async fn settle(delivery: DeliveryFuture) -> Fallible<()> {
    match delivery.await? {
        Ok(_) => Ok(()),
        Err((error, _)) => Err(error.into()),
    }
}
