//! Heartbeat.

use crate::ErrorCode;

api! {
    /// A member tells its coordinator that it is alive, and hears of rebalances.
    ///
    /// Version 3 brings static members (KIP-345).
    HeartbeatRequest -> HeartbeatResponse = 12, versions 0-4, flexible 4+;
    request {
        group_id:          String         [0+],
        generation_id:     i32            [0+],
        member_id:         String         [0+],
        group_instance_id: Option<String> [3+],
    }
    response {
        throttle_time_ms: i32       [1+ ignorable],
        error_code:       ErrorCode [0+],
    }
}
