//! OffsetDelete.

use crate::ErrorCode;

api! {
    /// Deletes committed offsets of a group (KIP-496).
    OffsetDeleteRequest -> OffsetDeleteResponse = 47, versions 0-0, flexible none;
    request {
        group_id: String                        [0+],
        topics:   Vec<OffsetDeleteRequestTopic> [0+],
    }
    response {
        error_code:       ErrorCode                      [0+],
        throttle_time_ms: i32                            [0+ ignorable],
        topics:           Vec<OffsetDeleteResponseTopic> [0+],
    }
    OffsetDeleteRequestTopic {
        name:       String                            [0+],
        partitions: Vec<OffsetDeleteRequestPartition> [0+],
    }
    OffsetDeleteRequestPartition {
        partition_index: i32 [0+],
    }
    OffsetDeleteResponseTopic {
        name:       String                             [0+],
        partitions: Vec<OffsetDeleteResponsePartition> [0+],
    }
    OffsetDeleteResponsePartition {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
