//! AlterShareGroupOffsets.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Sets the start offsets of a share group that has no members (KIP-932).
    AlterShareGroupOffsetsRequest -> AlterShareGroupOffsetsResponse = 91, versions 0-0, flexible 0+;
    request {
        group_id: String                                  [0+],
        topics:   Vec<AlterShareGroupOffsetsRequestTopic> [0+],
    }
    response {
        throttle_time_ms: i32                                      [0+],
        error_code:       ErrorCode                                [0+],
        error_message:    Option<String>                           [0+],
        responses:        Vec<AlterShareGroupOffsetsResponseTopic> [0+],
    }
    AlterShareGroupOffsetsRequestTopic {
        topic_name: String                                      [0+],
        partitions: Vec<AlterShareGroupOffsetsRequestPartition> [0+],
    }
    AlterShareGroupOffsetsRequestPartition {
        partition_index: i32 [0+],
        start_offset:    i64 [0+],
    }
    AlterShareGroupOffsetsResponseTopic {
        topic_name: String                                       [0+],
        topic_id:   Uuid                                         [0+],
        partitions: Vec<AlterShareGroupOffsetsResponsePartition> [0+],
    }
    AlterShareGroupOffsetsResponsePartition {
        partition_index: i32            [0+],
        error_code:      ErrorCode      [0+],
        error_message:   Option<String> [0+],
    }
}
