//! DescribeQuorum.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks for the state of the metadata quorum (KIP-595).
    ///
    /// Version 1 brings when each replica fetched (KIP-836), 2 directory ids, endpoints and error messages (KIP-853).
    DescribeQuorumRequest -> DescribeQuorumResponse = 55, versions 0-2, flexible 0+;
    request {
        topics: Vec<TopicData> [0+],
    }
    response {
        error_code:    ErrorCode              [0+],
        error_message: Option<String>         [2+ ignorable],
        topics:        Vec<TopicDataResponse> [0+],
        nodes:         Vec<Node>              [2+],
    }
    TopicData {
        topic_name: String             [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition_index: i32 [0+],
    }
    TopicDataResponse {
        topic_name: String                     [0+],
        partitions: Vec<PartitionDataResponse> [0+],
    }
    Node {
        node_id:   i32           [2+],
        listeners: Vec<Listener> [2+],
    }
    PartitionDataResponse {
        partition_index: i32               [0+],
        error_code:      ErrorCode         [0+],
        error_message:   Option<String>    [2+ ignorable],
        leader_id:       i32               [0+],
        leader_epoch:    i32               [0+],
        high_watermark:  i64               [0+],
        current_voters:  Vec<ReplicaState> [0+],
        observers:       Vec<ReplicaState> [0+],
    }
    Listener {
        name: String [2+],
        host: String [2+],
        port: u16    [2+],
    }
    ReplicaState {
        replica_id:               i32  [0+],
        replica_directory_id:     Uuid [2+],
        log_end_offset:           i64  [0+],
        last_fetch_timestamp:     i64  [1+ ignorable] = -1,
        last_caught_up_timestamp: i64  [1+ ignorable] = -1,
    }
}
