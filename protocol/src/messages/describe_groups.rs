//! DescribeGroups.

use bytes::Bytes;

use crate::ErrorCode;

api! {
    /// Asks for groups of the classic protocol with their members.
    ///
    /// Version 3 can ask for authorized operations (KIP-430), 4 brings static members (KIP-345), 6 says when there is no such group
    /// (KIP-1043).
    DescribeGroupsRequest -> DescribeGroupsResponse = 15, versions 0-6, flexible 5+;
    request {
        groups:                        Vec<String> [0+],
        include_authorized_operations: bool        [3+],
    }
    response {
        throttle_time_ms: i32                 [1+ ignorable],
        groups:           Vec<DescribedGroup> [0+],
    }
    DescribedGroup {
        error_code:            ErrorCode                 [0+],
        error_message:         Option<String>            [6+],
        group_id:              String                    [0+],
        group_state:           String                    [0+],
        protocol_type:         String                    [0+],
        protocol_data:         String                    [0+],
        members:               Vec<DescribedGroupMember> [0+],
        authorized_operations: i32                       [3+] = -2147483648,
    }
    DescribedGroupMember {
        member_id:         String         [0+],
        group_instance_id: Option<String> [4+ ignorable],
        client_id:         String         [0+],
        client_host:       String         [0+],
        member_metadata:   Bytes          [0+],
        member_assignment: Bytes          [0+],
    }
}
