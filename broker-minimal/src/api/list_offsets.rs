//! ListOffsets, versions 1 to 7.
//!
//! Timestamp -1 is the end, -2 the start, -3 the record with the greatest timestamp (version 7); others find the first
//! record that is not older. Version 4 brings leader epochs.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kinglet_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use tokio::sync::oneshot;

use crate::Context;
use crate::meta::image::Topic;
use crate::shard::command::{FindOffset, FoundOffset, OffsetAt};
use crate::shard::{Command, PartitionId};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let image = ctx.meta.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let found = find(ctx, version, known.map(|topic| &**topic), &partition).await;
            partitions.push(response(version, partition.partition_index, found));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

async fn find(
    ctx: &Context,
    version: i16,
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
) -> Result<FoundOffset, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let at = match wanted.timestamp {
        -1 => OffsetAt::End,
        -2 => OffsetAt::Start,
        -3 if version >= 7 => OffsetAt::MaxTimestamp,
        timestamp if timestamp >= 0 => OffsetAt::Time(timestamp),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let id = PartitionId { topic: topic.id, index: wanted.partition_index };
    let (reply, answer) = oneshot::channel();
    let find = FindOffset { id, at, current_leader_epoch: wanted.current_leader_epoch, reply };
    let sent = ctx.shards.send(id, Command::Offset(find)).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR))
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
