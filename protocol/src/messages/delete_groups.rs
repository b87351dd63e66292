//! DeleteGroups.

use crate::ErrorCode;

api! {
    /// Deletes groups that have no members (KIP-229).
    DeleteGroupsRequest -> DeleteGroupsResponse = 42, versions 0-2, flexible 2+;
    request {
        groups_names: Vec<String> [0+],
    }
    response {
        throttle_time_ms: i32                       [0+],
        results:          Vec<DeletableGroupResult> [0+],
    }
    DeletableGroupResult {
        group_id:   String    [0+],
        error_code: ErrorCode [0+],
    }
}
