//! IncrementalAlterConfigs (KIP-339), for topics and brokers. Both versions mean the same.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::incremental_alter_configs::AlterConfigsResourceResponse;
use kinglet_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::Context;
use crate::meta::Mode;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mode = if request.validate_only { Mode::Validate } else { Mode::Apply };
    let resource =
        |resource: &kinglet_protocol::messages::incremental_alter_configs::AlterConfigsResource| {
            (resource.resource_type, resource.resource_name.clone())
        };
    let asked: Vec<(i8, String)> = request.resources.iter().map(resource).collect();
    let made = ctx.meta.alter_configs(request.resources, mode).await;
    let responses = asked.into_iter().zip(made).map(|((resource_type, resource_name), made)| {
        let (error_code, error_message) = match made {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code(), Some(refusal.to_string())),
        };
        AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    IncrementalAlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}
