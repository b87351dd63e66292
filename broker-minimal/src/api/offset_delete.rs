//! OffsetDelete (KIP-496): forgets offsets of topics that the group does not read.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let group = request.group_id.clone();
    let request = Request::DeleteOffsets { request, unknown: Default::default() };
    let (error_code, topics) = match ctx.groups.ask(&group, request).await {
        Ok(Reply::DeleteOffsets(code, topics)) => (code, topics),
        Ok(_) => (ErrorCode::UNKNOWN_SERVER_ERROR, Vec::new()),
        Err(code) => (code, Vec::new()),
    };
    OffsetDeleteResponse { error_code, topics, ..Default::default() }
}
