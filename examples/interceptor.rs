//! Puts a header on every record and counts what became of them, without touching the code that sends.
//!
//! `cargo run --example interceptor [BOOTSTRAP] [TOPIC]`: a running `kbroker`, or any Apache Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kinglet::{Acknowledgement, Client, Config, Outgoing, ProducerInterceptor, Record};

#[derive(Clone, Default)]
struct Audit {
    acked: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl ProducerInterceptor for Audit {
    fn on_send(&self, record: &mut Outgoing<'_>) {
        record.add_header("origin", "billing");
    }

    fn on_acknowledgement(&self, outcome: &Acknowledgement<'_>) {
        let count = if outcome.result.is_ok() { &self.acked } else { &self.failed };
        count.fetch_add(outcome.records, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "intercepted".to_owned());

    let audit = Audit::default();
    let client = Client::connect(Config::new(bootstrap).interceptor(audit.clone())).await?;
    let producer = client.producer()?;
    for number in 0..100 {
        drop(producer.enqueue(Record::to(&topic).value(&format!("line {number}"))).await?);
    }
    producer.flush().await?;
    let (acked, failed) = (audit.acked.load(Ordering::Relaxed), audit.failed.load(Ordering::Relaxed));
    println!("{acked} acked, {failed} failed, each with its origin");
    if acked == 100 { Ok(()) } else { Err("not all were acked".into()) }
}
