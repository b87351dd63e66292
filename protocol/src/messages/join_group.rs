//! JoinGroup.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// A member joins a group of the classic protocol; the answer comes when the rebalance has everyone.
    ///
    /// Version 1 brings the rebalance timeout, 4 a second round in which the member has its id (KIP-394), 5 static members (KIP-345), 7
    /// the protocol's type in the answer (KIP-559), 8 a reason (KIP-800), 9 leaders that need not assign (KIP-814).
    JoinGroupRequest -> JoinGroupResponse = 11, versions 0-9, flexible 6+;
    request {
        group_id:             String                        [0+],
        session_timeout_ms:   i32                           [0+],
        rebalance_timeout_ms: i32                           [1+ ignorable] = -1,
        member_id:            String                        [0+],
        group_instance_id:    Option<String>                [5+],
        protocol_type:        String                        [0+],
        protocols:            Vec<JoinGroupRequestProtocol> [0+],
        reason:               Option<String>                [8+ ignorable],
    }
    response {
        throttle_time_ms: i32                          [2+ ignorable],
        error_code:       ErrorCode                    [0+],
        generation_id:    i32                          [0+] = -1,
        protocol_type:    Option<String>               [7+ ignorable],
        protocol_name:    Option<String>               [0+ null 7+],
        leader:           String                       [0+],
        skip_assignment:  bool                         [9+],
        member_id:        String                       [0+],
        members:          Vec<JoinGroupResponseMember> [0+],
    }
    JoinGroupRequestProtocol {
        name:     String [0+],
        metadata: Bytes  [0+],
    }
    JoinGroupResponseMember {
        member_id:         String         [0+],
        group_instance_id: Option<String> [5+ ignorable],
        metadata:          Bytes          [0+],
    }
}
