//! DescribeProducers: the idempotent producers that a replica remembers, as retries are recognised by them (KIP-664).
//!
//! Any replica answers for itself: an administrator may ask whether a follower knows what its leader knows.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_producers::{PartitionResponse, ProducerState, TopicResponse};
use kinglet_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse};
use tokio::sync::oneshot;

use crate::Context;
use crate::log::producers::ActiveProducer;
use crate::meta::image::{Image, Topic};
use crate::shard::{Command, PartitionId};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _version: i16,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let image = ctx.meta.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in topic.partition_indexes {
            let producers = producers(ctx, &image, known.map(|topic| &**topic), index).await;
            partitions.push(response(index, producers));
        }
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    DescribeProducersResponse { topics, ..Default::default() }
}

async fn producers(
    ctx: &Context,
    image: &Image,
    topic: Option<&Topic>,
    index: i32,
) -> Result<Vec<ActiveProducer>, ErrorCode> {
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let id = PartitionId { topic: topic.id, index };
    image.replica(id.topic, id.index, ctx.node_id)?;
    let (reply, answer) = oneshot::channel();
    let sent = ctx.shards.send(id, Command::Producers { id, reply }).await;
    sent.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    answer.await.unwrap_or(Err(ErrorCode::KAFKA_STORAGE_ERROR))
}

fn response(partition_index: i32, producers: Result<Vec<ActiveProducer>, ErrorCode>) -> PartitionResponse {
    let none = PartitionResponse { partition_index, ..Default::default() };
    match producers {
        Ok(producers) => {
            PartitionResponse { active_producers: producers.into_iter().map(state).collect(), ..none }
        }
        Err(error_code) => PartitionResponse { error_code, ..none },
    }
}

/// Of a transaction nothing is known: none is open, and no coordinator was heard of.
fn state(producer: ActiveProducer) -> ProducerState {
    ProducerState {
        producer_id: producer.id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    }
}
