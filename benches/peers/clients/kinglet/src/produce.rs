//! Its producer.

use std::collections::VecDeque;
use std::time::Instant;

use kinglet::{Acks, Client, Config, Delivery, Producer, Record, TryEnqueueError};
use peers_kit::{
    AWAITED_MAX, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch, TUNED_BATCH_BYTES,
    TUNED_BUFFER_BYTES, TUNED_LINGER,
};

pub(crate) async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let producer = Client::connect(config(&order)?).await?.producer()?;
    producer.partitions_for(&order.topic).await?;
    let topic = order.topic.as_str();
    let mut latencies = Latencies::default();
    send(&producer, topic, payloads, order.warm_up, order.mode, &mut Latencies::default()).await?;
    let warm_up = producer.flush().await?;
    let stopwatch = Stopwatch::start()?;
    send(&producer, topic, payloads, order.records, order.mode, &mut latencies).await?;
    let report = producer.flush().await?;
    let error = warm_up.first_error.or(report.first_error).map(|error| error.to_string());
    Ok(Outcome::new(stopwatch, warm_up.failed + report.failed, error)?.with(latencies))
}

fn config(order: &Order) -> kinglet::Result<Config> {
    let config = Config::new(&order.bootstrap).acks(Acks::All).set("compression.type", order.codec.name())?;
    match order.settings {
        Settings::Defaults => Ok(config),
        Settings::Prompt => config.set("linger.ms", 0),
        Settings::Tuned => config
            .linger(TUNED_LINGER)
            .set("batch.size", TUNED_BATCH_BYTES)?
            .set("buffer.memory", TUNED_BUFFER_BYTES)?
            .set("enable.idempotence", true),
    }
}

async fn send(
    producer: &Producer,
    topic: &str,
    payloads: Payloads,
    count: u64,
    mode: Mode,
    latencies: &mut Latencies,
) -> Fallible<()> {
    match mode {
        Mode::Dropped => dropped(producer, topic, payloads, count).await,
        Mode::Awaited => awaited(producer, topic, payloads, count).await,
        Mode::Single => {
            for value in payloads.take(count) {
                let began = Instant::now();
                producer.send(Record::to(topic).value(value)).await?;
                latencies.add(began.elapsed());
            }
            Ok(())
        }
    }
}

async fn dropped(producer: &Producer, topic: &str, payloads: Payloads, count: u64) -> Fallible<()> {
    for value in payloads.take(count) {
        let record = Record::to(topic).value(value);
        match producer.try_push(record) {
            Ok(()) => {}
            Err(TryEnqueueError::Failed(error)) => return Err(error.into()),
            Err(_) => drop(producer.enqueue(record).await?),
        }
    }
    Ok(())
}

async fn awaited(producer: &Producer, topic: &str, payloads: Payloads, count: u64) -> Fallible<()> {
    let mut deliveries: VecDeque<Delivery> = VecDeque::with_capacity(AWAITED_MAX);
    for value in payloads.take(count) {
        if deliveries.len() == AWAITED_MAX
            && let Some(oldest) = deliveries.pop_front()
        {
            oldest.await?;
        }
        deliveries.push_back(producer.enqueue(Record::to(topic).value(value)).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    Ok(())
}
