//! An image as records, for a snapshot.

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::{
    BrokerEndpoint, BrokerRegistrationChangeRecord, ConfigRecord, FeatureLevelRecord, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, RemoveTopicRecord, TopicRecord,
};

use super::{Broker, Image, METADATA_VERSION, PartitionImage, RECOVERING};
use crate::config::Overrides;
use crate::meta::record::{BROKER_RESOURCE, Record, TOPIC_RESOURCE};

/// In snapshots a topic that was deleted has its id as its name, behind a character that no topic has.
const REMOVED: &str = "/";

impl Image {
    /// The records that make this image out of an empty one, for a snapshot. The offset is not among them.
    pub(crate) fn to_records(&self) -> Vec<Record> {
        let mut records = vec![Record::FeatureLevel(FeatureLevelRecord {
            name: METADATA_VERSION.to_owned(),
            feature_level: self.metadata_version,
        })];
        for broker in self.brokers.values() {
            records.push(Record::RegisterBroker(broker.to_record()));
            records.extend(broker.to_failure());
        }
        for topic in self.topics.values() {
            let topic_id = topic.id;
            records.push(Record::Topic(TopicRecord { name: topic.name.clone(), topic_id }));
            let partitions = (0..).zip(&topic.partitions);
            records.extend(partitions.map(|(index, partition)| partition.to_record(topic_id, index)));
            records.extend(config_records(TOPIC_RESOURCE, &topic.name, &topic.configs));
        }
        for (broker, configs) in &*self.broker_configs {
            records.extend(config_records(BROKER_RESOURCE, broker, configs));
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
}

fn config_records<'c>(
    resource_type: i8,
    resource: &'c str,
    configs: &'c Overrides,
) -> impl Iterator<Item = Record> + use<'c> {
    configs.iter().map(move |(name, value)| {
        Record::Config(ConfigRecord {
            resource_type,
            resource_name: resource.to_owned(),
            name: name.clone(),
            value: Some(value.clone()),
        })
    })
}

impl Broker {
    /// The record that says which of its directories have failed, if some have.
    pub(crate) fn to_failure(&self) -> Option<Record> {
        let change = BrokerRegistrationChangeRecord {
            broker_id: self.id,
            broker_epoch: self.epoch,
            log_dirs: self.dirs.clone(),
            ..Default::default()
        };
        (!self.failed_dirs.is_empty()).then_some(Record::BrokerChange(change))
    }

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
            log_dirs: [&self.dirs[..], &self.failed_dirs].concat(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_brokers_were_told_at_run_time_is_in_a_snapshot() {
        let entry = |broker: &str, value: Option<&str>| {
            Record::Config(ConfigRecord {
                resource_type: BROKER_RESOURCE,
                resource_name: broker.to_owned(),
                name: "log.roll.ms".to_owned(),
                value: value.map(str::to_owned),
            })
        };
        let mut image = Image::default();
        for record in [entry("", Some("1")), entry("2", Some("2")), entry("3", Some("3")), entry("3", None)] {
            image.replay(&record).unwrap();
        }
        let mut again = Image::default();
        image.to_records().iter().for_each(|record| again.replay(record).unwrap());
        for broker in [2, 3] {
            assert_eq!(again.dynamic(broker), image.dynamic(broker));
        }
        let own = |broker: i32| again.dynamic(broker).broker.len();
        assert_eq!((own(2), own(3), again.dynamic(3).default.len()), (1, 0, 1));
    }
}
