//! DescribeDelegationToken.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Asks for delegation tokens (KIP-48).
    ///
    /// Version 3 tells the requester from the owner (KIP-373).
    DescribeDelegationTokenRequest -> DescribeDelegationTokenResponse = 41, versions 0-3, flexible 2+;
    request {
        owners: Option<Vec<DescribeDelegationTokenOwner>> [0+],
    }
    response {
        error_code:       ErrorCode                     [0+],
        tokens:           Vec<DescribedDelegationToken> [0+],
        throttle_time_ms: i32                           [0+],
    }
    DescribeDelegationTokenOwner {
        principal_type: String [0+],
        principal_name: String [0+],
    }
    DescribedDelegationToken {
        principal_type:                 String                               [0+],
        principal_name:                 String                               [0+],
        token_requester_principal_type: String                               [3+],
        token_requester_principal_name: String                               [3+],
        issue_timestamp:                i64                                  [0+],
        expiry_timestamp:               i64                                  [0+],
        max_timestamp:                  i64                                  [0+],
        token_id:                       String                               [0+],
        hmac:                           Bytes                                [0+],
        renewers:                       Vec<DescribedDelegationTokenRenewer> [0+],
    }
    DescribedDelegationTokenRenewer {
        principal_type: String [0+],
        principal_name: String [0+],
    }
}
