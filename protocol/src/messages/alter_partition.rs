//! AlterPartition.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A leader asks the controller for another ISR (KIP-497).
    ///
    /// Version 1 brings the recovery state (KIP-704), 2 topic ids (KIP-841), 3 the epoch of each broker in the ISR (KIP-903).
    AlterPartitionRequest -> AlterPartitionResponse = 56, versions 0-3, flexible 0+;
    request {
        broker_id:    i32            [0+],
        broker_epoch: i64            [0+] = -1,
        topics:       Vec<TopicData> [0+],
    }
    response {
        throttle_time_ms: i32                    [0+],
        error_code:       ErrorCode              [0+],
        topics:           Vec<TopicDataResponse> [0+],
    }
    TopicData {
        topic_name: String             [0-1 ignorable],
        topic_id:   Uuid               [2+ ignorable],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition_index:       i32              [0+],
        leader_epoch:          i32              [0+],
        new_isr:               Vec<i32>         [0-2],
        new_isr_with_epochs:   Vec<BrokerState> [3+],
        leader_recovery_state: i8               [1+],
        partition_epoch:       i32              [0+],
    }
    BrokerState {
        broker_id:    i32 [3+],
        broker_epoch: i64 [3+] = -1,
    }
    TopicDataResponse {
        topic_name: String                     [0-1 ignorable],
        topic_id:   Uuid                       [2+ ignorable],
        partitions: Vec<PartitionDataResponse> [0+],
    }
    PartitionDataResponse {
        partition_index:       i32       [0+],
        error_code:            ErrorCode [0+],
        leader_id:             i32       [0+],
        leader_epoch:          i32       [0+],
        isr:                   Vec<i32>  [0+],
        leader_recovery_state: i8        [1+ ignorable],
        partition_epoch:       i32       [0+],
    }
}
