//! SaslAuthenticate.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// One step of a SASL exchange (KIP-152).
    ///
    /// Version 1 brings the session's lifetime (KIP-368).
    SaslAuthenticateRequest -> SaslAuthenticateResponse = 36, versions 0-2, flexible 2+;
    request {
        auth_bytes: Bytes [0+],
    }
    response {
        error_code:          ErrorCode      [0+],
        error_message:       Option<String> [0+],
        auth_bytes:          Bytes          [0+],
        session_lifetime_ms: i64            [1+ ignorable],
    }
}
