//! Reads a topic from the beginning up to its present end.
//!
//! `cargo run --example consume [BOOTSTRAP] [TOPIC]`

use kinglet::{Assignment, Client, Config, Position};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "demo".to_owned());

    let client = Client::connect(Config::new(bootstrap)).await?;
    let consumer = client.consumer(Assignment::topics([topic.as_str()], Position::Beginning)).await?;
    let ends = consumer.end_offsets(&consumer.assignment()).await?;

    let mut count = 0;
    while ends.iter().any(|(tp, end)| consumer.position(tp).unwrap_or(0) < *end) {
        let Some(batch) = consumer.recv().await? else { break };
        for record in batch.iter() {
            count += 1;
            if count <= 3 {
                let value = String::from_utf8_lossy(record.value.unwrap_or_default());
                println!("{}-{} @ {}: {value}", batch.topic(), batch.partition(), record.offset);
            }
        }
    }
    println!("{count} records");
    consumer.close().await;
    Ok(())
}
