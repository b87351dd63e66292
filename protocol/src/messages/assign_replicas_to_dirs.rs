//! AssignReplicasToDirs.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A broker tells the controller in which log directories its replicas lie (KIP-858).
    AssignReplicasToDirsRequest -> AssignReplicasToDirsResponse = 73, versions 0-0, flexible 0+;
    request {
        broker_id:    i32                [0+],
        broker_epoch: i64                [0+] = -1,
        directories:  Vec<DirectoryData> [0+],
    }
    response {
        throttle_time_ms: i32                        [0+],
        error_code:       ErrorCode                  [0+],
        directories:      Vec<DirectoryDataResponse> [0+],
    }
    DirectoryData {
        id:     Uuid           [0+],
        topics: Vec<TopicData> [0+],
    }
    TopicData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition_index: i32 [0+],
    }
    DirectoryDataResponse {
        id:     Uuid                   [0+],
        topics: Vec<TopicDataResponse> [0+],
    }
    TopicDataResponse {
        topic_id:   Uuid                       [0+],
        partitions: Vec<PartitionDataResponse> [0+],
    }
    PartitionDataResponse {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
