//! Produce.

use crate::ErrorCode;
use crate::wire::{RecordBytes, Uuid};

api! {
    /// Appends record batches to partitions.
    ///
    /// Versions 0 to 2 carry message sets, 3 and later batches of format 2. Version 7 allows zstd (KIP-110), 8 says which record was
    /// refused (KIP-467), 10 names the new leader (KIP-951), 12 adds partitions to transactions by itself (KIP-890), 13 uses topic ids.
    ProduceRequest -> ProduceResponse = 0, versions 0-13, flexible 9+;
    request {
        transactional_id: Option<String>        [3+],
        acks:             i16                   [0+],
        timeout_ms:       i32                   [0+],
        topic_data:       Vec<TopicProduceData> [0+],
    }
    response {
        responses:        Vec<TopicProduceResponse> [0+],
        throttle_time_ms: i32                       [1+ ignorable],
        node_endpoints:   Vec<NodeEndpoint>         [10+] tag 0,
    }
    TopicProduceData {
        name:           String                    [0-12 ignorable],
        topic_id:       Uuid                      [13+ ignorable],
        partition_data: Vec<PartitionProduceData> [0+],
    }
    PartitionProduceData {
        index:   i32                 [0+],
        records: Option<RecordBytes> [0+],
    }
    TopicProduceResponse {
        name:                String                        [0-12 ignorable],
        topic_id:            Uuid                          [13+ ignorable],
        partition_responses: Vec<PartitionProduceResponse> [0+],
    }
    PartitionProduceResponse {
        index:              i32                            [0+],
        error_code:         ErrorCode                      [0+],
        base_offset:        i64                            [0+],
        log_append_time_ms: i64                            [2+ ignorable] = -1,
        log_start_offset:   i64                            [5+ ignorable] = -1,
        record_errors:      Vec<BatchIndexAndErrorMessage> [8+ ignorable],
        error_message:      Option<String>                 [8+ ignorable],
        current_leader:     LeaderIdAndEpoch               [10+] tag 0,
    }
    BatchIndexAndErrorMessage {
        batch_index:               i32            [8+],
        batch_index_error_message: Option<String> [8+],
    }
    LeaderIdAndEpoch {
        leader_id:    i32 [10+] = -1,
        leader_epoch: i32 [10+] = -1,
    }
    NodeEndpoint {
        node_id: i32            [10+],
        host:    String         [10+],
        port:    i32            [10+],
        rack:    Option<String> [10+],
    }
}
