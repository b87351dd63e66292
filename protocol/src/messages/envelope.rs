//! Envelope.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// A broker passes a client's request on to the controller (KIP-590).
    EnvelopeRequest -> EnvelopeResponse = 58, versions 0-0, flexible 0+;
    request {
        request_data:        Bytes         [0+],
        request_principal:   Option<Bytes> [0+],
        client_host_address: Bytes         [0+],
    }
    response {
        response_data: Option<Bytes> [0+],
        error_code:    ErrorCode     [0+],
    }
}
