//! Its consumer, by polls.

use krafka::Kafka;
use krafka::consumer::{AutoOffsetReset, Consumer};
use peers_kit::{
    Fallible, Outcome, READ_LIMIT, Reader, Reading, Settings, TUNED_FETCH_BYTES, TUNED_PARTITION_BYTES,
    TUNED_POLL_RECORDS,
};

pub(crate) async fn consume(reading: Reading) -> Fallible<Outcome> {
    let consumer = begin(&reading).await?;
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        for record in &consumer.poll(READ_LIMIT).await? {
            reader.take(record.value.as_deref().unwrap_or_default())?;
        }
    }
    reader.outcome()
}

async fn begin(reading: &Reading) -> Fallible<Consumer> {
    let kafka = Kafka::builder(&reading.bootstrap).connect().await?;
    let builder = match &reading.group {
        Some(group) => kafka.consumer(group),
        None => kafka.consumer_without_group(),
    };
    let builder = builder.auto_offset_reset(AutoOffsetReset::Earliest);
    let builder = match reading.settings {
        Settings::Defaults | Settings::Prompt => builder,
        Settings::Tuned => builder
            .max_partition_fetch_bytes(i32::try_from(TUNED_PARTITION_BYTES)?)
            .fetch_max_bytes(i32::try_from(TUNED_FETCH_BYTES)?)
            .max_poll_records(i32::try_from(TUNED_POLL_RECORDS)?)
            // Its own limit of 500 would have it ask again before a fetch is handed out.
            .max_buffered_records(0),
    };
    let consumer = builder.build().await?;
    match reading.group {
        Some(_) => consumer.subscribe([&reading.topic]).await?,
        None => consumer.assign(&reading.topic, (0..reading.partitions).collect()).await?,
    }
    Ok(consumer)
}
