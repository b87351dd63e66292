//! AddRaftVoter.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Adds a voter to the metadata quorum (KIP-853).
    ///
    /// Version 1 may be answered before the change is committed (KIP-1186).
    AddRaftVoterRequest -> AddRaftVoterResponse = 80, versions 0-1, flexible 0+;
    request {
        cluster_id:         Option<String> [0+],
        timeout_ms:         i32            [0+],
        voter_id:           i32            [0+],
        voter_directory_id: Uuid           [0+],
        listeners:          Vec<Listener>  [0+],
        ack_when_committed: bool           [1+] = true,
    }
    response {
        throttle_time_ms: i32            [0+],
        error_code:       ErrorCode      [0+],
        error_message:    Option<String> [0+ ignorable],
    }
    Listener {
        name: String [0+],
        host: String [0+],
        port: u16    [0+],
    }
}
