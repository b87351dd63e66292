//! DescribeGroups. A group that is not there is "Dead"; from version 6 on that is an error (KIP-1043).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_groups::DescribedGroup;
use kinglet_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use crate::Context;
use crate::group::{Reply, Request};
use crate::meta::operations;

const NOT_FOUND_FROM: i16 = 6;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let refused = |group_id, error_code| DescribedGroup { group_id, error_code, ..Default::default() };
        let mut group = match ctx.groups.ask(&group_id, Request::Describe(group_id.clone())).await {
            Ok(Reply::Describe(group)) => group,
            Ok(_) => refused(group_id, ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(code) => refused(group_id, code),
        };
        if version < NOT_FOUND_FROM && group.error_code == ErrorCode::GROUP_ID_NOT_FOUND {
            group.error_code = ErrorCode::NONE;
            group.error_message = None;
        }
        if request.include_authorized_operations && !group.error_code.is_err() {
            group.authorized_operations = operations::GROUP;
        }
        groups.push(group);
    }
    DescribeGroupsResponse { groups, ..Default::default() }
}
