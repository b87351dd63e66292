//! Handles records many at a time, those of one key in order; one fails whenever it is tried.
//!
//! `cargo run --example parallel [BOOTSTRAP] [TOPIC] [COUNT]`: a running `kbroker`, or any Apache Kafka. It ends after COUNT
//! records (default 100), which it first sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kinglet::{Client, Config, ConsumerRecord, Order, Parallel, Record};
use tokio::sync::Notify;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let bootstrap = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "parallel".to_owned());
    let count: usize = args.next().map_or(Ok(100), |count| count.parse())?;

    let config = Config::new(bootstrap).group_id("parallel");
    let client = Client::connect(config.set("auto.offset.reset", "earliest")?).await?;
    let producer = client.producer()?;
    for number in 0..count {
        let key = format!("key {}", number % 10);
        drop(producer.enqueue(Record::to(&topic).key(&key).value(&format!("line {number}"))).await?);
    }
    producer.flush().await?;

    let (done, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let stop = all.clone();
    let finish = move || {
        if done.fetch_add(1, Ordering::Relaxed) + 1 >= count {
            all.notify_one();
        }
    };
    let bury = finish.clone();
    let how = Parallel::new(Order::ByKey).in_flight(32).attempts(3);
    let how = how.until(async move { stop.notified().await }).dead_letter(move |record, error, attempts| {
        println!("given up after {attempts} attempts: {}: {error}", text(&record));
        bury();
        async { Ok(()) }
    });
    let handle = move |record: ConsumerRecord| {
        let finish = finish.clone();
        async move {
            if text(&record).ends_with("13") {
                return Err("nobody likes it");
            }
            finish();
            Ok(())
        }
    };
    let consumer = client.consumer([topic.as_str()]).await?;
    consumer.for_each_parallel(how, handle).await?;
    consumer.close().await;
    Ok(())
}

fn text(record: &ConsumerRecord) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}
