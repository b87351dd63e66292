//! The settings that producers and consumers of the crate `rdkafka` are measured with: librdkafka's own keys.

use peers_kit::{Order, Reading, Settings, TUNED_BATCH_BYTES, TUNED_BUFFER_BYTES, TUNED_LINGER};
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// The configuration of an order.
pub fn producer_config(order: &Order) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &order.bootstrap);
    config.set("acks", "all");
    config.set("compression.type", order.codec.name());
    match order.settings {
        Settings::Defaults => {}
        Settings::Prompt => {
            config.set("linger.ms", "0");
        }
        Settings::Tuned => {
            config.set("linger.ms", TUNED_LINGER.as_millis().to_string());
            config.set("batch.size", TUNED_BATCH_BYTES.to_string());
            // Its own limit of 10,000 records would close batches of small ones early.
            config.set("batch.num.messages", "1000000");
            config.set("queue.buffering.max.messages", "10000000");
            config.set("queue.buffering.max.kbytes", (TUNED_BUFFER_BYTES / 1024).to_string());
            config.set("enable.idempotence", "true");
        }
    }
    config
}

/// The configuration of a reading.
pub fn consumer_config(reading: &Reading) -> ClientConfig {
    reading.librdkafka_settings().into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Joins the group, or takes all partitions.
pub fn begin(consumer: &impl Consumer, reading: &Reading) -> KafkaResult<()> {
    if reading.group.is_some() {
        return consumer.subscribe(&[&reading.topic]);
    }
    let mut partitions = TopicPartitionList::new();
    for partition in 0..reading.partitions {
        partitions.add_partition_offset(&reading.topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&partitions)
}
