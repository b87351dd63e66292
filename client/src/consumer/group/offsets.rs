//! Committed offsets: written and read at the group's coordinator, found again when it moves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Group;
use crate::consumer::membership::Identity;
use crate::coordinator::Coordinated;
use crate::net::{Connection, Lane};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::{Error, ErrorKind, Result, TopicPartition, rng};

/// The newest version without topic ids.
pub(crate) const COMMIT_VERSION_MAX: i16 = 9;
/// The newest version without topic ids.
pub(crate) const FETCH_VERSION_MAX: i16 = 9;
/// The oldest version that asks for several groups (KIP-709).
const GROUPS_FROM: i16 = 8;

/// Where a group goes on in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// The epoch of the leader that wrote the record before it, if known (KIP-320).
    pub leader_epoch: Option<i32>,
    /// Any text, at most `offset.metadata.max.bytes` of the broker (4096).
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> Self {
        Self { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// What to do after a broker's code.
enum Verdict {
    /// Ask again, a little later.
    Again(Error),
    Failed(Error),
}

impl Group {
    /// Commits in the order of the calls, so that an older commit never comes after a newer one. Tries again until
    /// `default.api.timeout.ms` is over.
    pub(in crate::consumer) async fn commit(
        &self,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        self.commit_as(&self.identity(), offsets).await
    }

    /// As [`commit`](Self::commit), of what was done as this member.
    pub(super) async fn commit_as(
        &self,
        first: &Identity,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        if offsets.is_empty() {
            return Ok(());
        }
        let _order = self.gate.lock().await;
        let attempts = async {
            let mut failures = 0;
            loop {
                match self.commit_once(first, offsets).await {
                    Err(error) if error.is_retriable() => self.pause(&mut failures, &error).await,
                    result => return result,
                }
            }
        };
        self.core.within_api_timeout("OffsetCommit", attempts).await
    }

    async fn commit_once(
        &self,
        first: &Identity,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Result<()> {
        let identity = self.identity();
        if self.is_member() && identity.generation < 0 {
            // Without a generation the coordinator would take it for a consumer that is no member.
            return Err(self.too_late());
        }
        // In another generation somebody else may own a partition, and be further.
        let same = identity == *first;
        let offsets: Vec<_> = offsets.iter().filter(|(at, _)| same || self.owns(at)).collect();
        if offsets.is_empty() {
            return Err(self.too_late());
        }
        let (connection, broker) = self.reach().await?;
        let version = connection.version::<OffsetCommitRequest>(COMMIT_VERSION_MAX)?;
        let request = self.commit_request(&identity, &offsets);
        let response = connection.call_version(&request, version, Duration::ZERO).await;
        let response = response.inspect_err(|_| self.coordinator_lost(broker))?;
        self.on_committed(&response, &identity, broker)
    }

    /// Where the group goes on; what was never committed is left out.
    pub(in crate::consumer) async fn committed_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, OffsetAndMetadata>> {
        if partitions.is_empty() {
            return Ok(HashMap::new());
        }
        let attempts = async {
            let mut failures = 0;
            loop {
                match self.fetch_once(partitions).await {
                    Err(error) if error.is_retriable() => self.pause(&mut failures, &error).await,
                    result => return result,
                }
            }
        };
        self.core.within_api_timeout("OffsetFetch", attempts).await
    }

    async fn fetch_once(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<HashMap<TopicPartition, OffsetAndMetadata>> {
        let (connection, broker) = self.reach().await?;
        let version = connection.version::<OffsetFetchRequest>(FETCH_VERSION_MAX)?;
        let request = self.fetch_request(partitions, version);
        let response = connection.call_version(&request, version, Duration::ZERO).await;
        let response = response.inspect_err(|_| self.coordinator_lost(broker))?;
        self.found(response, broker)
    }

    async fn pause(&self, failures: &mut u32, error: &Error) {
        *failures += 1;
        debug!(group = self.id, failures, %error, "asking the coordinator again");
        tokio::time::sleep(self.core.retry.delay(*failures, rng::unit())).await;
    }

    fn too_late(&self) -> Error {
        let message = format!("group {}: the group has rebalanced before the commit", self.id);
        Error::new(ErrorKind::Broker, message).hinted("another member goes on from the last commit")
    }

    /// A connection to the coordinator. Not the one that members wait on for a rebalance: brokers answer in order.
    async fn reach(&self) -> Result<(Arc<Connection>, i32)> {
        let known = self.coordinator();
        let broker = match known {
            Some(broker) => broker,
            None => self.core.coordinator(Coordinated::Group, &self.id).await?,
        };
        self.set_coordinator(broker);
        let reached = self.core.broker(broker, Lane::General).await;
        Ok((reached.inspect_err(|_| self.coordinator_lost(broker))?, broker))
    }

    fn commit_request(
        &self,
        identity: &Identity,
        offsets: &[&(TopicPartition, OffsetAndMetadata)],
    ) -> OffsetCommitRequest {
        let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
        for (at, to) in offsets {
            let partition = OffsetCommitRequestPartition {
                partition_index: at.partition,
                committed_offset: to.offset,
                committed_leader_epoch: to.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(to.metadata.clone()),
                ..Default::default()
            };
            match topics.iter_mut().find(|topic| *topic.name == *at.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(OffsetCommitRequestTopic {
                    name: at.topic.to_string(),
                    partitions: vec![partition],
                    ..Default::default()
                }),
            }
        }
        OffsetCommitRequest {
            group_id: self.id.clone(),
            generation_id_or_member_epoch: identity.generation,
            member_id: identity.member_id.clone(),
            group_instance_id: self.instance_id().filter(|_| identity.generation >= 0),
            topics,
            ..Default::default()
        }
    }

    fn on_committed(&self, response: &OffsetCommitResponse, identity: &Identity, broker: i32) -> Result<()> {
        let mut again = None;
        for topic in &response.topics {
            for partition in &topic.partitions {
                let Err(code) = partition.error_code.ok() else { continue };
                let at = TopicPartition::new(&*topic.name, partition.partition_index);
                if matches!(
                    code,
                    ErrorCode::UNKNOWN_MEMBER_ID
                        | ErrorCode::ILLEGAL_GENERATION
                        | ErrorCode::FENCED_INSTANCE_ID
                ) {
                    self.refused(code, identity);
                }
                match self.verdict(code, &at, broker) {
                    Verdict::Again(error) => again = Some(error),
                    Verdict::Failed(error) => return Err(error),
                }
            }
        }
        again.map_or(Ok(()), Err)
    }

    fn fetch_request(&self, partitions: &[TopicPartition], version: i16) -> OffsetFetchRequest {
        let mut topics: Vec<(String, Vec<i32>)> = Vec::new();
        for at in partitions {
            match topics.iter_mut().find(|(name, _)| **name == *at.topic) {
                Some((_, partitions)) => partitions.push(at.partition),
                None => topics.push((at.topic.to_string(), vec![at.partition])),
            }
        }
        let topics = topics.into_iter();
        // With read_committed, offsets of transactions that are still open are waited for (KIP-447).
        let require_stable = self.core.config.text("isolation.level") == "read_committed";
        if version < GROUPS_FROM {
            let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
            OffsetFetchRequest {
                group_id: self.id.clone(),
                topics: Some(topics.map(topic).collect()),
                require_stable: require_stable && version >= 7,
                ..Default::default()
            }
        } else {
            let topic = |(name, partition_indexes)| OffsetFetchRequestTopics {
                name,
                partition_indexes,
                ..Default::default()
            };
            let topics = Some(topics.map(topic).collect());
            let group = OffsetFetchRequestGroup { group_id: self.id.clone(), topics, ..Default::default() };
            OffsetFetchRequest { groups: vec![group], require_stable, ..Default::default() }
        }
    }

    fn found(
        &self,
        response: OffsetFetchResponse,
        broker: i32,
    ) -> Result<HashMap<TopicPartition, OffsetAndMetadata>> {
        let (code, partitions) = flat(response);
        let of_group = TopicPartition::new("", -1);
        let mut found = HashMap::new();
        if let Err(code) = code.ok() {
            return match self.verdict(code, &of_group, broker) {
                Verdict::Again(error) | Verdict::Failed(error) => Err(error),
            };
        }
        for (at, code, offset) in partitions {
            if let Err(code) = code.ok() {
                return match self.verdict(code, &at, broker) {
                    Verdict::Again(error) | Verdict::Failed(error) => Err(error),
                };
            }
            if offset.offset >= 0 {
                found.insert(at, offset);
            }
        }
        Ok(found)
    }

    fn verdict(&self, code: ErrorCode, at: &TopicPartition, broker: i32) -> Verdict {
        let what = if at.partition < 0 { String::new() } else { format!(", {at}") };
        let error = Error::broker(code, format_args!("group {}{what}", self.id))
            .around(|c| c.broker = Some(broker.to_string()));
        match code {
            ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::REQUEST_TIMED_OUT => {
                self.coordinator_lost(broker);
                Verdict::Again(error)
            }
            // The group is between two generations: in the next one it counts again, unless another owns the partition.
            ErrorCode::REBALANCE_IN_PROGRESS => Verdict::Again(error),
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => Verdict::Failed(
                error.hinted("the group has rebalanced; another member goes on from the last commit"),
            ),
            code if code.is_retriable() => Verdict::Again(error),
            _ => Verdict::Failed(error),
        }
    }
}

type Fetched = (TopicPartition, ErrorCode, OffsetAndMetadata);

/// Both layouts as one list.
fn flat(response: OffsetFetchResponse) -> (ErrorCode, Vec<Fetched>) {
    let offset = |offset, epoch: i32, metadata: Option<String>| OffsetAndMetadata {
        offset,
        leader_epoch: (epoch >= 0).then_some(epoch),
        metadata: metadata.unwrap_or_default(),
    };
    let mut code = response.error_code;
    let mut all = Vec::new();
    for topic in response.topics {
        let name: Arc<str> = topic.name.into();
        all.extend(topic.partitions.into_iter().map(|p| {
            let at = TopicPartition::new(name.clone(), p.partition_index);
            (at, p.error_code, offset(p.committed_offset, p.committed_leader_epoch, p.metadata))
        }));
    }
    if let Some(group) = response.groups.into_iter().next() {
        code = group.error_code;
        for topic in group.topics {
            let name: Arc<str> = topic.name.into();
            all.extend(topic.partitions.into_iter().map(|p| {
                let at = TopicPartition::new(name.clone(), p.partition_index);
                (at, p.error_code, offset(p.committed_offset, p.committed_leader_epoch, p.metadata))
            }));
        }
    }
    (code, all)
}
