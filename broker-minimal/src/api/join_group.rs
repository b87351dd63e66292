//! JoinGroup, versions 0 to 2: refused, as groups are not served yet.
//!
//! Clients of later versions are refused where they look for a coordinator. Those before find one, and would try to join
//! for ever if nobody answered.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use crate::Context;

pub(crate) async fn handle(_: &Arc<Context>, _: i16, request: JoinGroupRequest) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        protocol_name: Some(String::new()),
        member_id: request.member_id,
        ..Default::default()
    }
}
