//! OffsetCommit, versions 0 to 9.
//!
//! Version 0 knows no members; Kafka kept its offsets in ZooKeeper, here they are like the others. Versions 2 to 4 may say how long
//! an offset is kept. 9 can say that there is no such group.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kinglet_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let group = request.group_id.clone();
    let asked: Vec<(String, Vec<i32>)> = request
        .topics
        .iter()
        .map(|t| (t.name.clone(), t.partitions.iter().map(|p| p.partition_index).collect()))
        .collect();
    let request = Request::Commit { request, version, unknown: Default::default() };
    let topics = match ctx.groups.ask(&group, request).await {
        Ok(Reply::Commit(topics)) => topics,
        Ok(_) => refused(asked, ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(asked, code),
    };
    OffsetCommitResponse { topics, ..Default::default() }
}

fn refused(asked: Vec<(String, Vec<i32>)>, error_code: ErrorCode) -> Vec<OffsetCommitResponseTopic> {
    let partition = |partition_index| OffsetCommitResponsePartition { partition_index, error_code };
    let topic = |(name, partitions): (String, Vec<i32>)| OffsetCommitResponseTopic {
        name,
        partitions: partitions.into_iter().map(partition).collect(),
        ..Default::default()
    };
    asked.into_iter().map(topic).collect()
}
