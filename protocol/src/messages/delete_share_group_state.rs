//! DeleteShareGroupState.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A group coordinator deletes the state of share partitions (KIP-932).
    DeleteShareGroupStateRequest -> DeleteShareGroupStateResponse = 86, versions 0-0, flexible 0+;
    request {
        group_id: String               [0+],
        topics:   Vec<DeleteStateData> [0+],
    }
    response {
        results: Vec<DeleteStateResult> [0+],
    }
    DeleteStateData {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition: i32 [0+],
    }
    DeleteStateResult {
        topic_id:   Uuid                 [0+],
        partitions: Vec<PartitionResult> [0+],
    }
    PartitionResult {
        partition:     i32            [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
