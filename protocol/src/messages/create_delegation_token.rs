//! CreateDelegationToken.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Creates a delegation token (KIP-48).
    ///
    /// Version 3 creates it for another owner (KIP-373).
    CreateDelegationTokenRequest -> CreateDelegationTokenResponse = 38, versions 0-3, flexible 2+;
    request {
        owner_principal_type: Option<String>         [3+],
        owner_principal_name: Option<String>         [3+],
        renewers:             Vec<CreatableRenewers> [0+],
        max_lifetime_ms:      i64                    [0+],
    }
    response {
        error_code:                     ErrorCode [0+],
        principal_type:                 String    [0+],
        principal_name:                 String    [0+],
        token_requester_principal_type: String    [3+],
        token_requester_principal_name: String    [3+],
        issue_timestamp_ms:             i64       [0+],
        expiry_timestamp_ms:            i64       [0+],
        max_timestamp_ms:               i64       [0+],
        token_id:                       String    [0+],
        hmac:                           Bytes     [0+],
        throttle_time_ms:               i32       [0+],
    }
    CreatableRenewers {
        principal_type: String [0+],
        principal_name: String [0+],
    }
}
