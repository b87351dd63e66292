//! AlterPartition: a leader asks the active controller for another ISR.
//!
//! Up to version 1 a replica that may not join the ISR is told as OPERATION_NOT_ATTEMPTED, which old leaders know (KIP-841).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: AlterPartitionRequest,
) -> AlterPartitionResponse {
    match ctx.meta.alter_partition(request).await {
        Ok(mut topics) => {
            let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions.filter(|_| version < 2) {
                if partition.error_code == ErrorCode::INELIGIBLE_REPLICA {
                    partition.error_code = ErrorCode::OPERATION_NOT_ATTEMPTED;
                }
            }
            AlterPartitionResponse { topics, ..Default::default() }
        }
        Err(refusal) => AlterPartitionResponse { error_code: refusal.code(), ..Default::default() },
    }
}
