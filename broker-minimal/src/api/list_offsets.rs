//! ListOffsets, versions 0 to 11.
//!
//! Version 0 answers with a list, newest first: the end and where segments start, from before the timestamp on.
//! Timestamp -1 is the end, -2 the start, -3 the record with the greatest timestamp (version 7); others find the first
//! record that is not older. Version 4 brings leader epochs, 5 has a code of its own for a new leader that does not know the end yet.
//! -4 is the start of what is on this broker's disk (version 8), -5 the last record in tiered storage (9), -6 the first that
//! is not there yet (11): without tiered storage the start, and none. The timeout of version 10 is for lookups there.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kinglet_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tokio::sync::oneshot;

use crate::log::SegmentStart;
use crate::meta::image::{Image, Topic};
use crate::shard::command::{FindOffset, FindStarts, FoundOffset, OffsetAt};
use crate::shard::{Command, PartitionId};
use crate::{Context, clock};

/// The first version whose clients know `OFFSET_NOT_AVAILABLE` (KIP-207).
const NOT_AVAILABLE_FROM: i16 = 5;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let image = ctx.meta.image();
    let whole = Whole { image: &image, version, uncommitted: request.replica_id >= 0 };
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            if version == 0 {
                let starts = starts(ctx, &whole, known.map(|topic| &**topic), &partition).await;
                partitions.push(old_response(partition.partition_index, starts));
                continue;
            }
            let found = find(ctx, &whole, known.map(|topic| &**topic), &partition).await;
            partitions.push(response(version, partition.partition_index, found));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

/// What holds for every partition of a request.
struct Whole<'a> {
    image: &'a Image,
    version: i16,
    /// A follower asks.
    uncommitted: bool,
}

async fn find(
    ctx: &Context,
    whole: &Whole<'_>,
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
) -> Result<FoundOffset, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let (at, is_tiered) = match wanted.timestamp {
        -1 => (OffsetAt::End, false),
        -2 => (OffsetAt::Start, false),
        -3 if whole.version >= 7 => (OffsetAt::MaxTimestamp, false),
        -4 if whole.version >= 8 => (OffsetAt::Start, false),
        -5 if whole.version >= 9 => (OffsetAt::Start, true),
        -6 if whole.version >= 11 => (OffsetAt::Start, true),
        timestamp if timestamp >= 0 => (OffsetAt::Time(timestamp), false),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let id = PartitionId { topic: topic.id, index: wanted.partition_index };
    whole.image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let (uncommitted, current_leader_epoch) = (whole.uncommitted, wanted.current_leader_epoch);
    let find = FindOffset { id, at, uncommitted, current_leader_epoch, reply };
    let sent = ctx.shards.send(id, Command::Offset(find)).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    match answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR)) {
        Err(ErrorCode::OFFSET_NOT_AVAILABLE) if whole.version < NOT_AVAILABLE_FROM => {
            Err(ErrorCode::LEADER_NOT_AVAILABLE)
        }
        // Only what every lookup is refused with, as by who does not lead.
        Ok(_) if is_tiered => Ok(FoundOffset { offset: -1, timestamp: -1, leader_epoch: -1 }),
        found => found,
    }
}

async fn starts(
    ctx: &Context,
    whole: &Whole<'_>,
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
) -> Result<Vec<i64>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let id = PartitionId { topic: topic.id, index: wanted.partition_index };
    whole.image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let sent = ctx.shards.send(id, Command::Starts(FindStarts { id, reply })).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    let (mut starts, end) = answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR))?;
    if starts.last().is_some_and(|newest| newest.offset < end) {
        starts.push(SegmentStart { offset: end, last_write_ms: clock::now_ms() });
    }
    let count = match wanted.timestamp {
        -1 => starts.len(),
        -2 => 1,
        timestamp => starts.iter().rposition(|start| start.last_write_ms <= timestamp).map_or(0, |i| i + 1),
    };
    let most = usize::try_from(wanted.max_num_offsets).unwrap_or(0);
    Ok(starts.iter().take(count).rev().take(most).map(|start| start.offset).collect())
}

fn old_response(index: i32, starts: Result<Vec<i64>, ErrorCode>) -> ListOffsetsPartitionResponse {
    let none = ListOffsetsPartitionResponse { partition_index: index, ..Default::default() };
    match starts {
        Ok(old_style_offsets) => ListOffsetsPartitionResponse { old_style_offsets, ..none },
        Err(error_code) => ListOffsetsPartitionResponse { error_code, ..none },
    }
}

fn response(version: i16, index: i32, found: Result<FoundOffset, ErrorCode>) -> ListOffsetsPartitionResponse {
    let none = ListOffsetsPartitionResponse { partition_index: index, ..Default::default() };
    match found {
        Ok(FoundOffset { offset, timestamp, leader_epoch }) => {
            let leader_epoch = if version >= 4 { leader_epoch } else { none.leader_epoch };
            ListOffsetsPartitionResponse { offset, timestamp, leader_epoch, ..none }
        }
        Err(error_code) => ListOffsetsPartitionResponse { error_code, ..none },
    }
}
