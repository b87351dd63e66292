//! UpdateRaftVoter.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A voter changes its endpoints or features (KIP-853).
    UpdateRaftVoterRequest -> UpdateRaftVoterResponse = 82, versions 0-0, flexible 0+;
    request {
        cluster_id:             Option<String>      [0+],
        current_leader_epoch:   i32                 [0+],
        voter_id:               i32                 [0+],
        voter_directory_id:     Uuid                [0+],
        listeners:              Vec<Listener>       [0+],
        k_raft_version_feature: KRaftVersionFeature [0+],
    }
    response {
        throttle_time_ms: i32           [0+],
        error_code:       ErrorCode     [0+],
        current_leader:   CurrentLeader [0+] tag 0,
    }
    Listener {
        name: String [0+],
        host: String [0+],
        port: u16    [0+],
    }
    KRaftVersionFeature {
        min_supported_version: i16 [0+],
        max_supported_version: i16 [0+],
    }
    CurrentLeader {
        leader_id:    i32    [0+] = -1,
        leader_epoch: i32    [0+] = -1,
        host:         String [0+],
        port:         i32    [0+],
    }
}
