//! Requests that only the active controller can answer: any broker takes them and passes them on (KIP-590).

use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::messages as m;
use kinglet_protocol::{ApiInfo, ApiKey, RequestHead, RequestHeader, frame_response};

use super::Response;
use super::dispatch::{Answer, Refusal};
use crate::meta::active::ActiveController;
use crate::{Context, clock};

/// How long a controller is looked for. Clients that ask for longer ask again.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is passed on, with what is needed to frame it.
const FORWARDED: &[ApiInfo] = &[
    ApiInfo::of::<m::CreateTopicsRequest>(),
    ApiInfo::of::<m::DeleteTopicsRequest>(),
    ApiInfo::of::<m::CreatePartitionsRequest>(),
    ApiInfo::of::<m::AlterConfigsRequest>(),
    ApiInfo::of::<m::IncrementalAlterConfigsRequest>(),
    ApiInfo::of::<m::ElectLeadersRequest>(),
    ApiInfo::of::<m::AlterPartitionReassignmentsRequest>(),
    ApiInfo::of::<m::ListPartitionReassignmentsRequest>(),
    ApiInfo::of::<m::UnregisterBrokerRequest>(),
    ApiInfo::of::<m::DescribeQuorumRequest>(),
];

/// The active controller, if it is another node and the request is for it.
pub(super) fn elsewhere(ctx: &Context, key: ApiKey) -> Option<(&ActiveController, &'static ApiInfo)> {
    let active = ctx.active.as_ref()?;
    let api = FORWARDED.iter().find(|api| api.key == key)?;
    (!ctx.meta.is_active()).then_some((active, api))
}

/// Passes one request on. A controller that cannot be found ends the connection: the client tries again elsewhere.
pub(super) async fn forward(
    active: &ActiveController,
    api: &'static ApiInfo,
    head: RequestHead,
) -> Result<Answer, Refusal> {
    let (RequestHeader { version, correlation_id, .. }, body): (_, Bytes) = head.raw_body(api)?;
    let answer = active.forward((api, version), &body, clock::now() + PATIENCE).await;
    let answer = answer.map_err(|error| Refusal::NoController { key: api.key, why: error.to_string() })?;
    let frame = frame_response(api, version, correlation_id, &answer)?;
    Ok(Answer::Ready(Box::new(Response { frame, ..Default::default() })))
}
