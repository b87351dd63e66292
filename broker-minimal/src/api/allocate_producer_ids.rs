//! AllocateProducerIds: a broker takes a block of producer ids from the active controller.

use std::sync::Arc;

use kinglet_protocol::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: AllocateProducerIdsRequest,
) -> AllocateProducerIdsResponse {
    match ctx.meta.allocate_producer_ids(request.broker_id, request.broker_epoch).await {
        Ok(block) => AllocateProducerIdsResponse {
            producer_id_start: block.start,
            producer_id_len: i32::try_from(block.end - block.start).unwrap_or(i32::MAX),
            ..Default::default()
        },
        Err(refusal) => AllocateProducerIdsResponse { error_code: refusal.code(), ..Default::default() },
    }
}
