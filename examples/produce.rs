//! Sends a few records and prints where they went.
//!
//! `cargo run --example produce [BOOTSTRAP] [TOPIC]`: a running `kbroker`, or any Apache Kafka.

use std::time::Duration;

use kinglet::{Client, Config, Record};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "demo".to_owned());

    let client = Client::connect(Config::new(bootstrap).set("linger.ms", 5)?).await?;
    let producer = client.producer()?;

    // One record, and wait until it is acknowledged.
    let ack = producer.send(Record::to(&topic).key("42").value("created")).await?;
    println!("42 is in partition {} at offset {:?}", ack.partition, ack.offset);

    // Many records: enqueue waits only while the buffer is full, the deliveries are awaited together.
    let mut deliveries = Vec::new();
    for number in 0..1000 {
        let value = format!("line {number}");
        deliveries.push(producer.enqueue(Record::to(&topic).value(&value)).await?);
    }
    for delivery in deliveries {
        delivery.await?;
    }
    // What it measured of itself, by the names of the Java client.
    let metrics = producer.metrics();
    for name in ["batch-size-avg", "records-per-request-avg", "request-latency-avg"] {
        println!("{name} {:.3}", metrics.get(name).unwrap_or(f64::NAN));
    }
    let report = producer.close(Duration::from_secs(10)).await?;
    println!("delivered {}, failed {}", report.delivered, report.failed);
    Ok(())
}
