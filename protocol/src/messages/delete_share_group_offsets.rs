//! DeleteShareGroupOffsets.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Deletes the offsets of topics of a share group that has no members (KIP-932).
    DeleteShareGroupOffsetsRequest -> DeleteShareGroupOffsetsResponse = 92, versions 0-0, flexible 0+;
    request {
        group_id: String                                   [0+],
        topics:   Vec<DeleteShareGroupOffsetsRequestTopic> [0+],
    }
    response {
        throttle_time_ms: i32                                       [0+],
        error_code:       ErrorCode                                 [0+],
        error_message:    Option<String>                            [0+],
        responses:        Vec<DeleteShareGroupOffsetsResponseTopic> [0+],
    }
    DeleteShareGroupOffsetsRequestTopic {
        topic_name: String [0+],
    }
    DeleteShareGroupOffsetsResponseTopic {
        topic_name:    String         [0+],
        topic_id:      Uuid           [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
