//! Its stream of one partition, one for each.

use std::sync::Arc;

use futures::stream::{StreamExt, select_all};
use peers_kit::{Fallible, Outcome, Reader, Reading, Settings, TUNED_PARTITION_BYTES};
use rskafka::client::ClientBuilder;
use rskafka::client::consumer::{StartOffset, StreamConsumer, StreamConsumerBuilder};
use rskafka::client::partition::UnknownTopicHandling;

pub(crate) async fn consume(reading: Reading) -> Fallible<Outcome> {
    if reading.group.is_some() {
        return Err("it knows no groups".into());
    }
    let mut records = select_all(begin(&reading).await?);
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        let (record, _) = records.next().await.ok_or("the streams have ended")??;
        reader.take(record.record.value.as_deref().unwrap_or_default())?;
    }
    reader.outcome()
}

async fn begin(reading: &Reading) -> Fallible<Vec<StreamConsumer>> {
    let client = ClientBuilder::new(vec![reading.bootstrap.clone()]).build().await?;
    let mut streams = Vec::new();
    for partition in 0..reading.partitions {
        let handling = UnknownTopicHandling::Retry;
        let partition = client.partition_client(reading.topic.clone(), partition, handling).await?;
        let builder = StreamConsumerBuilder::new(Arc::new(partition), StartOffset::Earliest);
        let builder = match reading.settings {
            Settings::Defaults | Settings::Prompt => builder,
            // Its default of 50 MiB is more than the others' partitions get.
            Settings::Tuned => builder.with_max_batch_size(i32::try_from(TUNED_PARTITION_BYTES)?),
        };
        streams.push(builder.build());
    }
    Ok(streams)
}
