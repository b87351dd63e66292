//! Heartbeat. All versions mean the same; 3 brings static members (KIP-345).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: HeartbeatRequest) -> HeartbeatResponse {
    let group = request.group_id.clone();
    let error_code = match ctx.groups.ask(&group, Request::Heartbeat(request)).await {
        Ok(Reply::Heartbeat(code)) | Err(code) => code,
        Ok(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
    };
    HeartbeatResponse { error_code, ..Default::default() }
}
