//! Topics: create, delete, extend, list, describe.

use std::collections::{HashMap, VecDeque};

use super::{Admin, result, unanswered};
use crate::client::Target;
use crate::metadata::Wanted;
use crate::protocol::messages::create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic};
use crate::protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
};
use crate::protocol::messages::delete_topics::DeleteTopicState;
use crate::protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, TopicRequest,
};
use crate::protocol::messages::metadata::{MetadataResponsePartition, MetadataResponseTopic};
use crate::protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeTopicPartitionsRequest,
};
use crate::protocol::{ErrorCode, Uuid};
use crate::{Error, ErrorKind, PerItem, Result};

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    name: String,
    partitions: i32,
    replication_factor: i16,
    assignment: Vec<Vec<i32>>,
    configs: Vec<(String, Option<String>)>,
}

impl NewTopic {
    /// A topic with so many partitions and replicas; -1 leaves the number to the broker.
    pub fn new(name: impl Into<String>, partitions: i32, replication_factor: i16) -> Self {
        let (assignment, configs) = (Vec::new(), Vec::new());
        Self { name: name.into(), partitions, replication_factor, assignment, configs }
    }

    /// A topic whose replicas are placed by hand: for each partition the brokers, the preferred leader first.
    pub fn assigned(name: impl Into<String>, assignment: Vec<Vec<i32>>) -> Self {
        Self { assignment, ..Self::new(name, -1, -1) }
    }

    /// With this configuration entry.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.push((key.into(), Some(value.into())));
        self
    }
}

/// What a new topic became. A broker before version 2.4 says nothing of it: then id and numbers are zero or -1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its id.
    pub id: Uuid,
    /// How many partitions it has.
    pub partitions: i32,
    /// How many replicas each has.
    pub replication_factor: i16,
}

/// Partitions to add to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartitions {
    topic: String,
    count: i32,
    assignment: Option<Vec<Vec<i32>>>,
}

impl NewPartitions {
    /// So many that `topic` has `count` afterwards.
    pub fn to(topic: impl Into<String>, count: i32) -> Self {
        Self { topic: topic.into(), count, assignment: None }
    }

    /// With the new partitions' replicas placed by hand.
    #[must_use]
    pub fn assigned(mut self, assignment: Vec<Vec<i32>>) -> Self {
        self.assignment = Some(assignment);
        self
    }
}

/// One line of a list of topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers older than ids.
    pub id: Uuid,
    /// Whether it is the brokers' own.
    pub internal: bool,
}

/// A topic and where its partitions are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id; zero from brokers older than ids.
    pub id: Uuid,
    /// Whether it is the brokers' own.
    pub internal: bool,
    /// In the order of their numbers.
    pub partitions: Vec<PartitionDescription>,
}

/// One partition and its replicas, by broker id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// Who leads it; `None` when nobody does.
    pub leader: Option<i32>,
    /// The leader's epoch; -1 when unknown.
    pub leader_epoch: i32,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
    /// Those that may be elected without loss (KIP-966); `None` when the broker does not say.
    pub elr: Option<Vec<i32>>,
    /// The last ones that were known to be eligible.
    pub last_known_elr: Option<Vec<i32>>,
    /// Those that are down.
    pub offline: Vec<i32>,
}

impl Admin {
    /// Creates topics.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Result<PerItem<String, TopicInfo>> {
        let mut topics: Vec<CreatableTopic> = topics.into_iter().map(creatable).collect();
        self.fill_defaults(&mut topics).await?;
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let timeout_ms = self.core.request_timeout_ms();
        let request = CreateTopicsRequest { topics, timeout_ms, ..Default::default() };
        let response = self
            .change(&request, |r| r.topics.iter().any(|t| t.error_code == ErrorCode::NOT_CONTROLLER))
            .await?;
        let mut answers: HashMap<String, CreatableTopicResult> =
            response.topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
        let answer = |name: String| {
            let answer = answers.remove(&name).map_or_else(
                || Err(unanswered(format_args!("topic {name}"))),
                |t| {
                    let info = TopicInfo {
                        id: t.topic_id,
                        partitions: t.num_partitions,
                        replication_factor: t.replication_factor,
                    };
                    result(t.error_code, t.error_message, &format!("topic {name}"), info)
                },
            );
            (name, answer)
        };
        Ok(names.into_iter().map(answer).collect())
    }

    /// Deletes topics with all their records.
    pub async fn delete_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PerItem<String, ()>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let version = self.core.connection(&Target::Any).await?.version::<DeleteTopicsRequest>(i16::MAX)?;
        let mut request =
            DeleteTopicsRequest { timeout_ms: self.core.request_timeout_ms(), ..Default::default() };
        if version >= 6 {
            let state = |name: &String| DeleteTopicState { name: Some(name.clone()), topic_id: Uuid::ZERO };
            request.topics = names.iter().map(state).collect();
        } else {
            request.topic_names.clone_from(&names);
        }
        let refused = |code| code == ErrorCode::NOT_CONTROLLER;
        let response = self.change(&request, |r| r.responses.iter().any(|t| refused(t.error_code))).await?;
        let mut answers: HashMap<_, _> =
            response.responses.into_iter().map(|t| (t.name.clone().unwrap_or_default(), t)).collect();
        let answer = |name: String| {
            let answer = answers.remove(&name).map_or_else(
                || Err(unanswered(format_args!("topic {name}"))),
                |t| result(t.error_code, t.error_message, &format!("topic {name}"), ()),
            );
            (name, answer)
        };
        Ok(names.into_iter().map(answer).collect())
    }

    /// Adds partitions to topics.
    pub async fn create_partitions(
        &self,
        topics: impl IntoIterator<Item = NewPartitions>,
    ) -> Result<PerItem<String, ()>> {
        let topic = |new: NewPartitions| {
            let brokers = |broker_ids| CreatePartitionsAssignment { broker_ids };
            let assignments = new.assignment.map(|all| all.into_iter().map(brokers).collect());
            CreatePartitionsTopic { name: new.topic, count: new.count, assignments }
        };
        let topics: Vec<_> = topics.into_iter().map(topic).collect();
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let request = CreatePartitionsRequest {
            topics,
            timeout_ms: self.core.request_timeout_ms(),
            ..Default::default()
        };
        let refused = |code| code == ErrorCode::NOT_CONTROLLER;
        let response = self.change(&request, |r| r.results.iter().any(|t| refused(t.error_code))).await?;
        let mut answers: HashMap<_, _> = response.results.into_iter().map(|t| (t.name.clone(), t)).collect();
        let answer = |name: String| {
            let answer = answers.remove(&name).map_or_else(
                || Err(unanswered(format_args!("topic {name}"))),
                |t| result(t.error_code, t.error_message, &format!("topic {name}"), ()),
            );
            (name, answer)
        };
        Ok(names.into_iter().map(answer).collect())
    }

    /// All topics, by name.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>> {
        let response = self.metadata(Wanted::All).await?;
        let listing = |topic: MetadataResponseTopic| {
            let (id, internal) = (topic.topic_id, topic.is_internal);
            topic.name.map(|name| TopicListing { name, id, internal })
        };
        let mut topics: Vec<_> = response.into_iter().filter_map(listing).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// These topics and where their partitions are. Asking creates nothing.
    pub async fn describe_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<PerItem<String, TopicDescription>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut answers: HashMap<String, Result<TopicDescription>> = match self.describe_pages(&names).await?
        {
            Some(topics) => topics.into_iter().collect(),
            None => {
                let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
                let topics = self.metadata(Wanted::Existing(&wanted)).await?;
                topics.into_iter().filter_map(described).collect()
            }
        };
        let answer = |name: String| {
            let answer =
                answers.remove(&name).unwrap_or_else(|| Err(unanswered(format_args!("topic {name}"))));
            (name, answer)
        };
        Ok(names.into_iter().map(answer).collect())
    }

    /// All topics and where their partitions are, by name.
    pub async fn describe_all_topics(&self) -> Result<Vec<TopicDescription>> {
        let mut topics = match self.describe_pages(&[]).await? {
            Some(topics) => topics.into_iter().map(|(_, topic)| topic).collect::<Result<Vec<_>>>()?,
            None => {
                let topics = self.metadata(Wanted::All).await?;
                topics
                    .into_iter()
                    .filter_map(described)
                    .map(|(_, topic)| topic)
                    .collect::<Result<Vec<_>>>()?
            }
        };
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    async fn metadata(&self, wanted: Wanted<'_>) -> Result<Vec<MetadataResponseTopic>> {
        let core = &self.core;
        let answer = core.metadata.refresh(&core.pool, wanted);
        Ok(core.within_api_timeout("asking for topics", answer).await?.topics)
    }

    /// Asks page by page, for all topics when no name is given. `None`: the broker has no such request.
    async fn describe_pages(&self, names: &[String]) -> Result<Option<PerItem<String, TopicDescription>>> {
        let connection = self.core.connection(&Target::Any).await?;
        if !connection.serves::<DescribeTopicPartitionsRequest>() {
            return Ok(None);
        }
        // Kafka answers in the order of names, and a cursor refers to that order.
        let mut sorted = names.to_vec();
        sorted.sort();
        let topics = sorted.into_iter().map(|name| TopicRequest { name }).collect();
        let mut request = DescribeTopicPartitionsRequest { topics, ..Default::default() };
        let mut found: VecDeque<(String, Result<TopicDescription>)> = VecDeque::new();
        loop {
            let response = self.core.request(&request, &Target::Any).await?;
            for topic in response.topics {
                let Some((name, page)) = paged(topic) else { continue };
                match (found.back_mut(), page) {
                    (Some((last, Ok(begun))), Ok(more)) if *last == name => {
                        begun.partitions.extend(more.partitions)
                    }
                    (_, page) => found.push_back((name, page)),
                }
            }
            match response.next_cursor {
                Some(cursor) if request.cursor.as_ref() != Some(&cursor) => {
                    request.topics.retain(|topic| topic.name >= cursor.topic_name);
                    request.cursor = Some(Cursor { ..cursor });
                }
                Some(_) => {
                    let error = Error::new(ErrorKind::Protocol, "the broker answers the same page again");
                    return Err(error.around(|c| c.broker = Some(connection.address().to_owned())));
                }
                None => return Ok(Some(found.into())),
            }
        }
    }
}

fn creatable(new: NewTopic) -> CreatableTopic {
    let assignment =
        |(partition_index, broker_ids)| CreatableReplicaAssignment { partition_index, broker_ids };
    let config = |(name, value)| CreatableTopicConfig { name, value };
    CreatableTopic {
        name: new.name,
        num_partitions: new.partitions,
        replication_factor: new.replication_factor,
        assignments: (0..).zip(new.assignment).map(assignment).collect(),
        configs: new.configs.into_iter().map(config).collect(),
    }
}

fn described(topic: MetadataResponseTopic) -> Option<(String, Result<TopicDescription>)> {
    let name = topic.name?;
    let partition = |p: MetadataResponsePartition| PartitionDescription {
        partition: p.partition_index,
        leader: (p.leader_id >= 0).then_some(p.leader_id),
        leader_epoch: p.leader_epoch,
        replicas: p.replica_nodes,
        isr: p.isr_nodes,
        elr: None,
        last_known_elr: None,
        offline: p.offline_replicas,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|p| p.partition);
    let (id, internal) = (topic.topic_id, topic.is_internal);
    let what = format!("topic {name}");
    let description = TopicDescription { name: name.clone(), id, internal, partitions };
    Some((name, result(topic.error_code, None, &what, description)))
}

fn paged(topic: DescribeTopicPartitionsResponseTopic) -> Option<(String, Result<TopicDescription>)> {
    let name = topic.name?;
    let partition = |p: DescribeTopicPartitionsResponsePartition| PartitionDescription {
        partition: p.partition_index,
        leader: (p.leader_id >= 0).then_some(p.leader_id),
        leader_epoch: p.leader_epoch,
        replicas: p.replica_nodes,
        isr: p.isr_nodes,
        elr: p.eligible_leader_replicas,
        last_known_elr: p.last_known_elr,
        offline: p.offline_replicas,
    };
    let mut partitions: Vec<_> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|p| p.partition);
    let (id, internal) = (topic.topic_id, topic.is_internal);
    let what = format!("topic {name}");
    let description = TopicDescription { name: name.clone(), id, internal, partitions };
    Some((name, result(topic.error_code, None, &what, description)))
}
