//! DescribeCluster (KIP-700). From version 1 on it may be meant for a controller (KIP-919), which no listener here is.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_cluster::DescribeClusterBroker;
use kinglet_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use crate::Context;
use crate::meta::operations;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        let error_code = match request.endpoint_type {
            CONTROLLERS => ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            _ => ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
        };
        let error_message =
            Some(format!("endpoint type {}: this is a broker's listener", request.endpoint_type));
        return DescribeClusterResponse { error_code, error_message, ..Default::default() };
    }
    let (host, port) = ctx.endpoint();
    let broker = DescribeClusterBroker {
        broker_id: ctx.node_id,
        host: host.to_owned(),
        port: i32::from(port),
        ..Default::default()
    };
    let mut response = DescribeClusterResponse {
        cluster_id: ctx.cluster_id.clone(),
        controller_id: ctx.node_id,
        brokers: vec![broker],
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}
