//! Offsets by position: both ends of partitions, and the first record at or behind a timestamp.

use std::collections::HashMap;

use super::Admin;
use crate::client::{Core, Target};
use crate::metadata::Wanted;
use crate::protocol::ErrorCode;
use crate::protocol::messages::ListOffsetsRequest;
use crate::protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic,
};
use crate::protocol::releases::Origin;
use crate::{Error, ErrorKind, PerItem, Position, Result, TopicPartition, rng};

/// Where a position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetInfo {
    /// The offset; -1 when no record is that young.
    pub offset: i64,
    /// The record's timestamp, -1 for the ends.
    pub timestamp: i64,
    /// The epoch of the leader that wrote it, if the broker says.
    pub leader_epoch: Option<i32>,
}

/// How often a partition is asked for whose leader has moved.
const ROUNDS: u32 = 5;

impl Admin {
    /// The offsets at these positions. With `isolation.level=read_committed` the end is that of the last closed
    /// transaction.
    pub async fn list_offsets(
        &self,
        positions: impl IntoIterator<Item = (TopicPartition, Position)>,
    ) -> Result<PerItem<TopicPartition, OffsetInfo>> {
        let positions: Vec<_> = positions.into_iter().collect();
        self.core.within_api_timeout("ListOffsets", self.core.list_offsets(&positions)).await
    }
}

impl Core {
    /// Asks each leader once, and again where the leader has moved.
    pub(crate) async fn list_offsets(
        &self,
        positions: &[(TopicPartition, Position)],
    ) -> Result<PerItem<TopicPartition, OffsetInfo>> {
        // A plain offset needs no broker.
        let plain = |(_, position): &(TopicPartition, Position)| match position {
            Position::Offset(offset) => {
                Some(Ok(OffsetInfo { offset: *offset, timestamp: -1, leader_epoch: None }))
            }
            Position::Committed => {
                let error =
                    Error::new(ErrorKind::Config, "a committed offset is a group's, not a partition's");
                Some(Err(error))
            }
            Position::Beginning | Position::End | Position::Timestamp(_) => None,
        };
        let mut results: Vec<Option<Result<OffsetInfo>>> = positions.iter().map(plain).collect();
        for round in 1..=ROUNDS {
            let mut by_leader: HashMap<i32, Vec<usize>> = HashMap::new();
            for (index, (at, _)) in positions.iter().enumerate() {
                if is_open(results.get(index)) {
                    match self.leader(at).await {
                        Ok(leader) => by_leader.entry(leader).or_default().push(index),
                        Err(e) => set(&mut results, index, Err(e)),
                    }
                }
            }
            for (leader, indexes) in by_leader {
                for wave in waves(positions, &indexes) {
                    self.ask_leader(leader, positions, &wave, &mut results).await;
                }
            }
            let open = |(index, _): &(usize, _)| is_open(results.get(*index));
            let mut topics: Vec<&str> =
                positions.iter().enumerate().filter(open).map(|(_, (at, _))| &*at.topic).collect();
            if topics.is_empty() || round == ROUNDS {
                break;
            }
            topics.dedup();
            tokio::time::sleep(self.retry.delay(round, rng::unit())).await;
            self.metadata.refresh(&self.pool, Wanted::Existing(&topics)).await?;
        }
        let lost = || Err(Error::new(ErrorKind::Protocol, "the broker did not answer for this partition"));
        let named = |((at, _), result): (&(TopicPartition, Position), Option<Result<OffsetInfo>>)| {
            (at.clone(), result.unwrap_or_else(lost))
        };
        Ok(positions.iter().zip(results).map(named).collect())
    }

    async fn ask_leader(
        &self,
        leader: i32,
        positions: &[(TopicPartition, Position)],
        indexes: &[usize],
        results: &mut [Option<Result<OffsetInfo>>],
    ) {
        let wanted = || indexes.iter().filter_map(|index| Some((*index, positions.get(*index)?)));
        let mut fail = |index: usize, error: &Error| set(results, index, Err(error.clone()));
        let connection = match self.connection(&Target::Broker(leader)).await {
            Ok(connection) => connection,
            Err(e) => return wanted().for_each(|(index, _)| fail(index, &e)),
        };
        let version = match connection.version::<ListOffsetsRequest>(i16::MAX) {
            Ok(version) => version,
            Err(e) => return wanted().for_each(|(index, _)| fail(index, &e)),
        };
        // Version 0 knows where segments begin, not where records of a time do.
        let is_vague = |position| matches!(position, Position::Timestamp(_)) && version == 0;
        for (index, _) in wanted().filter(|(_, (_, position))| is_vague(*position)) {
            fail(index, &connection.too_old("offsets by timestamp", Origin::OFFSETS_BY_TIME));
        }
        let wanted = || wanted().filter(|(_, (_, position))| !is_vague(*position));
        let request = self.offsets_request(wanted().map(|(_, wanted)| wanted), version);
        if request.topics.is_empty() {
            return;
        }
        let answer = match self.request(&request, &Target::Broker(leader)).await {
            Ok(answer) => answer,
            Err(e) => return wanted().for_each(|(index, _)| fail(index, &e)),
        };
        for (index, (at, _)) in wanted() {
            let topic = answer.topics.iter().find(|topic| topic.name == *at.topic);
            let found = topic.and_then(|t| t.partitions.iter().find(|p| p.partition_index == at.partition));
            if let Some(found) = found {
                set(results, index, outcome(at, found));
            }
        }
    }

    fn offsets_request<'a>(
        &self,
        wanted: impl Iterator<Item = &'a (TopicPartition, Position)>,
        version: i16,
    ) -> ListOffsetsRequest {
        let mut request = ListOffsetsRequest {
            replica_id: -1,
            // Brokers older than the field have no transactions either.
            isolation_level: if version < 2 { 0 } else { isolation(&self.config) },
            timeout_ms: self.request_timeout_ms(),
            ..Default::default()
        };
        for (at, position) in wanted {
            let partition = ListOffsetsPartition {
                partition_index: at.partition,
                timestamp: timestamp(*position),
                ..Default::default()
            };
            match request.topics.iter_mut().find(|topic| topic.name == *at.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => request
                    .topics
                    .push(ListOffsetsTopic { name: at.topic.to_string(), partitions: vec![partition] }),
            }
        }
        request
    }
}

/// A request asks for each partition once: whoever wants several of its offsets gets several requests.
fn waves(positions: &[(TopicPartition, Position)], indexes: &[usize]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut asked: HashMap<&TopicPartition, usize> = HashMap::new();
    for index in indexes {
        let Some((at, _)) = positions.get(*index) else { continue };
        let wave = asked.entry(at).or_default();
        match waves.get_mut(*wave) {
            Some(indexes) => indexes.push(*index),
            None => waves.push(vec![*index]),
        }
        *wave += 1;
    }
    waves
}

/// Open: not answered, or answered by a broker that is not the leader any more.
fn is_open(result: Option<&Option<Result<OffsetInfo>>>) -> bool {
    match result {
        Some(Some(Err(e))) => {
            e.code().is_some_and(ErrorCode::is_retriable) || e.kind() == ErrorKind::Unreachable
        }
        Some(Some(Ok(_))) | None => false,
        Some(None) => true,
    }
}

fn set(results: &mut [Option<Result<OffsetInfo>>], index: usize, result: Result<OffsetInfo>) {
    if let Some(place) = results.get_mut(index) {
        *place = Some(result);
    }
}

fn outcome(at: &TopicPartition, answer: &ListOffsetsPartitionResponse) -> Result<OffsetInfo> {
    if let Err(code) = answer.error_code.ok() {
        return Err(Error::broker(code, at).around(|c| c.topic_partition = Some(at.clone())));
    }
    // Version 0 lists segment starts, the newest first.
    let offset = answer.old_style_offsets.first().copied().unwrap_or(answer.offset);
    let leader_epoch = (answer.leader_epoch >= 0).then_some(answer.leader_epoch);
    Ok(OffsetInfo { offset, timestamp: answer.timestamp, leader_epoch })
}

/// The wire's way to say a position; plain offsets are never asked for.
fn timestamp(position: Position) -> i64 {
    match position {
        Position::Beginning => -2,
        Position::End | Position::Offset(_) | Position::Committed => -1,
        Position::Timestamp(ms) => ms,
    }
}

pub(crate) fn isolation(config: &crate::Config) -> i8 {
    i8::from(config.text("isolation.level") == "read_committed")
}
