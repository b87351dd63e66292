//! DeleteTopics, by name, and by id from version 6 on (KIP-516).
//!
//! Up to version 2 a broker that deletes nothing says INVALID_REQUEST: the better code came with version 3.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicState};
use kinglet_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use crate::Context;
use crate::meta::controller::Deleted;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = |name| DeleteTopicState { name: Some(name), ..Default::default() };
    let topics: Vec<DeleteTopicState> =
        if version >= 6 { request.topics } else { request.topic_names.into_iter().map(by_name).collect() };
    let responses = if ctx.config.delete_topic_enable {
        ctx.meta.delete_topics(topics).await.into_iter().map(told).collect()
    } else {
        topics.into_iter().map(|topic| disabled(version, topic)).collect()
    };
    DeleteTopicsResponse { responses, ..Default::default() }
}

fn told(deleted: Deleted) -> DeletableTopicResult {
    let (error_code, error_message) = match deleted.result {
        Ok(()) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code(), Some(refusal.to_string())),
    };
    DeletableTopicResult { name: deleted.name, topic_id: deleted.id, error_code, error_message }
}

fn disabled(version: i16, topic: DeleteTopicState) -> DeletableTopicResult {
    let error_code =
        if version < 3 { ErrorCode::INVALID_REQUEST } else { ErrorCode::TOPIC_DELETION_DISABLED };
    let error_message = Some("Topic deletion is disabled (delete.topic.enable=false).".to_owned());
    DeletableTopicResult { name: topic.name, topic_id: topic.topic_id, error_code, error_message }
}
