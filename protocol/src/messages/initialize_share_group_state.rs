//! InitializeShareGroupState.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A group coordinator begins the state of a share partition (KIP-932).
    InitializeShareGroupStateRequest -> InitializeShareGroupStateResponse = 83, versions 0-0, flexible 0+;
    request {
        group_id: String                   [0+],
        topics:   Vec<InitializeStateData> [0+],
    }
    response {
        results: Vec<InitializeStateResult> [0+],
    }
    InitializeStateData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition:    i32 [0+],
        state_epoch:  i32 [0+],
        start_offset: i64 [0+],
    }
    InitializeStateResult {
        topic_id:   Uuid                 [0+],
        partitions: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition:     i32            [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
