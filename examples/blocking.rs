//! Sends and receives without async: for services that have threads and no runtime.
//!
//! `cargo run --example blocking [BOOTSTRAP] [TOPIC]`: a running `kbroker`, or any Apache Kafka.

use std::time::Duration;

use kinglet::blocking::Client;
use kinglet::{Assignment, Config, Position, Record};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "blocking".to_owned());

    let client = Client::connect(Config::new(bootstrap))?;
    let producer = client.producer()?;

    let ack = producer.send(Record::to(&topic).key("42").value("created"))?;
    println!("42 is in partition {} at offset {:?}", ack.partition, ack.offset);

    // Many records: push waits only while the buffer is full, flush says what became of them.
    for number in 0..1000 {
        producer.push(Record::to(&topic).value(&format!("line {number}")))?;
    }
    let report = producer.flush()?;
    println!("delivered {}, failed {}", report.delivered, report.failed);

    let consumer = client.consumer(Assignment::topics([topic.as_str()], Position::Beginning))?;
    let mut count = 0;
    while count < 1001
        && let Some(batch) = consumer.recv_timeout(Duration::from_secs(10))?
    {
        count += batch.iter().count();
    }
    println!("received {count}");
    if count < 1001 { Err("records are missing".into()) } else { Ok(()) }
}
