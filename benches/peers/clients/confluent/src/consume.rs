//! Its consumer, by polls, with values that share the bytes they arrived in. It knows only groups of KIP-848.

use std::collections::HashMap;

use confluent_kafka::common::TopicPartition;
use confluent_kafka::common::serialization::BytesDeserializer;
use confluent_kafka::consumer::{Consumer, ConsumerConfig, KafkaConsumer};
use peers_kit::{
    Fallible, Outcome, READ_LIMIT, Reader, Reading, Settings, TUNED_FETCH_BYTES, TUNED_PARTITION_BYTES,
    TUNED_POLL_RECORDS,
};

pub(crate) async fn consume(reading: Reading) -> Fallible<Outcome> {
    let config = ConsumerConfig::new(&settings(&reading)).map_err(|error| error.to_string())?;
    let mut consumer = KafkaConsumer::new(config, BytesDeserializer::new(), BytesDeserializer::new())
        .map_err(|error| error.to_string())?;
    if reading.group.is_some() {
        let topics = vec![reading.topic.clone()];
        consumer.subscribe_with_topics(topics).await.map_err(|error| error.to_string())?;
    } else {
        let partitions: Vec<TopicPartition> = (0..reading.partitions)
            .map(|partition| TopicPartition::new(reading.topic.clone(), partition))
            .collect();
        consumer.assign(partitions.clone()).await.map_err(|error| error.to_string())?;
        consumer.seek_to_beginning(&partitions).await.map_err(|error| error.to_string())?;
    }
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        for record in &consumer.poll(READ_LIMIT).await.map_err(|error| error.to_string())? {
            reader.take(record.value().map(AsRef::as_ref).unwrap_or_default())?;
        }
    }
    reader.outcome()
}

fn settings(reading: &Reading) -> HashMap<String, String> {
    let [partition, fetch, poll] =
        [TUNED_PARTITION_BYTES, TUNED_FETCH_BYTES, TUNED_POLL_RECORDS].map(|count| count.to_string());
    let mut pairs = vec![
        ("bootstrap.servers", reading.bootstrap.as_str()),
        ("auto.offset.reset", "earliest"),
        ("group.protocol", "consumer"),
    ];
    match &reading.group {
        Some(group) => pairs.push(("group.id", group)),
        None => pairs.push(("enable.auto.commit", "false")),
    }
    match reading.settings {
        Settings::Defaults | Settings::Prompt => {}
        Settings::Tuned => pairs.extend([
            ("max.partition.fetch.bytes", partition.as_str()),
            ("fetch.max.bytes", &fetch),
            ("max.poll.records", &poll),
            ("receive.buffer.bytes", "-1"),
        ]),
    }
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
