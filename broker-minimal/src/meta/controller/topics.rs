//! Topics: made, grown and deleted.

use std::collections::HashSet;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::metadata_records::{RemoveTopicRecord, TopicRecord};

use super::layout::factor;
use super::{Controller, Decision, config_record, times};
use crate::config::{Overrides, check_topic_config};
use crate::meta::image::{Image, Topic};
use crate::meta::name::{self, Twins};
use crate::meta::placement::Placement;
use crate::meta::record::{Record, TOPIC_RESOURCE};
use crate::meta::refusal::Refusal;

/// Kafka's bound for one request; it keeps a slip of the keyboard from making a million directories.
const PARTITIONS_PER_REQUEST: usize = 10_000;

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

impl Controller<'_> {
    /// Creates topics; one that is refused keeps no other from being made.
    pub(crate) fn create_topics(&self, topics: &[CreatableTopic]) -> Decision<Result<Created, Refusal>> {
        let asked = topics.iter().map(|topic| self.partition_count(topic)).sum::<usize>();
        if asked > PARTITIONS_PER_REQUEST {
            return (Vec::new(), topics.iter().map(|_| Err(Refusal::TooManyPartitions)).collect());
        }
        let times = times(topics.iter().map(|topic| topic.name.as_str()));
        let mut placement = Placement::new(self.image, self.seed);
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

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        image: &Image,
        twins: &Twins,
        placement: &mut Placement,
    ) -> Result<(Vec<Record>, Created), Refusal> {
        name::check_new(&topic.name, image, twins)?;
        let configs = own_configs(topic)?;
        let layout = self.layout(topic, placement)?;
        let id = (self.new_id)();
        let mut records = vec![Record::Topic(TopicRecord { name: topic.name.clone(), topic_id: id })];
        let resource = (TOPIC_RESOURCE, topic.name.as_str());
        records.extend(configs.iter().map(|(key, value)| config_record(resource, key, Some(value.clone()))));
        let created = Created {
            id,
            partitions: layout.len(),
            replication_factor: layout.first().map_or(0, |replicas| factor(replicas)),
            configs,
        };
        let partitions = layout.into_iter().enumerate();
        records.extend(
            partitions.map(|(index, replicas)| self.partition_record(id, index, replicas, placement)),
        );
        Ok((records, created))
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
        let mut placement = Placement::new(self.image, self.seed);
        let mut records = Vec::new();
        let mut room = PARTITIONS_PER_REQUEST;
        let answers =
            topics.iter().map(|asked| {
                if times.get(asked.name.as_str()).is_some_and(|times| *times > 1) {
                    return Err(Refusal::DuplicateName);
                }
                let topic = self.image.topic(&asked.name).ok_or(Refusal::UnknownTopic)?;
                let added = self.added(topic, asked)?;
                room = room.checked_sub(added).ok_or(Refusal::TooManyPartitions)?;
                let layout = self.grown(topic, asked, added, &mut placement)?;
                records.extend((topic.partitions.len()..).zip(layout).map(|(index, replicas)| {
                    self.partition_record(topic.id, index, replicas, &mut placement)
                }));
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
        Ok(added)
    }
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
