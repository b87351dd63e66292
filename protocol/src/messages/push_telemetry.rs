//! PushTelemetry.

use bytes::Bytes;

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Pushes metrics of a client (KIP-714).
    PushTelemetryRequest -> PushTelemetryResponse = 72, versions 0-0, flexible 0+;
    request {
        client_instance_id: Uuid  [0+],
        subscription_id:    i32   [0+],
        terminating:        bool  [0+],
        compression_type:   i8    [0+],
        metrics:            Bytes [0+],
    }
    response {
        throttle_time_ms: i32       [0+],
        error_code:       ErrorCode [0+],
    }
}
