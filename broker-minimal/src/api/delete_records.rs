//! DeleteRecords (KIP-107): a partition starts later. -1 is its high watermark.
//!
//! The new start is in the checkpoint file before the answer leaves: Kafka writes the file once a minute, and a crash in between
//! brings the records back. It leaves when every live replica has deleted, or when `timeout_ms` are over.

use std::sync::Arc;
use std::time::Duration;

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
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    // All partitions wait at the same time.
    let mut waiting = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let asked = delete(ctx, &image, known.map(|topic| &**topic), &partition, timeout).await;
            partitions.push((partition.partition_index, asked));
        }
        waiting.push((topic.name, partitions));
    }
    let mut topics = Vec::with_capacity(waiting.len());
    let mut has_changed = false;
    for (name, asked) in waiting {
        let mut partitions = Vec::with_capacity(asked.len());
        for (partition_index, asked) in asked {
            let deleted = match asked {
                Ok(answer) => answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR)),
                Err(code) => Err(code),
            };
            // Out of time it is deleted here all the same.
            has_changed |= matches!(deleted, Ok(_) | Err(ErrorCode::REQUEST_TIMED_OUT));
            let (low_watermark, error_code) = match deleted {
                Ok(low_watermark) => (low_watermark, ErrorCode::NONE),
                Err(code) => (NO_WATERMARK, code),
            };
            partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code });
        }
        topics.push(DeleteRecordsTopicResult { name, partitions });
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
    timeout: Duration,
) -> Result<oneshot::Receiver<Result<i64, ErrorCode>>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if name::is_internal(&topic.name) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let id = PartitionId { topic: topic.id, index: wanted.partition_index };
    image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let delete = DeleteRecords { id, before: wanted.offset, timeout, now_ms: clock::now_ms(), reply };
    let sent = ctx.shards.send(id, Command::DeleteRecords(delete)).await;
    sent.map(|()| answer).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)
}
