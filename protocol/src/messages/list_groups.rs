//! ListGroups.

use crate::ErrorCode;

api! {
    /// Lists the groups that a broker coordinates.
    ///
    /// Version 4 filters by state (KIP-518), 5 by type (KIP-848).
    ListGroupsRequest -> ListGroupsResponse = 16, versions 0-5, flexible 3+;
    request {
        states_filter: Vec<String> [4+],
        types_filter:  Vec<String> [5+],
    }
    response {
        throttle_time_ms: i32              [1+ ignorable],
        error_code:       ErrorCode        [0+],
        groups:           Vec<ListedGroup> [0+],
    }
    ListedGroup {
        group_id:      String [0+],
        protocol_type: String [0+],
        group_state:   String [4+ ignorable],
        group_type:    String [5+ ignorable],
    }
}
