//! Its producer.

use std::time::{Duration, Instant};

use peers_kit::{
    FLUSH_LIMIT, Fallible, Latencies, Mode, Order, Outcome, Payloads, Settings, Stopwatch, TUNED_BATCH_BYTES,
    TUNED_BUFFER_BYTES, TUNED_LINGER,
};

use crate::raw::producer::{Producer, Sent};

/// Records between two looks at what was delivered.
const POLL_RECORDS: usize = 256;
const FULL_PAUSE: Duration = Duration::from_millis(1);
const ACK_LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn produce(order: Order) -> Fallible<Outcome> {
    let payloads = order.payloads()?;
    let producer = Producer::new(&settings(&order), &order.topic)?;
    send(&producer, &order, payloads, order.warm_up)?;
    let stopwatch = Stopwatch::start()?;
    let latencies = send(&producer, &order, payloads, order.records)?;
    let (failed, error) = producer.failures();
    Ok(Outcome::new(stopwatch, failed, error)?.with(latencies))
}

fn settings(order: &Order) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("bootstrap.servers", order.bootstrap.clone()),
        ("acks", "all".to_owned()),
        ("compression.type", order.codec.name().to_owned()),
    ];
    if order.mode == Mode::Dropped {
        // Only failures are of interest: it then keeps the rest to itself.
        pairs.push(("delivery.report.only.error", "true".to_owned()));
    }
    match order.settings {
        Settings::Defaults => {}
        Settings::Prompt => pairs.push(("linger.ms", "0".to_owned())),
        Settings::Tuned => pairs.extend([
            ("linger.ms", TUNED_LINGER.as_millis().to_string()),
            ("batch.size", TUNED_BATCH_BYTES.to_string()),
            // Its own limit of 10,000 records would close batches of small ones early.
            ("batch.num.messages", "1000000".to_owned()),
            ("queue.buffering.max.messages", "10000000".to_owned()),
            ("queue.buffering.max.kbytes", (TUNED_BUFFER_BYTES / 1024).to_string()),
            ("enable.idempotence", "true".to_owned()),
        ]),
    }
    pairs
}

fn send(producer: &Producer, order: &Order, payloads: Payloads, count: u64) -> Fallible<Latencies> {
    let mut latencies = Latencies::default();
    for (number, value) in payloads.take(count).enumerate() {
        let began = Instant::now();
        while producer.send(value)? == Sent::QueueFull {
            producer.poll(FULL_PAUSE);
        }
        match order.mode {
            Mode::Dropped | Mode::Awaited => {
                if number % POLL_RECORDS == 0 {
                    producer.poll(Duration::ZERO);
                }
            }
            Mode::Single => {
                let acked = producer.reported() + 1;
                while producer.reported() < acked {
                    if began.elapsed() > ACK_LIMIT {
                        return Err("a record was not acknowledged in time".into());
                    }
                    producer.poll(ACK_LIMIT);
                }
                latencies.add(began.elapsed());
            }
        }
    }
    producer.flush(FLUSH_LIMIT)?;
    Ok(latencies)
}
