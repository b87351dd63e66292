//! DeleteRecords.

use crate::ErrorCode;

api! {
    /// Moves the log start offset of partitions forward (KIP-107).
    DeleteRecordsRequest -> DeleteRecordsResponse = 21, versions 0-2, flexible 2+;
    request {
        topics:     Vec<DeleteRecordsTopic> [0+],
        timeout_ms: i32                     [0+],
    }
    response {
        throttle_time_ms: i32                           [0+],
        topics:           Vec<DeleteRecordsTopicResult> [0+],
    }
    DeleteRecordsTopic {
        name:       String                      [0+],
        partitions: Vec<DeleteRecordsPartition> [0+],
    }
    DeleteRecordsPartition {
        partition_index: i32 [0+],
        offset:          i64 [0+],
    }
    DeleteRecordsTopicResult {
        name:       String                            [0+],
        partitions: Vec<DeleteRecordsPartitionResult> [0+],
    }
    DeleteRecordsPartitionResult {
        partition_index: i32       [0+],
        low_watermark:   i64       [0+],
        error_code:      ErrorCode [0+],
    }
}
