//! ExpireDelegationToken.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Ends a delegation token, at once or at a time (KIP-48).
    ExpireDelegationTokenRequest -> ExpireDelegationTokenResponse = 40, versions 0-2, flexible 2+;
    request {
        hmac:                  Bytes [0+],
        expiry_time_period_ms: i64   [0+],
    }
    response {
        error_code:          ErrorCode [0+],
        expiry_timestamp_ms: i64       [0+],
        throttle_time_ms:    i32       [0+],
    }
}
