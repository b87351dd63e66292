//! ShareAcknowledge.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Acknowledges records of a share group (KIP-932).
    ///
    /// Version 0 was the early access of Kafka 3.9 and 4.0, 2 brings renewals (KIP-1222).
    ShareAcknowledgeRequest -> ShareAcknowledgeResponse = 79, versions 0-2, flexible 0+;
    request {
        group_id:            Option<String>        [0+],
        member_id:           Option<String>        [0+],
        share_session_epoch: i32                   [0+],
        is_renew_ack:        bool                  [2+],
        topics:              Vec<AcknowledgeTopic> [0+],
    }
    response {
        throttle_time_ms:            i32                                [0+],
        error_code:                  ErrorCode                          [0+],
        error_message:               Option<String>                     [0+],
        acquisition_lock_timeout_ms: i32                                [2+ ignorable],
        responses:                   Vec<ShareAcknowledgeTopicResponse> [0+],
        node_endpoints:              Vec<NodeEndpoint>                  [0+],
    }
    AcknowledgeTopic {
        topic_id:   Uuid                      [0+],
        partitions: Vec<AcknowledgePartition> [0+],
    }
    AcknowledgePartition {
        partition_index:         i32                       [0+],
        acknowledgement_batches: Vec<AcknowledgementBatch> [0+],
    }
    AcknowledgementBatch {
        first_offset:      i64     [0+],
        last_offset:       i64     [0+],
        acknowledge_types: Vec<i8> [0+],
    }
    ShareAcknowledgeTopicResponse {
        topic_id:   Uuid               [0+],
        partitions: Vec<PartitionData> [0+],
    }
    NodeEndpoint {
        node_id: i32            [0+],
        host:    String         [0+],
        port:    i32            [0+],
        rack:    Option<String> [0+],
    }
    PartitionData {
        partition_index: i32              [0+],
        error_code:      ErrorCode        [0+],
        error_message:   Option<String>   [0+],
        current_leader:  LeaderIdAndEpoch [0+],
    }
    LeaderIdAndEpoch {
        leader_id:    i32 [0+],
        leader_epoch: i32 [0+],
    }
}
