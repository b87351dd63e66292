//! DescribeProducers.

use crate::ErrorCode;

api! {
    /// Asks for the producers that are active in partitions (KIP-664).
    DescribeProducersRequest -> DescribeProducersResponse = 61, versions 0-0, flexible 0+;
    request {
        topics: Vec<TopicRequest> [0+],
    }
    response {
        throttle_time_ms: i32                [0+],
        topics:           Vec<TopicResponse> [0+],
    }
    TopicRequest {
        name:              String   [0+],
        partition_indexes: Vec<i32> [0+],
    }
    TopicResponse {
        name:       String                 [0+],
        partitions: Vec<PartitionResponse> [0+],
    }
    PartitionResponse {
        partition_index:  i32                [0+],
        error_code:       ErrorCode          [0+],
        error_message:    Option<String>     [0+],
        active_producers: Vec<ProducerState> [0+],
    }
    ProducerState {
        producer_id:              i64 [0+],
        producer_epoch:           i32 [0+],
        last_sequence:            i32 [0+] = -1,
        last_timestamp:           i64 [0+] = -1,
        coordinator_epoch:        i32 [0+],
        current_txn_start_offset: i64 [0+] = -1,
    }
}
