//! FindCoordinator, versions 0 to 6: the broker that leads the group's partition of `__consumer_offsets`.
//!
//! The first group that looks for its coordinator makes the topic. Version 4 asks for several keys. Transactions and share groups
//! have none here: the answer is an error that clients do not retry, so that a producer fails at once instead of waiting.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::find_coordinator::Coordinator;
use kinglet_protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::{Context, Reachable};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
/// The first version that asks for several keys.
const BATCHED_FROM: i16 = 4;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let FindCoordinatorRequest { key, key_type, coordinator_keys, .. } = request;
    if version >= BATCHED_FROM {
        let mut coordinators = Vec::with_capacity(coordinator_keys.len());
        for key in coordinator_keys {
            coordinators.push(find(ctx, key_type, key).await);
        }
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } = find(ctx, key_type, key).await;
    FindCoordinatorResponse { node_id, host, port, error_code, error_message, ..Default::default() }
}

async fn find(ctx: &Context, key_type: i8, key: String) -> Coordinator {
    match found(ctx, key_type, &key).await {
        Ok(Reachable { id: node_id, host, port, .. }) => {
            Coordinator { key, node_id, host, port: i32::from(port), ..Default::default() }
        }
        Err((error_code, why)) => {
            let error_message = Some(why.to_owned());
            Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
        }
    }
}

async fn found(ctx: &Context, key_type: i8, key: &str) -> Result<Reachable, (ErrorCode, &'static str)> {
    match key_type {
        GROUP => {}
        TRANSACTION => {
            return Err((ErrorCode::UNSUPPORTED_VERSION, "this broker does not serve transactions yet"));
        }
        _ => return Err((ErrorCode::INVALID_REQUEST, "only groups have a coordinator here")),
    }
    let missing = (ErrorCode::COORDINATOR_NOT_AVAILABLE, "the group's partition has no leader");
    ctx.groups.ensure_topic().await.map_err(|code| (code, "the topic of groups could not be created"))?;
    ctx.groups.node_of(key).and_then(|node| ctx.reachable(&ctx.meta.image(), node)).ok_or(missing)
}
