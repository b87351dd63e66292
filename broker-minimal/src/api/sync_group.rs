//! SyncGroup. The leader hands in the assignment; everyone's answer comes when it is written down.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: SyncGroupRequest) -> SyncGroupResponse {
    let group = request.group_id.clone();
    let refused = |error_code| SyncGroupResponse { error_code, ..Default::default() };
    match ctx.groups.ask(&group, Request::Sync(request)).await {
        Ok(Reply::Sync(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(code),
    }
}
