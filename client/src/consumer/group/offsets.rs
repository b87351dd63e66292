//! Committed offsets: written and read at the group's coordinator, found again when it moves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::debug;

use super::Group;
use crate::committed::{self, OffsetAndMetadata};
use crate::consumer::membership::Identity;
use crate::coordinator::Coordinated;
use crate::net::{Connection, Lane};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::{Error, ErrorKind, Result, TopicPartition, rng};

/// After so many tries again a topic that the coordinator does not know is taken for deleted: with the default backoff 1.5 s.
const GONE_AFTER: u32 = 4;

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
                    Err(error) if may_pass(&error) && !self.is_hopeless(&error, failures) => {
                        self.pause(&mut failures, &error).await;
                    }
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
        let version = connection.version::<OffsetCommitRequest>(committed::VERSION_MAX)?;
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
                    Err(error) if may_pass(&error) => self.pause(&mut failures, &error).await,
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
        let version = connection.version::<OffsetFetchRequest>(committed::VERSION_MAX)?;
        let request = self.fetch_request(partitions, version);
        let response = connection.call_version(&request, version, Duration::ZERO).await;
        let response = response.inspect_err(|_| self.coordinator_lost(broker))?;
        self.found(response, version, broker)
    }

    async fn pause(&self, failures: &mut u32, error: &Error) {
        *failures += 1;
        debug!(group = self.id, failures, %error, "asking the coordinator again");
        tokio::time::sleep(self.core.retry.delay(*failures, rng::unit())).await;
    }

    /// A topic that was deleted does not come back by waiting; but a coordinator that has just started may not know of one yet.
    /// Commits of other partitions wait meanwhile, and whoever closes the consumer does.
    fn is_hopeless(&self, error: &Error, failures: u32) -> bool {
        error.kind() == ErrorKind::UnknownTopic && (failures >= GONE_AFTER || self.lock().closing)
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
        OffsetCommitRequest {
            group_id: self.id.clone(),
            generation_id_or_member_epoch: identity.generation,
            member_id: identity.member_id.clone(),
            group_instance_id: self.instance_id().filter(|_| identity.generation >= 0),
            topics: committed::commit_topics(offsets.iter().copied()),
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
                let error = self.refusal(code, Some(&at), broker);
                if !may_pass(&error) {
                    return Err(error);
                }
                again = Some(error);
            }
        }
        again.map_or(Ok(()), Err)
    }

    fn fetch_request(&self, partitions: &[TopicPartition], version: i16) -> OffsetFetchRequest {
        let topics = committed::by_topic(partitions).into_iter();
        // With read_committed, offsets of transactions that are still open are waited for (KIP-447).
        let require_stable = self.core.config.text("isolation.level") == "read_committed";
        if version < committed::GROUPS_FROM {
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
        version: i16,
        broker: i32,
    ) -> Result<HashMap<TopicPartition, OffsetAndMetadata>> {
        let mut found = HashMap::new();
        for group in committed::fetched(response, version) {
            group.code.ok().map_err(|code| self.refusal(code, None, broker))?;
            for (at, code, offset) in group.partitions {
                code.ok().map_err(|code| self.refusal(code, Some(&at), broker))?;
                if offset.offset >= 0 {
                    found.insert(at, offset);
                }
            }
        }
        Ok(found)
    }

    /// What a code of the coordinator means. One that has moved is looked for again.
    fn refusal(&self, code: ErrorCode, at: Option<&TopicPartition>, broker: i32) -> Error {
        if matches!(
            code,
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::REQUEST_TIMED_OUT
        ) {
            self.coordinator_lost(broker);
        }
        let what = at.map_or_else(String::new, |at| format!(", {at}"));
        let error = Error::broker(code, format_args!("group {}{what}", self.id))
            .around(|c| c.broker = Some(broker.to_string()));
        match code {
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
                error.hinted("the group has rebalanced; another member goes on from the last commit")
            }
            _ => error,
        }
    }
}

/// Whether the same request may succeed a little later. Between two generations nothing is taken; in the next one a commit
/// counts again, unless another owns the partition.
fn may_pass(error: &Error) -> bool {
    error.is_retriable() || error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS)
}
