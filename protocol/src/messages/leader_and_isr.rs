//! LeaderAndIsr.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// The controller of a ZooKeeper cluster tells a broker which partitions it leads or follows.
    ///
    /// Version 2 brings the broker epoch and groups partitions by topic (KIP-380), 3 the replicas that a reassignment adds and removes
    /// (KIP-455), 5 topic ids and the request's type (KIP-516), 6 the recovery state of leaders (KIP-704), 7 KRaft controllers of a
    /// migration (KIP-866). Gone since Kafka 4.0.
    LeaderAndIsrRequest -> LeaderAndIsrResponse = 4, versions 0-7, flexible 4+;
    request {
        controller_id:              i32                             [0+],
        is_k_raft_controller:       bool                            [7+],
        controller_epoch:           i32                             [0+],
        broker_epoch:               i64                             [2+ ignorable] = -1,
        r#type:                     i8                              [5+],
        ungrouped_partition_states: Vec<LeaderAndIsrPartitionState> [0-1],
        topic_states:               Vec<LeaderAndIsrTopicState>     [2+],
        live_leaders:               Vec<LeaderAndIsrLiveLeader>     [0+],
    }
    response {
        error_code:       ErrorCode                       [0+],
        partition_errors: Vec<LeaderAndIsrPartitionError> [0-4],
        topics:           Vec<LeaderAndIsrTopicError>     [5+],
    }
    LeaderAndIsrPartitionState {
        topic_name:            String   [0-1 ignorable],
        partition_index:       i32      [0+],
        controller_epoch:      i32      [0+],
        leader:                i32      [0+],
        leader_epoch:          i32      [0+],
        isr:                   Vec<i32> [0+],
        partition_epoch:       i32      [0+],
        replicas:              Vec<i32> [0+],
        adding_replicas:       Vec<i32> [3+ ignorable],
        removing_replicas:     Vec<i32> [3+ ignorable],
        is_new:                bool     [1+ ignorable],
        leader_recovery_state: i8       [6+],
    }
    LeaderAndIsrTopicState {
        topic_name:       String                          [2+],
        topic_id:         Uuid                            [5+ ignorable],
        partition_states: Vec<LeaderAndIsrPartitionState> [2+],
    }
    LeaderAndIsrLiveLeader {
        broker_id: i32    [0+],
        host_name: String [0+],
        port:      i32    [0+],
    }
    LeaderAndIsrPartitionError {
        topic_name:      String    [0-4 ignorable],
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
    LeaderAndIsrTopicError {
        topic_id:         Uuid                            [5+],
        partition_errors: Vec<LeaderAndIsrPartitionError> [5+],
    }
}
