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
    let image = ctx.meta.image();
    let brokers = ctx.all_reachable(&image).into_iter().map(|broker| DescribeClusterBroker {
        broker_id: broker.id,
        host: broker.host,
        port: i32::from(broker.port),
        rack: broker.rack,
        ..Default::default()
    });
    let mut response = DescribeClusterResponse {
        cluster_id: ctx.cluster_id().to_owned(),
        controller_id: ctx.controller_id(&image),
        brokers: brokers.collect(),
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}
