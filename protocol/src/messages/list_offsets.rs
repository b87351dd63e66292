//! ListOffsets.

use crate::ErrorCode;

api! {
    /// Asks for the offset at a timestamp, or at either end of a partition.
    ///
    /// Timestamp -1 is the end, -2 the start, -3 the record with the greatest timestamp (version 7, KIP-734). Version 0 answered with a
    /// list of segment starts.
    ListOffsetsRequest -> ListOffsetsResponse = 2, versions 0-11, flexible 6+;
    request {
        replica_id:      i32                   [0+],
        isolation_level: i8                    [2+],
        topics:          Vec<ListOffsetsTopic> [0+],
        timeout_ms:      i32                   [10+ ignorable],
    }
    response {
        throttle_time_ms: i32                           [2+ ignorable],
        topics:           Vec<ListOffsetsTopicResponse> [0+],
    }
    ListOffsetsTopic {
        name:       String                    [0+],
        partitions: Vec<ListOffsetsPartition> [0+],
    }
    ListOffsetsPartition {
        partition_index:      i32 [0+],
        current_leader_epoch: i32 [4+ ignorable] = -1,
        timestamp:            i64 [0+],
        max_num_offsets:      i32 [0] = 1,
    }
    ListOffsetsTopicResponse {
        name:       String                            [0+],
        partitions: Vec<ListOffsetsPartitionResponse> [0+],
    }
    ListOffsetsPartitionResponse {
        partition_index:   i32       [0+],
        error_code:        ErrorCode [0+],
        old_style_offsets: Vec<i64>  [0],
        timestamp:         i64       [1+] = -1,
        offset:            i64       [1+] = -1,
        leader_epoch:      i32       [4+] = -1,
    }
}
