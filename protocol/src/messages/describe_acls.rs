//! DescribeAcls.

use crate::ErrorCode;

api! {
    /// Asks for ACLs that match a filter (KIP-140).
    ///
    /// Version 1 brings prefixed patterns (KIP-290), 3 users of delegation tokens (KIP-373).
    DescribeAclsRequest -> DescribeAclsResponse = 29, versions 0-3, flexible 2+;
    request {
        resource_type_filter: i8             [0+],
        resource_name_filter: Option<String> [0+],
        pattern_type_filter:  i8             [1+] = 3,
        principal_filter:     Option<String> [0+],
        host_filter:          Option<String> [0+],
        operation:            i8             [0+],
        permission_type:      i8             [0+],
    }
    response {
        throttle_time_ms: i32                       [0+],
        error_code:       ErrorCode                 [0+],
        error_message:    Option<String>            [0+],
        resources:        Vec<DescribeAclsResource> [0+],
    }
    DescribeAclsResource {
        resource_type: i8                  [0+],
        resource_name: String              [0+],
        pattern_type:  i8                  [1+] = 3,
        acls:          Vec<AclDescription> [0+],
    }
    AclDescription {
        principal:       String [0+],
        host:            String [0+],
        operation:       i8     [0+],
        permission_type: i8     [0+],
    }
}
