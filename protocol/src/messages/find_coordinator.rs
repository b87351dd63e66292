//! FindCoordinator.

use crate::ErrorCode;

api! {
    /// Asks which broker coordinates a consumer group or a transactional id.
    ///
    /// `key_type` is 0 for groups, 1 for transactions (KIP-98), 2 for share groups (KIP-932). Version 4 asks for several at
    /// once (KIP-699), 6 is share groups'.
    FindCoordinatorRequest -> FindCoordinatorResponse = 10, versions 0-6, flexible 3+;
    request {
        key:              String      [0-3],
        key_type:         i8          [1+],
        coordinator_keys: Vec<String> [4+],
    }
    response {
        throttle_time_ms: i32              [1+ ignorable],
        error_code:       ErrorCode        [0-3],
        error_message:    Option<String>   [1-3 ignorable],
        node_id:          i32              [0-3],
        host:             String           [0-3],
        port:             i32              [0-3],
        coordinators:     Vec<Coordinator> [4+],
    }
    Coordinator {
        key:           String         [4+],
        node_id:       i32            [4+],
        host:          String         [4+],
        port:          i32            [4+],
        error_code:    ErrorCode      [4+],
        error_message: Option<String> [4+ ignorable],
    }
}
