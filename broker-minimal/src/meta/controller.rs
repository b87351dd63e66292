//! Decides about changes of the metadata: (request, image) in, (records, answers) out. Nothing is kept or sent here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::metadata_records::{
    ConfigRecord, FeatureLevelRecord, PartitionRecord, ProducerIdsRecord, RemoveTopicRecord, TopicRecord,
};

use super::image::{Image, METADATA_VERSION, Topic};
use super::name::{self, Twins};
use super::placement::Placement;
use super::record::{Record, TOPIC_RESOURCE};
use super::refusal::Refusal;
use crate::config::{Config, Overrides, check_topic_config};

/// Kafka's bound for one request; it keeps a slip of the keyboard from making a million directories.
const PARTITIONS_PER_REQUEST: usize = 10_000;
/// How many producer ids are taken at once: one write to the log serves that many producers.
pub(crate) const PRODUCER_ID_BLOCK: i64 = 1000;
/// 4.0-IV3: the first release without ZooKeeper wrote it, and all records here are older than it.
const METADATA_LEVEL: i16 = 25;

/// What decisions are made from.
pub(crate) struct Controller<'a> {
    pub(crate) image: &'a Image,
    pub(crate) config: &'a Config,
    /// The log directories, in the order of the configuration.
    pub(crate) dirs: &'a [Uuid],
    /// Draws the id of a new topic.
    pub(crate) new_id: fn() -> Uuid,
}

/// A topic that was made, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) id: Uuid,
    pub(crate) partitions: usize,
    pub(crate) replication_factor: i16,
    pub(crate) configs: Overrides,
}

/// A topic that was deleted, or an id or name that was not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) name: Option<String>,
    pub(crate) id: Uuid,
    pub(crate) result: Result<(), Refusal>,
}

/// Records to keep, and what to tell of each thing that was asked for, in its order.
pub(crate) type Decision<R> = (Vec<Record>, Vec<R>);

impl Controller<'_> {
    /// What a new metadata log begins with.
    pub(crate) fn first_records() -> Vec<Record> {
        let name = METADATA_VERSION.to_owned();
        vec![Record::FeatureLevel(FeatureLevelRecord { name, feature_level: METADATA_LEVEL })]
    }

    /// Creates topics; one that is refused keeps no other from being made.
    pub(crate) fn create_topics(&self, topics: &[CreatableTopic]) -> Decision<Result<Created, Refusal>> {
        let asked = topics.iter().map(|topic| self.partition_count(topic)).sum::<usize>();
        if asked > PARTITIONS_PER_REQUEST {
            return (Vec::new(), topics.iter().map(|_| Err(Refusal::TooManyPartitions)).collect());
        }
        let times = times(topics.iter().map(|topic| topic.name.as_str()));
        let mut placement = Placement::new(self.dirs, self.image);
        // Later topics of the request must not collide with earlier ones.
        let mut image = self.image.clone();
        let mut twins = Twins::of(&image);
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(topics.len());
        for topic in topics {
            let made = if times.get(topic.name.as_str()).is_some_and(|times| *times > 1) {
                Err(Refusal::DuplicateName)
            } else {
                self.create_topic(topic, &image, &twins, &mut placement)
            };
            answers.push(made.map(|(new, created)| {
                if let Some(first) = new.first() {
                    image.replay(first).expect("the name was checked to be free");
                    twins.add(&topic.name);
                }
                records.extend(new);
                created
            }));
        }
        (records, answers)
    }

    /// How many partitions the request asks for.
    fn partition_count(&self, topic: &CreatableTopic) -> usize {
        match (topic.assignments.len(), topic.num_partitions) {
            (0, -1) => usize::try_from(self.config.num_partitions).unwrap_or(1),
            (0, count) => usize::try_from(count).unwrap_or(0),
            (assigned, _) => assigned,
        }
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        image: &Image,
        twins: &Twins,
        placement: &mut Placement,
    ) -> Result<(Vec<Record>, Created), Refusal> {
        name::check_new(&topic.name, image, twins)?;
        let configs = own_configs(topic)?;
        let (partitions, replication_factor) = self.layout(topic)?;
        let id = (self.new_id)();
        let mut records = vec![Record::Topic(TopicRecord { name: topic.name.clone(), topic_id: id })];
        records
            .extend(configs.iter().map(|(key, value)| config_record(&topic.name, key, Some(value.clone()))));
        records.extend((0..partitions).map(|index| self.partition_record(id, index, placement)));
        Ok((records, Created { id, partitions, replication_factor, configs }))
    }

    /// Partition count and replication factor, out of numbers, defaults or an assignment by hand.
    fn layout(&self, topic: &CreatableTopic) -> Result<(usize, i16), Refusal> {
        if !topic.assignments.is_empty() {
            if topic.replication_factor != -1 {
                return Err(Refusal::FactorAndAssignment);
            }
            if topic.num_partitions != -1 {
                return Err(Refusal::CountAndAssignment);
            }
            let mut by_partition = BTreeMap::new();
            for assignment in &topic.assignments {
                if by_partition.insert(assignment.partition_index, &assignment.broker_ids).is_some() {
                    return Err(Refusal::AssignedTwice(assignment.partition_index));
                }
            }
            if !by_partition.keys().copied().eq((0..).take(by_partition.len())) {
                return Err(Refusal::AssignmentGap);
            }
            let factor = self.check_assignment(by_partition.values().copied())?;
            return Ok((by_partition.len(), factor));
        }
        let factor = match topic.replication_factor {
            -1 => self.config.default_replication_factor,
            factor => factor,
        };
        if factor < 1 {
            return Err(Refusal::ReplicationFactor);
        }
        let partitions = self.partition_count(topic);
        if partitions == 0 {
            return Err(Refusal::PartitionCount);
        }
        if factor > 1 {
            return Err(Refusal::NotEnoughBrokers { factor, brokers: 1 });
        }
        Ok((partitions, factor))
    }

    /// Checks replicas that were named by hand and says how many each partition has.
    fn check_assignment<'b>(&self, lists: impl Iterator<Item = &'b Vec<i32>>) -> Result<i16, Refusal> {
        let mut before = None;
        for brokers in lists {
            if brokers.is_empty() {
                return Err(Refusal::NoReplica);
            }
            let mut seen = HashSet::new();
            for &broker in brokers {
                if broker != self.config.node_id {
                    return Err(Refusal::UnknownBroker(broker));
                }
                if !seen.insert(broker) {
                    return Err(Refusal::BrokerTwice(broker));
                }
            }
            let here = brokers.len();
            match before {
                Some(before) if before != here => return Err(Refusal::UnevenAssignment { here, before }),
                _ => before = Some(here),
            }
        }
        Ok(i16::try_from(before.unwrap_or(1)).unwrap_or(i16::MAX))
    }

    fn partition_record(&self, topic_id: Uuid, index: usize, placement: &mut Placement) -> Record {
        let node = self.config.node_id;
        Record::Partition(PartitionRecord {
            partition_id: i32::try_from(index).expect("a request makes far fewer partitions than 2^31"),
            topic_id,
            replicas: vec![node],
            isr: vec![node],
            leader: node,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![placement.next()],
            ..Default::default()
        })
    }

    /// Deletes topics by name or id.
    pub(crate) fn delete_topics(&self, topics: &[DeleteTopicState]) -> Decision<Deleted> {
        let mut records = Vec::new();
        let mut gone = HashSet::new();
        let mut answers = Vec::with_capacity(topics.len());
        for asked in topics {
            let found = self.find(asked);
            let (name, id) = match &found {
                Ok(topic) => (Some(topic.name.clone()), topic.id),
                Err(_) => (asked.name.clone(), asked.topic_id),
            };
            let result = found.and_then(|topic| match (gone.insert(topic.id), &asked.name) {
                (true, _) => {
                    records.push(Record::RemoveTopic(RemoveTopicRecord { topic_id: topic.id }));
                    Ok(())
                }
                (false, Some(_)) => Err(Refusal::DuplicateTopic),
                (false, None) => Err(Refusal::DuplicateId),
            });
            answers.push(Deleted { name, id, result });
        }
        (records, answers)
    }

    fn find(&self, asked: &DeleteTopicState) -> Result<&Topic, Refusal> {
        match (&asked.name, asked.topic_id.is_zero()) {
            (None, true) => Err(Refusal::Unnamed),
            (Some(_), false) => Err(Refusal::NamedTwice),
            (Some(name), true) => self.image.topic(name).map(|topic| &**topic).ok_or(Refusal::UnknownTopic),
            (None, false) => {
                let id = asked.topic_id;
                self.image.topic_by_id(id).map(|topic| &**topic).ok_or(Refusal::UnknownTopicId(id))
            }
        }
    }

    /// Adds partitions to topics.
    pub(crate) fn create_partitions(
        &self,
        topics: &[CreatePartitionsTopic],
    ) -> Decision<Result<(), Refusal>> {
        let times = times(topics.iter().map(|topic| topic.name.as_str()));
        let mut placement = Placement::new(self.dirs, self.image);
        let mut records = Vec::new();
        let mut room = PARTITIONS_PER_REQUEST;
        let answers = topics.iter().map(|asked| {
            if times.get(asked.name.as_str()).is_some_and(|times| *times > 1) {
                return Err(Refusal::DuplicateName);
            }
            let topic = self.image.topic(&asked.name).ok_or(Refusal::UnknownTopic)?;
            let added = self.added(topic, asked)?;
            room = room.checked_sub(added).ok_or(Refusal::TooManyPartitions)?;
            let has = topic.partitions.len();
            records.extend(
                (has..has + added).map(|index| self.partition_record(topic.id, index, &mut placement)),
            );
            Ok(())
        });
        let answers = answers.collect();
        (records, answers)
    }

    fn added(&self, topic: &Topic, asked: &CreatePartitionsTopic) -> Result<usize, Refusal> {
        let has = topic.partitions.len();
        let count = usize::try_from(asked.count).unwrap_or(0);
        if count == has {
            return Err(Refusal::SamePartitions(has));
        }
        let Some(added) = count.checked_sub(has) else {
            return Err(Refusal::NoIncrease { topic: topic.name.clone(), has, asked: asked.count });
        };
        if let Some(assignments) = &asked.assignments {
            if assignments.len() != added {
                return Err(Refusal::FewAssignments { added, assigned: assignments.len() });
            }
            self.check_assignment(assignments.iter().map(|assignment| &assignment.broker_ids))?;
        }
        Ok(added)
    }

    /// Takes the next block of producer ids and says where it begins.
    pub(crate) fn producer_ids(&self) -> (Vec<Record>, i64) {
        let first = self.image.next_producer_id;
        let record = ProducerIdsRecord {
            broker_id: self.config.node_id,
            broker_epoch: 0,
            next_producer_id: first.saturating_add(PRODUCER_ID_BLOCK),
        };
        (vec![Record::ProducerIds(record)], first)
    }
}

/// How often each is there. Counted once: looking through the request for each of its lines is quadratic.
pub(super) fn times<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut times = HashMap::new();
    for key in keys {
        *times.entry(key).or_default() += 1;
    }
    times
}

/// What a new topic carries of its own.
fn own_configs(topic: &CreatableTopic) -> Result<Overrides, Refusal> {
    let mut configs = Overrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else { return Err(Refusal::NullConfig(config.name.clone())) };
        check_topic_config(&config.name, value)?;
        configs.insert(config.name.clone(), value.clone());
    }
    Ok(configs)
}

/// One entry of a topic's configuration; no value takes it back.
pub(super) fn config_record(topic: &str, key: &str, value: Option<String>) -> Record {
    Record::Config(ConfigRecord {
        resource_type: TOPIC_RESOURCE,
        resource_name: topic.to_owned(),
        name: key.to_owned(),
        value,
    })
}

#[cfg(test)]
mod tests;
