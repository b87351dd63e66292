//! ReadShareGroupStateSummary.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A group coordinator reads where share partitions stand (KIP-932).
    ///
    /// Version 1 brings the count of completed deliveries (KIP-1226).
    ReadShareGroupStateSummaryRequest -> ReadShareGroupStateSummaryResponse = 87, versions 0-1, flexible 0+;
    request {
        group_id: String                    [0+],
        topics:   Vec<ReadStateSummaryData> [0+],
    }
    response {
        results: Vec<ReadStateSummaryResult> [0+],
    }
    ReadStateSummaryData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition:    i32 [0+],
        leader_epoch: i32 [0+],
    }
    ReadStateSummaryResult {
        topic_id:   Uuid                 [0+],
        partitions: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition:               i32            [0+],
        error_code:              ErrorCode      [0+],
        error_message:           Option<String> [0+],
        state_epoch:             i32            [0+],
        leader_epoch:            i32            [0+],
        start_offset:            i64            [0+],
        delivery_complete_count: i32            [1+ ignorable] = -1,
    }
}
