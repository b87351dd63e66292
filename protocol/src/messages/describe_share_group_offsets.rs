//! DescribeShareGroupOffsets.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks for the start offsets of share groups (KIP-932).
    ///
    /// Version 1 brings the lag (KIP-1226).
    DescribeShareGroupOffsetsRequest -> DescribeShareGroupOffsetsResponse = 90, versions 0-1, flexible 0+;
    request {
        groups: Vec<DescribeShareGroupOffsetsRequestGroup> [0+],
    }
    response {
        throttle_time_ms: i32                                         [0+],
        groups:           Vec<DescribeShareGroupOffsetsResponseGroup> [0+],
    }
    DescribeShareGroupOffsetsRequestGroup {
        group_id: String                                             [0+],
        topics:   Option<Vec<DescribeShareGroupOffsetsRequestTopic>> [0+],
    }
    DescribeShareGroupOffsetsRequestTopic {
        topic_name: String   [0+],
        partitions: Vec<i32> [0+],
    }
    DescribeShareGroupOffsetsResponseGroup {
        group_id:      String                                      [0+],
        topics:        Vec<DescribeShareGroupOffsetsResponseTopic> [0+],
        error_code:    ErrorCode                                   [0+],
        error_message: Option<String>                              [0+],
    }
    DescribeShareGroupOffsetsResponseTopic {
        topic_name: String                                          [0+],
        topic_id:   Uuid                                            [0+],
        partitions: Vec<DescribeShareGroupOffsetsResponsePartition> [0+],
    }
    DescribeShareGroupOffsetsResponsePartition {
        partition_index: i32            [0+],
        start_offset:    i64            [0+],
        leader_epoch:    i32            [0+],
        lag:             i64            [1+ ignorable] = -1,
        error_code:      ErrorCode      [0+],
        error_message:   Option<String> [0+],
    }
}
