//! LeaveGroup.

use crate::ErrorCode;

api! {
    /// Members leave their group.
    ///
    /// Version 3 takes several members, static ones too (KIP-345), 5 brings a reason (KIP-800).
    LeaveGroupRequest -> LeaveGroupResponse = 13, versions 0-5, flexible 4+;
    request {
        group_id:  String              [0+],
        member_id: String              [0-2],
        members:   Vec<MemberIdentity> [3+],
    }
    response {
        throttle_time_ms: i32                 [1+ ignorable],
        error_code:       ErrorCode           [0+],
        members:          Vec<MemberResponse> [3+],
    }
    MemberIdentity {
        member_id:         String         [3+],
        group_instance_id: Option<String> [3+],
        reason:            Option<String> [5+ ignorable],
    }
    MemberResponse {
        member_id:         String         [3+],
        group_instance_id: Option<String> [3+],
        error_code:        ErrorCode      [3+],
    }
}
