//! InitProducerId, for idempotence. Transactions are not served: a transactional id is refused.
//!
//! Version 3 lets a producer hand in the id it has, to go on after an error (KIP-360). Without a transactional id nobody
//! checks that it is its own, so it gets a fresh one, as with Kafka: sequences start anew and nothing can be mixed up.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::Context;

const NO_ID: i64 = -1;
const NO_EPOCH: i16 = -1;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused =
        |error_code| InitProducerIdResponse { error_code, producer_epoch: NO_EPOCH, ..Default::default() };
    if let Some(id) = request.transactional_id {
        tracing::warn!(id, "transactions are not supported: producer refused");
        return refused(ErrorCode::INVALID_REQUEST);
    }
    if (request.producer_id == NO_ID) != (request.producer_epoch == NO_EPOCH) {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    match ctx.meta.producer_id_anywhere().await {
        Ok(producer_id) => InitProducerIdResponse { producer_id, producer_epoch: 0, ..Default::default() },
        // A storage error is no answer that producers expect here; this one makes them try again.
        Err(_) => refused(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}
