//! DescribeCluster (KIP-700): the brokers, or where it is asked of a controller's listener the controllers (KIP-919). From version 2 on it
//! tells of fenced brokers too, if it is asked to (KIP-1073).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_cluster::DescribeClusterBroker;
use kinglet_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use crate::config::Purpose;
use crate::meta::operations;
use crate::{Context, Reachable};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let endpoint_type = match ctx.purpose {
        Purpose::Clients => BROKERS,
        Purpose::Controllers => CONTROLLERS,
    };
    if request.endpoint_type != endpoint_type {
        return mismatched(endpoint_type, version, request.endpoint_type);
    }
    let (controller_id, brokers) = match ctx.purpose {
        Purpose::Clients => brokers(ctx, request.include_fenced_brokers),
        Purpose::Controllers => controllers(ctx),
    };
    let mut response = DescribeClusterResponse {
        endpoint_type,
        cluster_id: ctx.cluster_id().to_owned(),
        controller_id,
        brokers,
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}

/// The answer to somebody who takes this listener for one of another kind.
fn mismatched(endpoint_type: i8, version: i16, wanted: i8) -> DescribeClusterResponse {
    let name = |endpoint_type| match endpoint_type {
        BROKERS => Some("BROKER"),
        CONTROLLERS => Some("CONTROLLER"),
        _ => None,
    };
    let (code, message) = match (name(endpoint_type), name(wanted)) {
        (Some(ours), Some(theirs)) => (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            format!(
                "The request was sent to an endpoint of type {ours}, but we wanted an endpoint of type {theirs}"
            ),
        ),
        _ => (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, format!("Unsupported endpoint type {wanted}")),
    };
    let error_code = if version == 0 { ErrorCode::INVALID_REQUEST } else { code };
    DescribeClusterResponse { error_code, error_message: Some(message), ..Default::default() }
}

fn brokers(ctx: &Context, with_fenced: bool) -> (i32, Vec<DescribeClusterBroker>) {
    let image = ctx.meta.image();
    let tell = |broker: Reachable, is_fenced| DescribeClusterBroker {
        broker_id: broker.id,
        host: broker.host,
        port: i32::from(broker.port),
        rack: broker.rack,
        is_fenced,
    };
    let mut brokers: Vec<_> =
        ctx.all_reachable(&image).into_iter().map(|broker| tell(broker, false)).collect();
    if with_fenced {
        let is_told = |id: i32| brokers.iter().any(|broker| broker.broker_id == id);
        let others = image.brokers.keys().filter(|id| !is_told(**id));
        let fenced: Vec<_> =
            others.filter_map(|id| ctx.address(&image, *id)).map(|broker| tell(broker, true)).collect();
        brokers.extend(fenced);
        brokers.sort_unstable_by_key(|broker| broker.broker_id);
    }
    (ctx.controller_id(&image), brokers)
}

fn controllers(ctx: &Context) -> (i32, Vec<DescribeClusterBroker>) {
    let quorum = ctx.meta.describe_quorum();
    let voters = quorum.voters.into_iter().map(|voter| DescribeClusterBroker {
        broker_id: voter.node_id,
        host: voter.host,
        port: i32::from(voter.port),
        ..Default::default()
    });
    (quorum.leadership.leader.unwrap_or(-1), voters.collect())
}
