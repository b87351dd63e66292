//! JoinGroup, versions 0 to 9. The answer comes when the rebalance has everyone.
//!
//! Version 1 brings the rebalance timeout; before, it is the session's. From 4 on a member comes back with the id it was given
//! (KIP-394). Up to version 6 no protocol is an empty string; 9 can tell a leader not to assign (KIP-814).

use std::net::IpAddr;
use std::sync::Arc;

use kinglet_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kinglet_protocol::{ErrorCode, RequestHeader};

use crate::group::{Joiner, Reply, Request};
use crate::{Context, rng};

const MEMBER_ID_REQUIRED_FROM: i16 = 4;
const NULL_PROTOCOL_FROM: i16 = 7;
const SKIP_ASSIGNMENT_FROM: i16 = 9;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    peer: IpAddr,
    header: RequestHeader,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let version = header.version;
    let joiner = Joiner {
        client_id: header.client_id.unwrap_or_default(),
        client_host: format!("/{peer}"),
        fresh: rng::suffix(),
        knows_member_id_required: version >= MEMBER_ID_REQUIRED_FROM,
        knows_skip_assignment: version >= SKIP_ASSIGNMENT_FROM,
    };
    let (group, member_id) = (request.group_id.clone(), request.member_id.clone());
    let refused = |error_code| JoinGroupResponse { error_code, member_id, ..Default::default() };
    let mut response = match ctx.groups.ask(&group, Request::Join(request, joiner)).await {
        Ok(Reply::Join(response)) => response,
        Ok(_) => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => refused(code),
    };
    if version < NULL_PROTOCOL_FROM {
        response.protocol_name.get_or_insert_default();
    }
    response
}
