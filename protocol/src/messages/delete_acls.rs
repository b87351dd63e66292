//! DeleteAcls.

use crate::ErrorCode;

api! {
    /// Deletes the ACLs that match filters (KIP-140).
    ///
    /// Version 1 brings prefixed patterns (KIP-290), 3 users of delegation tokens (KIP-373).
    DeleteAclsRequest -> DeleteAclsResponse = 31, versions 0-3, flexible 2+;
    request {
        filters: Vec<DeleteAclsFilter> [0+],
    }
    response {
        throttle_time_ms: i32                         [0+],
        filter_results:   Vec<DeleteAclsFilterResult> [0+],
    }
    DeleteAclsFilter {
        resource_type_filter: i8             [0+],
        resource_name_filter: Option<String> [0+],
        pattern_type_filter:  i8             [1+] = 3,
        principal_filter:     Option<String> [0+],
        host_filter:          Option<String> [0+],
        operation:            i8             [0+],
        permission_type:      i8             [0+],
    }
    DeleteAclsFilterResult {
        error_code:    ErrorCode                  [0+],
        error_message: Option<String>             [0+],
        matching_acls: Vec<DeleteAclsMatchingAcl> [0+],
    }
    DeleteAclsMatchingAcl {
        error_code:      ErrorCode      [0+],
        error_message:   Option<String> [0+],
        resource_type:   i8             [0+],
        resource_name:   String         [0+],
        pattern_type:    i8             [1+] = 3,
        principal:       String         [0+],
        host:            String         [0+],
        operation:       i8             [0+],
        permission_type: i8             [0+],
    }
}
