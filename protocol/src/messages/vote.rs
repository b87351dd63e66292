//! Vote.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A candidate of the metadata quorum asks for a vote (KIP-595).
    ///
    /// Version 1 brings directory ids of the voters (KIP-853), 2 a vote before the vote (KIP-996).
    VoteRequest -> VoteResponse = 52, versions 0-2, flexible 0+;
    request {
        cluster_id: Option<String> [0+],
        voter_id:   i32            [1+ ignorable] = -1,
        topics:     Vec<TopicData> [0+],
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
    PartitionData {
        partition_index:      i32  [0+],
        replica_epoch:        i32  [0+],
        replica_id:           i32  [0+],
        replica_directory_id: Uuid [1+ ignorable],
        voter_directory_id:   Uuid [1+ ignorable],
        last_offset_epoch:    i32  [0+],
        last_offset:          i64  [0+],
        pre_vote:             bool [2+],
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
        vote_granted:    bool      [0+],
    }
}
