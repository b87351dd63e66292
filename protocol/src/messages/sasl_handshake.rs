//! SaslHandshake.

use crate::ErrorCode;

api! {
    /// Chooses a SASL mechanism.
    ///
    /// After version 0 come bare tokens, after version 1 [`SaslAuthenticateRequest`](super::SaslAuthenticateRequest)s (KIP-152).
    SaslHandshakeRequest -> SaslHandshakeResponse = 17, versions 0-1, flexible none;
    request {
        mechanism: String [0+],
    }
    response {
        error_code: ErrorCode   [0+],
        mechanisms: Vec<String> [0+],
    }
}
