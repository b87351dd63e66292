//! CreatePartitions (KIP-195). All versions mean the same.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopicResult;
use kinglet_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::Context;
use crate::meta::Mode;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mode = if request.validate_only { Mode::Validate } else { Mode::Apply };
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let made = ctx.meta.create_partitions(request.topics, mode).await;
    let results = names.into_iter().zip(made).map(|(name, made)| {
        let (error_code, error_message) = match made {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code(), Some(refusal.to_string())),
        };
        CreatePartitionsTopicResult { name, error_code, error_message }
    });
    CreatePartitionsResponse { results: results.collect(), ..Default::default() }
}
