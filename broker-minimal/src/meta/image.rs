//! The cluster as the metadata log tells it. An image never changes: a change makes the next one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kinglet_protocol::messages::metadata_records::{
    BrokerEndpoint, BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, PartitionChangeRecord,
    PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};
use kinglet_protocol::{ErrorCode, Uuid};

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
    /// Every broker that has registered, by id; those that are fenced too.
    pub(crate) brokers: BTreeMap<i32, Arc<Broker>>,
    /// Offset of the metadata log's next record: how much of it this image has seen.
    pub(crate) offset: i64,
}

/// One broker, as it registered (KIP-631).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    /// Offset of the record that registered this life of it: a later life has a larger one.
    pub(crate) epoch: i64,
    /// Drawn anew by each process.
    pub(crate) incarnation: Uuid,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) rack: Option<String>,
    /// It leads nothing and is in no ISR that grows.
    pub(crate) is_fenced: bool,
    pub(crate) is_shutting_down: bool,
    /// Ids of its log directories, in the order of its configuration.
    pub(crate) dirs: Vec<Uuid>,
}

/// Where one listener of a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The listener's name.
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub(crate) security_protocol: i16,
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
    /// -1 when nobody leads.
    pub(crate) leader: i32,
    /// Grows with every change of the leader.
    pub(crate) leader_epoch: i32,
    /// Grows with every change.
    pub(crate) partition_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    /// Replicas that left the ISR while it was too small for writes: they have everything that was acked (KIP-966).
    pub(crate) elr: Vec<i32>,
    /// The ISR's last member, when it has stopped uncleanly.
    pub(crate) last_known_elr: Vec<i32>,
    pub(crate) adding: Vec<i32>,
    pub(crate) removing: Vec<i32>,
    /// Its leader was elected uncleanly and has not said yet that it knows (KIP-704).
    pub(crate) is_recovering: bool,
    /// The log directory of each replica, in their order; zero where no record names one.
    pub(crate) dirs: Vec<Uuid>,
}

impl PartitionImage {
    /// The log directory of a broker's replica; zero when no record names one.
    pub(crate) fn dir_of(&self, broker: i32) -> Uuid {
        let at = self.replicas.iter().position(|replica| *replica == broker);
        at.and_then(|at| self.dirs.get(at)).copied().unwrap_or_default()
    }
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
    #[error("a record names broker {0} with epoch {1}, which is not registered")]
    Broker(i32, i64),
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

    /// The broker of this id.
    pub(crate) fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// The replicas whose brokers are not there.
    pub(crate) fn offline(&self, partition: &PartitionImage) -> Vec<i32> {
        let is_offline = |id: &&i32| self.brokers.get(id).is_none_or(|broker| broker.is_fenced);
        partition.replicas.iter().filter(is_offline).copied().collect()
    }

    /// The partition, by the id of its topic.
    pub(crate) fn partition(&self, topic: Uuid, index: i32) -> Option<&PartitionImage> {
        self.topic_by_id(topic)?.partitions.get(usize::try_from(index).ok()?)
    }

    /// The partition, if it exists and `broker` has a replica of it; why not otherwise.
    pub(crate) fn replica(&self, topic: Uuid, index: i32, broker: i32) -> Result<&PartitionImage, ErrorCode> {
        let partition = self.partition(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let is_here = partition.replicas.contains(&broker);
        if is_here { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }

    /// Applies one record. Nothing else changes an image.
    pub(crate) fn replay(&mut self, record: &Record) -> Result<(), ReplayError> {
        match record {
            Record::Topic(record) => self.replay_topic(record)?,
            Record::Partition(record) => self.replay_partition(record)?,
            Record::PartitionChange(record) => self.replay_change(record)?,
            Record::Config(record) => self.replay_config(record),
            Record::RemoveTopic(record) => self.replay_removal(record)?,
            Record::FeatureLevel(record) => {
                if record.name == METADATA_VERSION {
                    self.metadata_version = record.feature_level;
                }
            }
            Record::ProducerIds(record) => self.next_producer_id = record.next_producer_id,
            Record::RegisterBroker(record) => self.replay_registration(record),
            Record::BrokerChange(record) => self.replay_broker_change(record)?,
            Record::UnregisterBroker(record) => {
                self.brokers.remove(&record.broker_id);
            }
            Record::NoOp(_) => {}
        }
        self.offset += 1;
        Ok(())
    }

    fn replay_topic(&mut self, record: &TopicRecord) -> Result<(), ReplayError> {
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
        Ok(())
    }

    fn replay_removal(&mut self, record: &RemoveTopicRecord) -> Result<(), ReplayError> {
        let name = self.ids.remove(&record.topic_id).ok_or(ReplayError::Topic(record.topic_id))?;
        self.topics.remove(&name);
        self.removed.insert(record.topic_id);
        Ok(())
    }

    fn replay_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let partition = PartitionImage {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            adding: record.adding_replicas.clone(),
            removing: record.removing_replicas.clone(),
            is_recovering: record.leader_recovery_state == RECOVERING,
            dirs: record.directories.clone(),
        };
        let out_of_order =
            || ReplayError::Partition { topic: record.topic_id.to_string(), partition: record.partition_id };
        let topic = self.topic_mut(record.topic_id)?;
        let index = usize::try_from(record.partition_id).map_err(|_| out_of_order())?;
        if index == topic.partitions.len() {
            topic.partitions.push(partition);
        } else {
            *topic.partitions.get_mut(index).ok_or_else(out_of_order)? = partition;
        }
        Ok(())
    }

    fn replay_change(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let index = usize::try_from(record.partition_id).ok();
        let topic = self.topic_mut(record.topic_id)?;
        let partition = index.and_then(|index| topic.partitions.get_mut(index)).ok_or_else(|| {
            ReplayError::Partition { topic: record.topic_id.to_string(), partition: record.partition_id }
        })?;
        if record.leader != UNCHANGED {
            // A leader that is stated anew begins a new epoch, even if it is the old one.
            partition.leader = record.leader;
            partition.leader_epoch += 1;
        }
        partition.partition_epoch += 1;
        let lists = [
            (&mut partition.isr, &record.isr),
            (&mut partition.replicas, &record.replicas),
            (&mut partition.removing, &record.removing_replicas),
            (&mut partition.adding, &record.adding_replicas),
            (&mut partition.elr, &record.eligible_leader_replicas),
            (&mut partition.last_known_elr, &record.last_known_elr),
        ];
        for (list, change) in lists {
            if let Some(change) = change {
                list.clone_from(change);
            }
        }
        if let Some(dirs) = &record.directories {
            partition.dirs.clone_from(dirs);
        }
        if record.leader_recovery_state >= 0 {
            partition.is_recovering = record.leader_recovery_state == RECOVERING;
        }
        Ok(())
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut Topic, ReplayError> {
        let name = self.ids.get(&id).ok_or(ReplayError::Topic(id))?;
        let topic = self.topics.get_mut(name).ok_or(ReplayError::Topic(id))?;
        Ok(Arc::make_mut(topic))
    }

    fn replay_registration(&mut self, record: &RegisterBrokerRecord) {
        let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let broker = Broker {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation: record.incarnation_id,
            endpoints: endpoints.collect(),
            rack: record.rack.clone(),
            is_fenced: record.fenced,
            is_shutting_down: record.in_controlled_shutdown,
            dirs: record.log_dirs.clone(),
        };
        self.brokers.insert(record.broker_id, Arc::new(broker));
    }

    fn replay_broker_change(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
        let unknown = || ReplayError::Broker(record.broker_id, record.broker_epoch);
        let broker = self.brokers.get_mut(&record.broker_id).ok_or_else(unknown)?;
        if broker.epoch != record.broker_epoch {
            return Err(unknown());
        }
        let broker = Arc::make_mut(broker);
        match record.fenced {
            FENCE => broker.is_fenced = true,
            UNFENCE => broker.is_fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == FENCE {
            broker.is_shutting_down = true;
        }
        if !record.log_dirs.is_empty() {
            broker.dirs.clone_from(&record.log_dirs);
        }
        Ok(())
    }

    /// The records that make this image out of an empty one, for a snapshot. The offset is not among them.
    pub(crate) fn to_records(&self) -> Vec<Record> {
        let mut records = vec![Record::FeatureLevel(FeatureLevelRecord {
            name: METADATA_VERSION.to_owned(),
            feature_level: self.metadata_version,
        })];
        records.extend(self.brokers.values().map(|broker| Record::RegisterBroker(broker.to_record())));
        for topic in self.topics.values() {
            let topic_id = topic.id;
            records.push(Record::Topic(TopicRecord { name: topic.name.clone(), topic_id }));
            let partitions = (0..).zip(&topic.partitions);
            records.extend(partitions.map(|(index, partition)| partition.to_record(topic_id, index)));
            records.extend(topic.configs.iter().map(|(name, value)| {
                Record::Config(ConfigRecord {
                    resource_type: TOPIC_RESOURCE,
                    resource_name: topic.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                })
            }));
        }
        // Files of a topic that was deleted must go at a start from a snapshot too.
        for topic_id in &self.removed {
            let name = format!("{REMOVED}{topic_id}");
            records.push(Record::Topic(TopicRecord { name, topic_id: *topic_id }));
            records.push(Record::RemoveTopic(RemoveTopicRecord { topic_id: *topic_id }));
        }
        let next_producer_id = self.next_producer_id;
        records.push(Record::ProducerIds(ProducerIdsRecord {
            broker_id: -1,
            broker_epoch: -1,
            next_producer_id,
        }));
        records
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

impl Broker {
    pub(crate) fn to_record(&self) -> RegisterBrokerRecord {
        let end_points = self.endpoints.iter().map(|endpoint| BrokerEndpoint {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        RegisterBrokerRecord {
            broker_id: self.id,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch,
            end_points: end_points.collect(),
            rack: self.rack.clone(),
            fenced: self.is_fenced,
            in_controlled_shutdown: self.is_shutting_down,
            log_dirs: self.dirs.clone(),
            ..Default::default()
        }
    }
}

impl PartitionImage {
    fn to_record(&self, topic_id: Uuid, partition_id: i32) -> Record {
        let if_any = |list: &Vec<i32>| (!list.is_empty()).then(|| list.clone());
        Record::Partition(PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: self.leader,
            leader_recovery_state: i8::from(self.is_recovering) * RECOVERING,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.dirs.clone(),
            eligible_leader_replicas: if_any(&self.elr),
            last_known_elr: if_any(&self.last_known_elr),
        })
    }
}

/// `leader` of a change that leaves it.
pub(crate) const UNCHANGED: i32 = -2;
/// `leader_recovery_state` after an unclean election (KIP-704).
pub(crate) const RECOVERING: i8 = 1;
/// `fenced` of a broker's change: it is fenced now.
pub(crate) const FENCE: i8 = 1;
/// `fenced` of a broker's change: it is fenced no more.
pub(crate) const UNFENCE: i8 = -1;
/// In snapshots a topic that was deleted has its id as its name, behind a character that no topic has.
const REMOVED: &str = "/";

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
