//! LeaveGroup. Up to version 2 one member leaves, and its error is that of the answer; from 3 on each has its own.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::Context;
use crate::group::{Reply, Request};

const BATCHED_FROM: i16 = 3;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group = request.group_id.clone();
    let (error_code, members) = match ctx.groups.ask(&group, Request::Leave(request)).await {
        Ok(Reply::Leave(code, members)) => (code, members),
        Ok(_) => (ErrorCode::UNKNOWN_SERVER_ERROR, Vec::new()),
        Err(code) => (code, Vec::new()),
    };
    if version >= BATCHED_FROM {
        return LeaveGroupResponse { error_code, members, ..Default::default() };
    }
    let own = members.first().map(|member| member.error_code).unwrap_or_default();
    let error_code = if error_code.is_err() { error_code } else { own };
    LeaveGroupResponse { error_code, ..Default::default() }
}
