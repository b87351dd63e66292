//! OffsetCommit, versions 0 to 10.
//!
//! Version 0 knows no members; Kafka kept its offsets in ZooKeeper, here they are like the others. Versions 2 to 4 may say how long
//! an offset is kept. 9 can say that there is no such group, 10 knows topics by id.

use std::sync::Arc;

use kinglet_protocol::messages::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kinglet_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kinglet_protocol::{ErrorCode, Uuid};

use crate::Context;
use crate::group::{Reply, Request};

const IDS_FROM: i16 = 10;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    mut request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    if version >= IDS_FROM {
        let image = ctx.meta.image();
        for topic in &mut request.topics {
            topic.name =
                image.topic_by_id(topic.topic_id).map(|topic| topic.name.clone()).unwrap_or_default();
        }
    }
    let group = request.group_id.clone();
    let asked: Vec<Asked> = request
        .topics
        .iter()
        .map(|t| (t.name.clone(), t.topic_id, t.partitions.iter().map(|p| p.partition_index).collect()))
        .collect();
    let request = Request::Commit { request, version, unknown: Default::default() };
    let mut topics = match ctx.groups.ask(&group, request).await {
        Ok(Reply::Commit(topics)) => topics,
        Ok(_) => refused(asked, ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(asked, code),
    };
    if version >= IDS_FROM {
        let unknown = topics.iter_mut().filter(|topic| topic.name.is_empty());
        for partition in unknown.flat_map(|topic| &mut topic.partitions) {
            partition.error_code = ErrorCode::UNKNOWN_TOPIC_ID;
        }
    }
    OffsetCommitResponse { topics, ..Default::default() }
}

/// A topic by name and id, and its partitions.
type Asked = (String, Uuid, Vec<i32>);

fn refused(asked: Vec<Asked>, error_code: ErrorCode) -> Vec<OffsetCommitResponseTopic> {
    let partition = |partition_index| OffsetCommitResponsePartition { partition_index, error_code };
    let topic = |(name, topic_id, partitions): Asked| OffsetCommitResponseTopic {
        name,
        topic_id,
        partitions: partitions.into_iter().map(partition).collect(),
    };
    asked.into_iter().map(topic).collect()
}
