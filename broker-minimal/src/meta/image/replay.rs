//! What each record changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::{
    BrokerRegistrationChangeRecord, ConfigRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};

use super::{
    Broker, Endpoint, FENCE, Image, METADATA_VERSION, PartitionImage, RECOVERING, ReplayError, Topic,
    UNCHANGED, UNFENCE,
};
use crate::meta::record::{BROKER_RESOURCE, Record, TOPIC_RESOURCE};

impl Image {
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
            failed_dirs: Vec::new(),
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
            broker.failed_dirs.append(&mut broker.dirs);
            broker.failed_dirs.retain(|dir| !record.log_dirs.contains(dir));
            broker.dirs.clone_from(&record.log_dirs);
        }
        Ok(())
    }

    fn replay_config(&mut self, record: &ConfigRecord) {
        let configs = match record.resource_type {
            TOPIC_RESOURCE => match self.topics.get_mut(&record.resource_name) {
                Some(topic) => &mut Arc::make_mut(topic).configs,
                // A topic that has gone took its own along.
                None => return,
            },
            BROKER_RESOURCE => {
                Arc::make_mut(&mut self.broker_configs).entry(record.resource_name.clone()).or_default()
            }
            _ => return,
        };
        match &record.value {
            Some(value) => configs.insert(record.name.clone(), value.clone()),
            None => configs.remove(&record.name),
        };
    }
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::messages::metadata_records::ProducerIdsRecord;

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
