//! IncrementalAlterConfigs (KIP-339), for topics and brokers, and for the loggers of this broker (KIP-412). Both versions mean the same.

use std::collections::HashMap;
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse,
};
use kinglet_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::describe_configs::LOGGERS;
use crate::Context;
use crate::config::Quoted;
use crate::loggers::{self, LoggerError};
use crate::meta::{Mode, Refusal};

/// Why a resource is not changed.
#[derive(Debug, thiserror::Error)]
enum AlterError {
    #[error(transparent)]
    Meta(#[from] Refusal),
    #[error(transparent)]
    Logger(#[from] LoggerError),
    #[error("Node id must be an integer, but it is: {}", Quoted(.0))]
    NodeName(String),
    #[error("Unexpected node id. Expected {ours}, but received {asked}")]
    Node { ours: i32, asked: i32 },
}

impl AlterError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Meta(refusal) => refusal.code(),
            Self::Logger(error) => error.code(),
            Self::NodeName(_) | Self::Node { .. } => ErrorCode::INVALID_REQUEST,
        }
    }
}

/// Whether loggers are among what is to be changed: no other node can do that. What else is named beside them is refused by a broker
/// that is not the active controller, which clients ask for that.
pub(crate) fn names_loggers(request: &IncrementalAlterConfigsRequest) -> bool {
    request.resources.iter().any(|resource| resource.resource_type == LOGGERS)
}

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mode = if request.validate_only { Mode::Validate } else { Mode::Apply };
    let key = |resource: &AlterConfigsResource| (resource.resource_type, resource.resource_name.clone());
    let asked: Vec<(i8, String)> = request.resources.iter().map(key).collect();
    // What this process does with its log is nobody else's business.
    let (own, rest): (Vec<_>, Vec<_>) =
        request.resources.into_iter().partition(|resource| resource.resource_type == LOGGERS);
    let mut own = alter_loggers(ctx.node_id, &own, mode).into_iter();
    let made = if rest.is_empty() { Vec::new() } else { ctx.meta.alter_configs(rest, mode).await };
    let mut made = made.into_iter().map(|made| made.map_err(AlterError::from));
    let response = |(resource_type, resource_name): (i8, String)| {
        let made = if resource_type == LOGGERS { own.next() } else { made.next() };
        let (error_code, error_message) = match made? {
            Ok(()) => (ErrorCode::NONE, None),
            Err(error) => (error.code(), Some(error.to_string())),
        };
        Some(AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name })
    };
    let responses = asked.into_iter().filter_map(response).collect();
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

fn alter_loggers(
    node_id: i32,
    resources: &[AlterConfigsResource],
    mode: Mode,
) -> Vec<Result<(), AlterError>> {
    let mut times: HashMap<&str, usize> = HashMap::new();
    for resource in resources {
        *times.entry(&resource.resource_name).or_default() += 1;
    }
    let alter = |resource: &AlterConfigsResource| {
        let name = &*resource.resource_name;
        if times.get(name).is_some_and(|times| *times > 1) {
            return Err(Refusal::DuplicateResource.into());
        }
        match name.parse::<i32>() {
            Ok(id) if id == node_id => Ok(loggers::alter(&resource.configs, mode)?),
            Ok(asked) => Err(AlterError::Node { ours: node_id, asked }),
            Err(_) => Err(AlterError::NodeName(name.to_owned())),
        }
    };
    resources.iter().map(alter).collect()
}
