//! BrokerHeartbeat.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A broker tells the controller that it is alive, how far it has caught up and whether it wants to stop (KIP-631).
    ///
    /// Version 1 brings offline log directories (KIP-858), 2 cordoned ones (KIP-1066).
    BrokerHeartbeatRequest -> BrokerHeartbeatResponse = 63, versions 0-2, flexible 0+;
    request {
        broker_id:               i32               [0+],
        broker_epoch:            i64               [0+] = -1,
        current_metadata_offset: i64               [0+],
        want_fence:              bool              [0+],
        want_shut_down:          bool              [0+],
        offline_log_dirs:        Vec<Uuid>         [1+] tag 0,
        cordoned_log_dirs:       Option<Vec<Uuid>> [2+] tag 1,
    }
    response {
        throttle_time_ms: i32       [0+],
        error_code:       ErrorCode [0+],
        is_caught_up:     bool      [0+],
        is_fenced:        bool      [0+] = true,
        should_shut_down: bool      [0+],
    }
}
