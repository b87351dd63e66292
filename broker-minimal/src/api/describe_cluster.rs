//! DescribeCluster (KIP-700): the brokers, or where it is asked of a controller's listener the controllers (KIP-919).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_cluster::DescribeClusterBroker;
use kinglet_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use crate::Context;
use crate::config::Purpose;
use crate::meta::operations;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (endpoint_type, whose) = match ctx.purpose {
        Purpose::Clients => (BROKERS, "a broker's"),
        Purpose::Controllers => (CONTROLLERS, "a controller's"),
    };
    if request.endpoint_type != endpoint_type {
        let error_code = match request.endpoint_type {
            BROKERS | CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
        };
        let error_message =
            Some(format!("endpoint type {}: this is {whose} listener", request.endpoint_type));
        return DescribeClusterResponse { error_code, error_message, ..Default::default() };
    }
    let (controller_id, brokers) = match ctx.purpose {
        Purpose::Clients => brokers(ctx),
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

fn brokers(ctx: &Context) -> (i32, Vec<DescribeClusterBroker>) {
    let image = ctx.meta.image();
    let brokers = ctx.all_reachable(&image).into_iter().map(|broker| DescribeClusterBroker {
        broker_id: broker.id,
        host: broker.host,
        port: i32::from(broker.port),
        rack: broker.rack,
        ..Default::default()
    });
    (ctx.controller_id(&image), brokers.collect())
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
