//! GetTelemetrySubscriptions.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks which metrics a client shall push (KIP-714).
    GetTelemetrySubscriptionsRequest -> GetTelemetrySubscriptionsResponse = 71, versions 0-0, flexible 0+;
    request {
        client_instance_id: Uuid [0+],
    }
    response {
        throttle_time_ms:           i32         [0+],
        error_code:                 ErrorCode   [0+],
        client_instance_id:         Uuid        [0+],
        subscription_id:            i32         [0+],
        accepted_compression_types: Vec<i8>     [0+],
        push_interval_ms:           i32         [0+],
        telemetry_max_bytes:        i32         [0+],
        delta_temporality:          bool        [0+],
        requested_metrics:          Vec<String> [0+],
    }
}
