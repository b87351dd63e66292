//! BeginQuorumEpoch.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// The new leader of the metadata quorum makes itself known (KIP-595).
    ///
    /// Version 1 brings directory ids and endpoints (KIP-853).
    BeginQuorumEpochRequest -> BeginQuorumEpochResponse = 53, versions 0-1, flexible 1+;
    request {
        cluster_id:       Option<String>      [0+],
        voter_id:         i32                 [1+ ignorable] = -1,
        topics:           Vec<TopicData>      [0+],
        leader_endpoints: Vec<LeaderEndpoint> [1+ ignorable],
    }
    response {
        error_code:     ErrorCode              [0+],
        topics:         Vec<TopicDataResponse> [0+],
        node_endpoints: Vec<NodeEndpoint>      [1+] tag 0,
    }
    TopicData {
        topic_name: String             [0+],
        partitions: Vec<PartitionData> [0+],
    }
    LeaderEndpoint {
        name: String [1+],
        host: String [1+],
        port: u16    [1+],
    }
    PartitionData {
        partition_index:    i32  [0+],
        voter_directory_id: Uuid [1+ ignorable],
        leader_id:          i32  [0+],
        leader_epoch:       i32  [0+],
    }
    TopicDataResponse {
        topic_name: String                     [0+],
        partitions: Vec<PartitionDataResponse> [0+],
    }
    NodeEndpoint {
        node_id: i32    [1+],
        host:    String [1+],
        port:    u16    [1+],
    }
    PartitionDataResponse {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
        leader_id:       i32       [0+],
        leader_epoch:    i32       [0+],
    }
}
