//! CreateAcls.

use crate::ErrorCode;

api! {
    /// Creates ACLs (KIP-140).
    ///
    /// Version 1 brings prefixed patterns (KIP-290), 3 users of delegation tokens (KIP-373).
    CreateAclsRequest -> CreateAclsResponse = 30, versions 0-3, flexible 2+;
    request {
        creations: Vec<AclCreation> [0+],
    }
    response {
        throttle_time_ms: i32                    [0+],
        results:          Vec<AclCreationResult> [0+],
    }
    AclCreation {
        resource_type:         i8     [0+],
        resource_name:         String [0+],
        resource_pattern_type: i8     [1+] = 3,
        principal:             String [0+],
        host:                  String [0+],
        operation:             i8     [0+],
        permission_type:       i8     [0+],
    }
    AclCreationResult {
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
