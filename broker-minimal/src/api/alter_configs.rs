//! AlterConfigs (KIP-133): the configuration of a topic or broker as a whole, in the place of what was set before.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_configs::{AlterConfigsResource, AlterConfigsResourceResponse};
use kinglet_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::Context;
use crate::meta::Mode;

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mode = if request.validate_only { Mode::Validate } else { Mode::Apply };
    let named = |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let asked: Vec<(i8, String)> = request.resources.iter().map(named).collect();
    let made = ctx.meta.replace_configs(request.resources, mode).await;
    let responses = asked.into_iter().zip(made).map(|((resource_type, resource_name), made)| {
        let (error_code, error_message) = match made {
            Ok(()) => (ErrorCode::NONE, None),
            Err(refusal) => (refusal.code(), Some(refusal.to_string())),
        };
        AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    AlterConfigsResponse { responses: responses.collect(), ..Default::default() }
}
