//! Reads a topic as a member of a group: run it twice, and the two share the partitions.
//!
//! `cargo run --example group [BOOTSTRAP] [TOPIC] [COUNT]`: a running `kbroker`, or any Apache Kafka. It ends after COUNT
//! records (default 10), which it first sends.

use kinglet::{Client, Config, Consumer, RebalanceListener, Record, TopicPartition};

/// Says what it hears.
struct Loud;

impl RebalanceListener for Loud {
    async fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        let generation = consumer.group().map_or(-1, |group| group.generation);
        let names: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        println!("generation {generation}: reading {}", names.join(" "));
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "group".to_owned());
    let count: usize = args.next().map_or(Ok(10), |count| count.parse())?;

    let config = Config::new(bootstrap).group_id("example").rebalance_listener(Loud);
    let client = Client::connect(config.set("auto.offset.reset", "earliest")?).await?;

    let producer = client.producer()?;
    for number in 0..count {
        drop(producer.enqueue(Record::to(&topic).value(&format!("line {number}"))).await?);
    }
    producer.flush().await?;

    let consumer = client.consumer([topic.as_str()]).await?;
    let mut seen = 0;
    while seen < count
        && let Some(batch) = consumer.recv().await?
    {
        for record in batch.iter() {
            let value = String::from_utf8_lossy(record.value.unwrap_or_default());
            println!("{}-{} @{}: {value}", batch.topic(), batch.partition(), record.offset);
        }
        seen += batch.iter().count();
    }
    // Commits what was read and leaves, so that the others go on at once.
    consumer.close().await;
    Ok(())
}
