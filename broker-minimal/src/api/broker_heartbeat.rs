//! BrokerHeartbeat: a broker tells the active controller that it is alive, and learns whether it may serve.

use std::sync::Arc;

use kinglet_protocol::messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: BrokerHeartbeatRequest,
) -> BrokerHeartbeatResponse {
    match ctx.meta.heartbeat(request).await {
        Ok(beat) => BrokerHeartbeatResponse {
            is_caught_up: beat.is_caught_up,
            is_fenced: beat.is_fenced,
            should_shut_down: beat.should_shut_down,
            ..Default::default()
        },
        Err(refusal) => BrokerHeartbeatResponse { error_code: refusal.code(), ..Default::default() },
    }
}
