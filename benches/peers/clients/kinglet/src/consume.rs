//! Its consumer: batches, and the records in them.

use kinglet::{Assignment, Client, Config, Consumer, Position};
use peers_kit::{Fallible, Outcome, Reader, Reading, Settings, TUNED_FETCH_BYTES, TUNED_PARTITION_BYTES};

pub(crate) async fn consume(reading: Reading) -> Fallible<Outcome> {
    let consumer = begin(&reading).await?;
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        let batch = consumer.recv().await?.ok_or("the consumer has ended")?;
        for record in batch.iter() {
            reader.take(record.value.unwrap_or_default())?;
        }
    }
    reader.outcome()
}

async fn begin(reading: &Reading) -> Fallible<Consumer> {
    let config = Config::new(&reading.bootstrap).set("auto.offset.reset", "earliest")?;
    let config = match reading.settings {
        Settings::Defaults | Settings::Prompt => config,
        Settings::Tuned => config
            .set("max.partition.fetch.bytes", TUNED_PARTITION_BYTES)?
            .set("fetch.max.bytes", TUNED_FETCH_BYTES)?,
    };
    let topic = reading.topic.as_str();
    let consumer = match &reading.group {
        Some(group) => Client::connect(config.set("group.id", group)?).await?.consumer([topic]).await?,
        None => {
            let all = Assignment::topics([topic], Position::Beginning);
            Client::connect(config).await?.consumer(all).await?
        }
    };
    Ok(consumer)
}
