//! Its producer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kinglet::{Acks, Client, Config, Delivery, Producer, Record, TryEnqueueError};
use peers_kit::{
    AWAITED_MAX, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch, TIMED_EVERY,
    TUNED_BATCH_BYTES, TUNED_BUFFER_BYTES, TUNED_LINGER,
};
use tokio::task::JoinSet;

pub(crate) async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let producer = Client::connect(config(&order)?).await?.producer()?;
    producer.partitions_for(&order.topic).await?;
    let topic = order.topic.as_str();
    let mut timed = Timed::default();
    send(&producer, topic, payloads, order.warm_up, order.mode, &mut Timed::default()).await?;
    let warm_up = producer.flush().await?;
    let stopwatch = Stopwatch::start()?;
    send(&producer, topic, payloads, order.records, order.mode, &mut timed).await?;
    let report = producer.flush().await?;
    let error = warm_up.first_error.or(report.first_error).map(|error| error.to_string());
    let outcome = Outcome::new(stopwatch, warm_up.failed + report.failed, error)?;
    Ok(outcome.with(timed.finish().await?))
}

/// Records whose time counts.
#[derive(Default)]
struct Timed {
    latencies: Latencies,
    /// Those that are not known to be acknowledged.
    pending: JoinSet<kinglet::Result<Duration>>,
}

impl Timed {
    /// After a flush.
    async fn finish(mut self) -> Fallible<Latencies> {
        while let Some(took) = self.pending.join_next().await {
            self.latencies.add(took??);
        }
        Ok(self.latencies)
    }
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
    timed: &mut Timed,
) -> Fallible<()> {
    match mode {
        Mode::Dropped => dropped(producer, topic, payloads, count, timed).await,
        Mode::Awaited => awaited(producer, topic, payloads, count).await,
        Mode::Single => {
            for value in payloads.take(count) {
                let began = Instant::now();
                producer.send(Record::to(topic).value(value)).await?;
                timed.latencies.add(began.elapsed());
            }
            Ok(())
        }
    }
}

async fn dropped(
    producer: &Producer,
    topic: &str,
    payloads: Payloads,
    count: u64,
    timed: &mut Timed,
) -> Fallible<()> {
    for (number, value) in (0..).zip(payloads.take(count)) {
        let record = Record::to(topic).value(value);
        if number % TIMED_EVERY == 0 {
            let began = Instant::now();
            let delivery = producer.enqueue(record).await?;
            timed.pending.spawn(async move { delivery.await.map(|_| began.elapsed()) });
            continue;
        }
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
