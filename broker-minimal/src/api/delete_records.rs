//! DeleteRecords (KIP-107): a partition starts later. -1 is its high watermark.
//!
//! The new start is in the checkpoint file before the answer leaves: Kafka writes the file once a minute, and a crash in between
//! brings the records back. `timeout_ms` is for replicas that lag.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kinglet_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use tokio::sync::oneshot;

use crate::meta::image::{Image, Topic};
use crate::meta::name;
use crate::shard::command::DeleteRecords;
use crate::shard::{Command, PartitionId};
use crate::{Context, clock};

/// What is told of a partition that was not changed.
const NO_WATERMARK: i64 = -1;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let image = ctx.meta.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut has_changed = false;
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let deleted = delete(ctx, &image, known.map(|topic| &**topic), &partition).await;
            has_changed |= deleted.is_ok();
            let (low_watermark, error_code) = match deleted {
                Ok(start) => (start, ErrorCode::NONE),
                Err(code) => (NO_WATERMARK, code),
            };
            let partition_index = partition.partition_index;
            partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    if has_changed {
        let storage = Arc::clone(&ctx.storage);
        let saved = tokio::task::spawn_blocking(move || storage.save_checkpoints()).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "the new start of a partition is not on disk yet: a crash would bring records back");
        }
    }
    DeleteRecordsResponse { topics, ..Default::default() }
}

async fn delete(
    ctx: &Context,
    image: &Image,
    topic: Option<&Topic>,
    wanted: &DeleteRecordsPartition,
) -> Result<i64, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if name::is_internal(&topic.name) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let id = PartitionId { topic: topic.id, index: wanted.partition_index };
    image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let delete = DeleteRecords { id, before: wanted.offset, now_ms: clock::now_ms(), reply };
    let sent = ctx.shards.send(id, Command::DeleteRecords(delete)).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR))
}
