//! DeleteTopics.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Deletes topics, by name or, from version 6 on, by id (KIP-516).
    DeleteTopicsRequest -> DeleteTopicsResponse = 20, versions 0-6, flexible 4+;
    request {
        topics:      Vec<DeleteTopicState> [6+],
        topic_names: Vec<String>           [0-5 ignorable],
        timeout_ms:  i32                   [0+],
    }
    response {
        throttle_time_ms: i32                       [1+ ignorable],
        responses:        Vec<DeletableTopicResult> [0+],
    }
    DeleteTopicState {
        name:     Option<String> [6+],
        topic_id: Uuid           [6+],
    }
    DeletableTopicResult {
        name:          Option<String> [0+ null 6+],
        topic_id:      Uuid           [6+ ignorable],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [5+ ignorable],
    }
}
