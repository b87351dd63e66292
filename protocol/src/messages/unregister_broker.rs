//! UnregisterBroker.

use crate::ErrorCode;

api! {
    /// Removes a broker's registration (KIP-631).
    UnregisterBrokerRequest -> UnregisterBrokerResponse = 64, versions 0-0, flexible 0+;
    request {
        broker_id: i32 [0+],
    }
    response {
        throttle_time_ms: i32            [0+],
        error_code:       ErrorCode      [0+],
        error_message:    Option<String> [0+],
    }
}
