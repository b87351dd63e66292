//! UnregisterBroker: the registration of a broker that does not come back is removed.

use std::sync::Arc;

use kinglet_protocol::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse {
    match ctx.meta.unregister_broker(request.broker_id).await {
        Ok(()) => UnregisterBrokerResponse::default(),
        Err(refusal) => UnregisterBrokerResponse {
            error_code: refusal.code(),
            error_message: Some(refusal.to_string()),
            ..Default::default()
        },
    }
}
