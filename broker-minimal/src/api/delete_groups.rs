//! DeleteGroups (KIP-229). A group with members stays.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::delete_groups::DeletableGroupResult;
use kinglet_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let error_code = match ctx.groups.ask(&group_id, Request::DeleteGroup(group_id.clone())).await {
            Ok(Reply::DeleteGroup(code)) | Err(code) => code,
            Ok(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
        };
        results.push(DeletableGroupResult { group_id, error_code });
    }
    DeleteGroupsResponse { results, ..Default::default() }
}
