//! FindCoordinator, versions 0 to 4: nobody coordinates groups or transactions here yet.
//!
//! The answer is an error that clients do not retry, so that a consumer in a group fails at once instead of waiting.
//! Versions 0 and 1 name this broker for a group: the consumers of Kafka 0.9 and 0.10 look for a coordinator in each poll,
//! also when their partitions are assigned and they never ask it for anything.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::find_coordinator::Coordinator;
use kinglet_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::Context;

/// The last version of clients that want a coordinator for nothing.
const ALWAYS_FOUND_UPTO: i16 = 1;
const GROUP: i8 = 0;
/// The first version that asks for several keys.
const BATCHED_FROM: i16 = 4;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if version <= ALWAYS_FOUND_UPTO && request.key_type == GROUP {
        let (host, port) = ctx.endpoint();
        return FindCoordinatorResponse {
            node_id: ctx.node_id,
            host: host.to_owned(),
            port: i32::from(port),
            ..Default::default()
        };
    }
    let error_code = ErrorCode::UNSUPPORTED_VERSION;
    let why = match request.key_type {
        GROUP => "this broker does not serve consumer groups yet: assign partitions instead",
        _ => "this broker does not serve transactions yet",
    };
    let error_message = Some(why.to_owned());
    if version < BATCHED_FROM {
        return FindCoordinatorResponse {
            error_code,
            error_message,
            node_id: -1,
            port: -1,
            ..Default::default()
        };
    }
    let refuse = |key: String| {
        let error_message = error_message.clone();
        Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
    };
    FindCoordinatorResponse {
        coordinators: request.coordinator_keys.into_iter().map(refuse).collect(),
        ..Default::default()
    }
}
