//! OffsetFetch, versions 0 to 10.
//!
//! Null asks for all offsets of a group, from version 2 on. Up to version 1 an error of the group is told for each partition; from
//! 8 on several groups are asked for at once, from 10 on with topics by id. `require_stable` (version 7) asks to wait for open
//! transactions: there are none.

use std::sync::Arc;

use kinglet_protocol::messages::offset_fetch::{
    OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kinglet_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use kinglet_protocol::{ErrorCode, Uuid};

use crate::Context;
use crate::group::{Reply, Request};

const BATCHED_FROM: i16 = 8;
const IDS_FROM: i16 = 10;
const GROUP_ERROR_FROM: i16 = 2;
/// What stands for an offset that nobody committed.
const NO_OFFSET: i64 = -1;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if version >= BATCHED_FROM {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            let fetched = match version {
                ..IDS_FROM => fetch(ctx, &group.group_id, group.topics).await,
                IDS_FROM.. => fetch_by_id(ctx, &group.group_id, group.topics).await,
            };
            let (error_code, topics) = match fetched {
                Ok(topics) => (ErrorCode::NONE, topics),
                Err(code) => (code, Vec::new()),
            };
            groups.push(OffsetFetchResponseGroup { group_id: group.group_id, topics, error_code });
        }
        return OffsetFetchResponse { groups, ..Default::default() };
    }
    let asked = request.topics.clone();
    match fetch(ctx, &request.group_id, request.topics.map(named)).await {
        Ok(topics) => {
            OffsetFetchResponse { topics: topics.into_iter().map(single).collect(), ..Default::default() }
        }
        Err(error_code) if version >= GROUP_ERROR_FROM => {
            OffsetFetchResponse { error_code, ..Default::default() }
        }
        Err(error_code) => {
            let topics = asked.unwrap_or_default().into_iter();
            OffsetFetchResponse {
                topics: topics.map(|t| refused(t, error_code)).collect(),
                ..Default::default()
            }
        }
    }
}

async fn fetch(
    ctx: &Context,
    group: &str,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    match ctx.groups.ask(group, Request::Fetch { group: group.to_owned(), topics }).await? {
        Reply::Fetch(topics) => Ok(topics),
        _ => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}

async fn fetch_by_id(
    ctx: &Context,
    group: &str,
    mut topics: Option<Vec<OffsetFetchRequestTopics>>,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let image = ctx.meta.image();
    let asked: Option<Vec<Uuid>> = topics.as_ref().map(|topics| topics.iter().map(|t| t.topic_id).collect());
    for topic in topics.iter_mut().flatten() {
        topic.name = image.topic_by_id(topic.topic_id).map(|topic| topic.name.clone()).unwrap_or_default();
    }
    let mut fetched = fetch(ctx, group, topics).await?;
    match asked {
        Some(ids) => {
            for (topic, id) in fetched.iter_mut().zip(ids) {
                topic.topic_id = id;
                if topic.name.is_empty() {
                    topic.partitions.iter_mut().for_each(|p| p.error_code = ErrorCode::UNKNOWN_TOPIC_ID);
                }
            }
        }
        None => fetched.retain_mut(|topic| {
            let known = image.topic(&topic.name);
            topic.topic_id = known.map(|topic| topic.id).unwrap_or_default();
            known.is_some()
        }),
    }
    Ok(fetched)
}

fn named(topics: Vec<OffsetFetchRequestTopic>) -> Vec<OffsetFetchRequestTopics> {
    let topic = |topic: OffsetFetchRequestTopic| OffsetFetchRequestTopics {
        name: topic.name,
        partition_indexes: topic.partition_indexes,
        ..Default::default()
    };
    topics.into_iter().map(topic).collect()
}

fn single(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}

fn refused(topic: OffsetFetchRequestTopic, error_code: ErrorCode) -> OffsetFetchResponseTopic {
    let partitions =
        topic.partition_indexes.into_iter().map(|partition_index| OffsetFetchResponsePartition {
            partition_index,
            committed_offset: NO_OFFSET,
            metadata: Some(String::new()),
            error_code,
            ..Default::default()
        });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}
