//! AlterPartitionReassignments (KIP-455): partitions get other replicas. Version 1 may forbid another number of them (KIP-860).

use std::sync::Arc;

use kinglet_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let allow_replication_factor_change = request.allow_replication_factor_change;
    let response =
        AlterPartitionReassignmentsResponse { allow_replication_factor_change, ..Default::default() };
    match ctx.meta.reassign(request).await {
        Ok(responses) => AlterPartitionReassignmentsResponse { responses, ..response },
        Err(refusal) => AlterPartitionReassignmentsResponse {
            error_code: refusal.code(),
            error_message: Some(refusal.to_string()),
            ..response
        },
    }
}
