//! RenewDelegationToken.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Gives a delegation token more time (KIP-48).
    RenewDelegationTokenRequest -> RenewDelegationTokenResponse = 39, versions 0-2, flexible 2+;
    request {
        hmac:            Bytes [0+],
        renew_period_ms: i64   [0+],
    }
    response {
        error_code:          ErrorCode [0+],
        expiry_timestamp_ms: i64       [0+],
        throttle_time_ms:    i32       [0+],
    }
}
