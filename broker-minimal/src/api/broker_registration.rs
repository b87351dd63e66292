//! BrokerRegistration: a broker makes itself known to the active controller.

use std::sync::Arc;

use kinglet_protocol::messages::{BrokerRegistrationRequest, BrokerRegistrationResponse};

use crate::Context;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: BrokerRegistrationRequest,
) -> BrokerRegistrationResponse {
    let broker = request.broker_id;
    match ctx.meta.register_broker(request).await {
        Ok(broker_epoch) => BrokerRegistrationResponse { broker_epoch, ..Default::default() },
        Err(refusal) => {
            // It asks again at once, and says itself what keeps it, if that lasts.
            tracing::debug!(broker, error = %refusal, "broker not registered");
            BrokerRegistrationResponse { error_code: refusal.code(), ..Default::default() }
        }
    }
}
