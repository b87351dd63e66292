//! ListGroups. Filters by state from version 4 on (KIP-518) and by type from 5 on (KIP-848); an empty filter takes everything.

use std::sync::Arc;

use kinglet_protocol::messages::list_groups::ListedGroup;
use kinglet_protocol::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::Context;
use crate::group::{Reply, Request};

pub(crate) async fn handle(ctx: &Arc<Context>, _: i16, request: ListGroupsRequest) -> ListGroupsResponse {
    let replies = match ctx.groups.ask_all(&Request::List).await {
        Ok(replies) => replies,
        Err(error_code) => return ListGroupsResponse { error_code, ..Default::default() },
    };
    let takes = |filter: &[String], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let is_wanted = |group: &ListedGroup| {
        takes(&request.states_filter, &group.group_state) && takes(&request.types_filter, &group.group_type)
    };
    let listed = |reply| match reply {
        Reply::List(groups) => groups,
        _ => Vec::new(),
    };
    let groups = replies.into_iter().flat_map(listed).filter(is_wanted).collect();
    ListGroupsResponse { groups, ..Default::default() }
}
