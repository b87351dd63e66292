//! WriteShareGroupState.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A leader writes the state of a share partition (KIP-932).
    ///
    /// Version 1 brings the count of completed deliveries (KIP-1226).
    WriteShareGroupStateRequest -> WriteShareGroupStateResponse = 85, versions 0-1, flexible 0+;
    request {
        group_id: String              [0+],
        topics:   Vec<WriteStateData> [0+],
    }
    response {
        results: Vec<WriteStateResult> [0+],
    }
    WriteStateData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition:               i32             [0+],
        state_epoch:             i32             [0+],
        leader_epoch:            i32             [0+],
        start_offset:            i64             [0+],
        delivery_complete_count: i32             [1+ ignorable] = -1,
        state_batches:           Vec<StateBatch> [0+],
    }
    StateBatch {
        first_offset:   i64 [0+],
        last_offset:    i64 [0+],
        delivery_state: i8  [0+],
        delivery_count: i16 [0+],
    }
    WriteStateResult {
        topic_id:   Uuid                 [0+],
        partitions: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition:     i32            [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
