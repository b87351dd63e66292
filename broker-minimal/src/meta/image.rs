//! The cluster as the metadata log tells it. An image never changes: a change makes the next one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::{ConfigRecord, PartitionRecord};

use super::record::{Record, TOPIC_RESOURCE};

/// Everything that the records so far say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) topics: BTreeMap<String, Arc<Topic>>,
    pub(crate) ids: HashMap<Uuid, String>,
    /// Topics that were there once: what is left of their files may go.
    removed: HashSet<Uuid>,
    /// Where the next block of producer ids begins.
    pub(crate) next_producer_id: i64,
    /// `metadata.version`: 0 until the log's first record has been replayed.
    pub(crate) metadata_version: i16,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// By partition number.
    pub(crate) partitions: Vec<PartitionImage>,
    /// What the topic carries of its own.
    pub(crate) configs: BTreeMap<String, String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionImage {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    /// The log directory of this broker's replica; zero when no record names one.
    pub(crate) dir: Uuid,
}

/// A record that does not fit the ones before it: the log is not what was written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("a record names topic id {0}, which does not exist")]
    Topic(Uuid),
    #[error("partition {partition} of '{topic}' comes out of order")]
    Partition { topic: String, partition: i32 },
    #[error("topic '{0}' is created twice")]
    Twice(String),
}

impl Image {
    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic with this id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(self.ids.get(&id)?)
    }

    /// Whether a topic with this id was deleted.
    pub(crate) fn was_removed(&self, id: Uuid) -> bool {
        self.removed.contains(&id)
    }

    /// Applies one record. Nothing else changes an image.
    pub(crate) fn replay(&mut self, record: &Record) -> Result<(), ReplayError> {
        match record {
            Record::Topic(record) => {
                let name = record.name.clone();
                if self.topics.contains_key(&name) {
                    return Err(ReplayError::Twice(name));
                }
                let topic = Topic {
                    name: name.clone(),
                    id: record.topic_id,
                    partitions: Vec::new(),
                    configs: BTreeMap::new(),
                };
                self.ids.insert(record.topic_id, name.clone());
                self.topics.insert(name, Arc::new(topic));
            }
            Record::Partition(record) => self.replay_partition(record)?,
            Record::Config(record) => self.replay_config(record),
            Record::RemoveTopic(record) => {
                let name = self.ids.remove(&record.topic_id).ok_or(ReplayError::Topic(record.topic_id))?;
                self.topics.remove(&name);
                self.removed.insert(record.topic_id);
            }
            Record::FeatureLevel(record) => {
                if record.name == METADATA_VERSION {
                    self.metadata_version = record.feature_level;
                }
            }
            Record::ProducerIds(record) => self.next_producer_id = record.next_producer_id,
        }
        Ok(())
    }

    fn replay_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let name = self.ids.get(&record.topic_id).ok_or(ReplayError::Topic(record.topic_id))?;
        let topic = self.topics.get_mut(name).ok_or(ReplayError::Topic(record.topic_id))?;
        let topic = Arc::make_mut(topic);
        let partition = PartitionImage {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            dir: record.directories.first().copied().unwrap_or_default(),
        };
        let out_of_order =
            || ReplayError::Partition { topic: record.topic_id.to_string(), partition: record.partition_id };
        let index = usize::try_from(record.partition_id).map_err(|_| out_of_order())?;
        if index == topic.partitions.len() {
            topic.partitions.push(partition);
        } else {
            *topic.partitions.get_mut(index).ok_or_else(out_of_order)? = partition;
        }
        Ok(())
    }

    fn replay_config(&mut self, record: &ConfigRecord) {
        // Configuration of brokers is not kept here; a topic that has gone took its own along.
        if record.resource_type != TOPIC_RESOURCE {
            return;
        }
        let Some(topic) = self.topics.get_mut(&record.resource_name) else { return };
        let configs = &mut Arc::make_mut(topic).configs;
        match &record.value {
            Some(value) => configs.insert(record.name.clone(), value.clone()),
            None => configs.remove(&record.name),
        };
    }
}

/// The feature whose level says which records a log may hold.
pub(crate) const METADATA_VERSION: &str = "metadata.version";

#[cfg(test)]
mod tests {
    use kinglet_protocol::messages::metadata_records::{ProducerIdsRecord, RemoveTopicRecord, TopicRecord};

    use super::*;

    fn topic(name: &str, id: u8) -> Record {
        Record::Topic(TopicRecord { name: name.to_owned(), topic_id: Uuid([id; 16]) })
    }

    fn partition(id: u8, partition_id: i32) -> Record {
        let topic_id = Uuid([id; 16]);
        Record::Partition(PartitionRecord { partition_id, topic_id, leader: 1, ..Default::default() })
    }

    fn config(name: &str, value: Option<&str>) -> Record {
        Record::Config(ConfigRecord {
            resource_type: TOPIC_RESOURCE,
            resource_name: "t".to_owned(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    #[test]
    fn replay_builds_and_removes_topics() {
        let mut image = Image::default();
        let entry = config("retention.ms", Some("5"));
        for record in [topic("t", 1), partition(1, 0), partition(1, 1), entry, config("x", Some("1"))] {
            image.replay(&record).unwrap();
        }
        image.replay(&config("x", None)).unwrap();
        let t = image.topic("t").unwrap();
        assert_eq!((t.partitions.len(), t.configs.len()), (2, 1));
        assert_eq!(image.topic_by_id(Uuid([1; 16])).unwrap().name, "t");
        image.replay(&Record::RemoveTopic(RemoveTopicRecord { topic_id: Uuid([1; 16]) })).unwrap();
        assert!(image.topics.is_empty() && image.ids.is_empty());
        let ids = ProducerIdsRecord { broker_id: 1, broker_epoch: 0, next_producer_id: 1000 };
        image.replay(&Record::ProducerIds(ids)).unwrap();
        assert_eq!(image.next_producer_id, 1000);
    }

    #[test]
    fn an_older_image_does_not_change() {
        let mut image = Image::default();
        image.replay(&topic("t", 1)).unwrap();
        let old = image.clone();
        image.replay(&partition(1, 0)).unwrap();
        assert_eq!((old.topics["t"].partitions.len(), image.topics["t"].partitions.len()), (0, 1));
    }

    #[test]
    fn records_that_do_not_fit_are_refused() {
        let mut image = Image::default();
        assert_eq!(image.replay(&partition(1, 0)), Err(ReplayError::Topic(Uuid([1; 16]))));
        image.replay(&topic("t", 1)).unwrap();
        assert_eq!(image.replay(&topic("t", 2)), Err(ReplayError::Twice("t".to_owned())));
        assert!(matches!(image.replay(&partition(1, 4)), Err(ReplayError::Partition { .. })));
    }
}
