//! AlterPartitionReassignments.

use crate::ErrorCode;

api! {
    /// Begins, changes or cancels reassignments of partitions (KIP-455).
    ///
    /// Version 1 may forbid a change of the replication factor (KIP-860).
    AlterPartitionReassignmentsRequest -> AlterPartitionReassignmentsResponse = 45, versions 0-1, flexible 0+;
    request {
        timeout_ms:                      i32                    [0+] = 60000,
        allow_replication_factor_change: bool                   [1+] = true,
        topics:                          Vec<ReassignableTopic> [0+],
    }
    response {
        throttle_time_ms:                i32                            [0+],
        allow_replication_factor_change: bool                           [1+ ignorable] = true,
        error_code:                      ErrorCode                      [0+],
        error_message:                   Option<String>                 [0+],
        responses:                       Vec<ReassignableTopicResponse> [0+],
    }
    ReassignableTopic {
        name:       String                     [0+],
        partitions: Vec<ReassignablePartition> [0+],
    }
    ReassignablePartition {
        partition_index: i32              [0+],
        replicas:        Option<Vec<i32>> [0+],
    }
    ReassignableTopicResponse {
        name:       String                             [0+],
        partitions: Vec<ReassignablePartitionResponse> [0+],
    }
    ReassignablePartitionResponse {
        partition_index: i32            [0+],
        error_code:      ErrorCode      [0+],
        error_message:   Option<String> [0+],
    }
}
