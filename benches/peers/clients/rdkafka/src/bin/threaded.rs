//! `ThreadedProducer` of the crate `rdkafka` under measurement.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use peer_rdkafka::producer_config;
use peers_kit::{FLUSH_LIMIT, Fallible, Latencies, Mode, Order, Outcome, Payloads, Stopwatch, run};
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaErrorCode;

/// How long to stand back when the queue is full; the crate has no way to wait for room.
const FULL_PAUSE: Duration = Duration::from_millis(1);
const ACK_LIMIT: Duration = Duration::from_secs(30);

/// What is told of deliveries.
struct Watch {
    failures: Mutex<(u64, Option<String>)>,
    /// Who sends one record at a time waits at the other end.
    single: Option<Sender<()>>,
}

impl ClientContext for Watch {}

impl ProducerContext for Watch {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.0 += 1;
            failures.1.get_or_insert_with(|| error.to_string());
        }
        if let Some(single) = &self.single {
            // Nobody waits any more when the program is about to end.
            let _ = single.send(());
        }
    }
}

fn main() -> ExitCode {
    run(|task| produce(task.order()?))
}

fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let mut config = producer_config(&order);
    let (single, acks) = channel();
    let single = (order.mode == Mode::Single).then_some(single);
    if single.is_none() {
        // Only failures are of interest: librdkafka then keeps the rest to itself.
        config.set("delivery.report.only.error", "true");
    }
    let watch = Watch { failures: Mutex::default(), single };
    let producer: ThreadedProducer<Watch> = config.create_with_context(watch)?;
    send(&producer, &order, payloads, order.warm_up, &acks)?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&producer, &order, payloads, order.records, &acks)?;
    let (failed, error) = producer.context().failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Outcome::new(stopwatch, failed, error)?.with(latencies))
}

fn send(
    producer: &ThreadedProducer<Watch>,
    order: &Order,
    payloads: Payloads,
    count: u64,
    acks: &Receiver<()>,
) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    for value in payloads.take(count) {
        let began = Instant::now();
        push(producer, &order.topic, value)?;
        if order.mode == Mode::Single {
            acks.recv_timeout(ACK_LIMIT)?;
            latencies.add(began.elapsed());
        }
    }
    producer.flush(FLUSH_LIMIT)?;
    Ok(latencies)
}

fn push(producer: &ThreadedProducer<Watch>, topic: &str, value: &[u8]) -> Fallible<()> {
    let mut record: BaseRecord<'_, (), [u8]> = BaseRecord::to(topic).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                std::thread::sleep(FULL_PAUSE);
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
