//! OffsetForLeaderEpoch, versions 0 to 4.
//!
//! The answer names the largest epoch not above the one asked for and where it ends: a client whose position lies
//! beyond has records that the leader does not have (KIP-320).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use kinglet_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use tokio::sync::oneshot;

use crate::Context;
use crate::meta::image::{Image, Topic};
use crate::shard::command::FindEpochEnd;
use crate::shard::{Command, PartitionId};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _version: i16,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let image = ctx.meta.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.topic);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let found = find(ctx, &image, known.map(|topic| &**topic), &partition).await;
            let none = EpochEndOffset { partition: partition.partition, ..Default::default() };
            partitions.push(match found {
                Ok((leader_epoch, end_offset)) => EpochEndOffset { leader_epoch, end_offset, ..none },
                Err(error_code) => EpochEndOffset { error_code, ..none },
            });
        }
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions });
    }
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}

async fn find(
    ctx: &Context,
    image: &Image,
    topic: Option<&Topic>,
    wanted: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let id = PartitionId { topic: topic.id, index: wanted.partition };
    image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let current_leader_epoch = wanted.current_leader_epoch;
    let find = FindEpochEnd { id, epoch: wanted.leader_epoch, current_leader_epoch, reply };
    let sent = ctx.shards.send(id, Command::EpochEnd(find)).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR))
}
