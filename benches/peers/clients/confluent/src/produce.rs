//! Its producer.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use confluent_kafka::common::serialization::ByteArraySerializer;
use confluent_kafka::producer::{
    Callback, KafkaProducer, Producer, ProducerConfig, ProducerRecord, callback,
};
use peers_kit::{
    AWAITED_MAX, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch, TUNED_BATCH_BYTES,
    TUNED_BUFFER_BYTES, TUNED_LINGER,
};

type BytesProducer = KafkaProducer<Vec<u8>, Vec<u8>>;

/// Counted here so that the callback carries nothing and its box allocates nothing.
static FAILED: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let config = ProducerConfig::new(&settings(&order)).map_err(|error| error.to_string())?;
    let producer = BytesProducer::new(config, ByteArraySerializer::new(), ByteArraySerializer::new())
        .map_err(|error| error.to_string())?;
    send(&producer, &order, payloads, order.warm_up).await?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&producer, &order, payloads, order.records).await?;
    Ok(Outcome::new(stopwatch, FAILED.load(Ordering::Relaxed), None)?.with(latencies))
}

fn settings(order: &Order) -> HashMap<String, String> {
    let linger_ms = TUNED_LINGER.as_millis().to_string();
    let (batch, buffer) = (TUNED_BATCH_BYTES.to_string(), TUNED_BUFFER_BYTES.to_string());
    let mut pairs = vec![
        ("bootstrap.servers", order.bootstrap.as_str()),
        ("acks", "all"),
        ("compression.type", order.codec.name()),
    ];
    match order.settings {
        Settings::Defaults => {}
        Settings::Prompt => pairs.push(("linger.ms", "0")),
        Settings::Tuned => pairs.extend([
            ("linger.ms", linger_ms.as_str()),
            ("batch.size", &batch),
            ("buffer.memory", &buffer),
            ("enable.idempotence", "true"),
        ]),
    }
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

async fn send(
    producer: &BytesProducer,
    order: &Order,
    payloads: Payloads,
    count: u64,
) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    let mut deliveries = VecDeque::new();
    for value in payloads.take(count) {
        let began = Instant::now();
        let record: ProducerRecord<&[u8], &[u8]> = ProducerRecord::new(order.topic.clone(), Some(value));
        let on_failure = (order.mode == Mode::Dropped).then(count_failures);
        // The inherent method, which takes borrowed bytes.
        let sent = KafkaProducer::send(producer, record, on_failure).await;
        let delivery = sent.map_err(|error| error.to_string())?;
        match order.mode {
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
    producer.flush().await.map_err(|error| error.to_string())?;
    Ok(latencies)
}

type Delivery = confluent_kafka::common::KafkaFuture<confluent_kafka::producer::RecordMetadata>;

async fn settle(delivery: Delivery) -> Fallible<()> {
    delivery.get().await.map(drop).map_err(|error| error.to_string().into())
}

fn count_failures() -> Box<dyn Callback> {
    Box::new(callback::new(|_, error| {
        if error.is_some() {
            FAILED.fetch_add(1, Ordering::Relaxed);
        }
    }))
}
