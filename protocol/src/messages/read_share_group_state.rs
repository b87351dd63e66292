//! ReadShareGroupState.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A leader reads the state of a share partition (KIP-932).
    ReadShareGroupStateRequest -> ReadShareGroupStateResponse = 84, versions 0-0, flexible 0+;
    request {
        group_id: String             [0+],
        topics:   Vec<ReadStateData> [0+],
    }
    response {
        results: Vec<ReadStateResult> [0+],
    }
    ReadStateData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition:    i32 [0+],
        leader_epoch: i32 [0+],
    }
    ReadStateResult {
        topic_id:   Uuid                 [0+],
        partitions: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition:     i32             [0+],
        error_code:    ErrorCode       [0+],
        error_message: Option<String>  [0+],
        state_epoch:   i32             [0+],
        start_offset:  i64             [0+],
        state_batches: Vec<StateBatch> [0+],
    }
    StateBatch {
        first_offset:   i64 [0+],
        last_offset:    i64 [0+],
        delivery_state: i8  [0+],
        delivery_count: i16 [0+],
    }
}
