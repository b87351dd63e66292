//! AlterReplicaLogDirs.

use crate::ErrorCode;

api! {
    /// Moves replicas between the log directories of one broker (KIP-113).
    AlterReplicaLogDirsRequest -> AlterReplicaLogDirsResponse = 34, versions 0-2, flexible 2+;
    request {
        dirs: Vec<AlterReplicaLogDir> [0+],
    }
    response {
        throttle_time_ms: i32                                [0+],
        results:          Vec<AlterReplicaLogDirTopicResult> [0+],
    }
    AlterReplicaLogDir {
        path:   String                       [0+],
        topics: Vec<AlterReplicaLogDirTopic> [0+],
    }
    AlterReplicaLogDirTopic {
        name:       String   [0+],
        partitions: Vec<i32> [0+],
    }
    AlterReplicaLogDirTopicResult {
        topic_name: String                                 [0+],
        partitions: Vec<AlterReplicaLogDirPartitionResult> [0+],
    }
    AlterReplicaLogDirPartitionResult {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
