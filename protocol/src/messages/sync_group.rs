//! SyncGroup.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// The leader of a group hands in the assignment; every member gets its own.
    ///
    /// Version 3 brings static members (KIP-345), 5 the protocol's type and name, to be compared (KIP-559).
    SyncGroupRequest -> SyncGroupResponse = 14, versions 0-5, flexible 4+;
    request {
        group_id:          String                          [0+],
        generation_id:     i32                             [0+],
        member_id:         String                          [0+],
        group_instance_id: Option<String>                  [3+],
        protocol_type:     Option<String>                  [5+ ignorable],
        protocol_name:     Option<String>                  [5+ ignorable],
        assignments:       Vec<SyncGroupRequestAssignment> [0+],
    }
    response {
        throttle_time_ms: i32            [1+ ignorable],
        error_code:       ErrorCode      [0+],
        protocol_type:    Option<String> [5+ ignorable],
        protocol_name:    Option<String> [5+ ignorable],
        assignment:       Bytes          [0+],
    }
    SyncGroupRequestAssignment {
        member_id:  String [0+],
        assignment: Bytes  [0+],
    }
}
