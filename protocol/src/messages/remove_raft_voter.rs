//! RemoveRaftVoter.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Removes a voter from the metadata quorum (KIP-853).
    RemoveRaftVoterRequest -> RemoveRaftVoterResponse = 81, versions 0-0, flexible 0+;
    request {
        cluster_id:         Option<String> [0+],
        voter_id:           i32            [0+],
        voter_directory_id: Uuid           [0+],
    }
    response {
        throttle_time_ms: i32            [0+],
        error_code:       ErrorCode      [0+],
        error_message:    Option<String> [0+ ignorable],
    }
}
