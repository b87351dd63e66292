//! ElectLeaders.

use crate::ErrorCode;

api! {
    /// Elects leaders: the preferred replicas (KIP-183) or, from version 1 on, also replicas out of sync (KIP-460).
    ElectLeadersRequest -> ElectLeadersResponse = 43, versions 0-2, flexible 2+;
    request {
        election_type:    i8                           [1+],
        topic_partitions: Option<Vec<TopicPartitions>> [0+],
        timeout_ms:       i32                          [0+] = 60000,
    }
    response {
        throttle_time_ms:         i32                        [0+],
        error_code:               ErrorCode                  [1+],
        replica_election_results: Vec<ReplicaElectionResult> [0+],
    }
    TopicPartitions {
        topic:      String   [0+],
        partitions: Vec<i32> [0+],
    }
    ReplicaElectionResult {
        topic:            String               [0+],
        partition_result: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition_id:  i32            [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
