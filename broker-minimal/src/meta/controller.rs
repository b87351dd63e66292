//! Decides about changes of the metadata: (request, image) in, (records, answers) out. Nothing is kept or sent here.

mod brokers;
mod election;
mod isr;
mod layout;
mod reassignment;
mod topics;

use std::collections::HashMap;
use std::hash::Hash;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::{ConfigRecord, FeatureLevelRecord};

use super::image::{Image, METADATA_VERSION, PartitionImage, Topic};
use super::record::Record;
use crate::config::{Config, topic_default};

pub(crate) use brokers::Beat;
pub(crate) use election::Election;
pub(crate) use topics::{Created, Deleted};

/// How many producer ids are taken at once: one write to the log serves that many producers.
const PRODUCER_ID_BLOCK: i64 = 1000;
/// 4.0-IV3: the first release without ZooKeeper wrote it, and all records here are older than it.
const METADATA_LEVEL: i16 = 25;

/// What decisions are made from.
#[derive(Clone, Copy)]
pub(crate) struct Controller<'a> {
    pub(crate) image: &'a Image,
    pub(crate) config: &'a Config,
    pub(crate) cluster_id: &'a str,
    /// Where the placing of partitions begins.
    pub(crate) seed: u64,
    /// Draws the id of a new topic.
    pub(crate) new_id: fn() -> Uuid,
}

/// Records to keep, and what to tell of each thing that was asked for, in its order.
pub(crate) type Decision<R> = (Vec<Record>, Vec<R>);

impl Controller<'_> {
    /// What a new metadata log begins with.
    pub(crate) fn first_records() -> Vec<Record> {
        let name = METADATA_VERSION.to_owned();
        vec![Record::FeatureLevel(FeatureLevelRecord { name, feature_level: METADATA_LEVEL })]
    }

    /// Whether the broker is there, unfenced, and means to stay.
    fn is_active(&self, broker: i32) -> bool {
        self.image.broker(broker).is_some_and(|broker| !broker.is_fenced && !broker.is_shutting_down)
    }

    /// Whether a broker may lead a partition, or be in its ISR: it is active, and has not lost its log.
    fn may_hold(&self, partition: &PartitionImage, broker: i32) -> bool {
        self.is_active(broker) && !self.image.has_failed(partition, broker)
    }

    /// Every partition with its topic and number.
    fn partitions(&self) -> impl Iterator<Item = (&Topic, usize, &PartitionImage)> {
        let topics = self.image.topics.values();
        topics.flat_map(|topic| {
            topic.partitions.iter().enumerate().map(move |(index, partition)| (&**topic, index, partition))
        })
    }

    /// What holds for a topic under a key that has the same name among the brokers' keys.
    fn topic_value(&self, topic: &Topic, key: &str) -> String {
        let of_brokers = |name: &str| self.image.broker_configs.get(name)?.get(key);
        let own = topic.configs.get(key).or_else(|| of_brokers(&self.config.node_id.to_string()));
        let value = own.or_else(|| of_brokers("")).cloned();
        value.unwrap_or_else(|| topic_default(self.config, key))
    }

    fn min_isr(&self, topic: &Topic) -> usize {
        self.topic_value(topic, MIN_ISR).parse().unwrap_or(1)
    }
}

pub(super) const MIN_ISR: &str = "min.insync.replicas";
pub(super) const UNCLEAN: &str = "unclean.leader.election.enable";

/// How often each is there. Counted once: looking through the request for each of its lines is quadratic.
pub(super) fn times<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut times = HashMap::new();
    for key in keys {
        *times.entry(key).or_default() += 1;
    }
    times
}

/// One entry of a configuration; no value takes it back.
pub(super) fn config_record(
    (resource_type, resource): (i8, &str),
    key: &str,
    value: Option<String>,
) -> Record {
    Record::Config(ConfigRecord {
        resource_type,
        resource_name: resource.to_owned(),
        name: key.to_owned(),
        value,
    })
}

#[cfg(test)]
pub(crate) mod tests;
