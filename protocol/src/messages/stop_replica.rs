//! StopReplica.

use crate::ErrorCode;

api! {
    /// The controller of a ZooKeeper cluster tells a broker to stop serving partitions, and maybe to delete them.
    ///
    /// Version 1 brings the broker epoch (KIP-380), 3 the leader epoch of each partition (KIP-570), 4 KRaft controllers of a migration
    /// (KIP-866). Gone since Kafka 4.0.
    StopReplicaRequest -> StopReplicaResponse = 5, versions 0-4, flexible 2+;
    request {
        controller_id:        i32                         [0+],
        is_k_raft_controller: bool                        [4+],
        controller_epoch:     i32                         [0+],
        broker_epoch:         i64                         [1+ ignorable] = -1,
        delete_partitions:    bool                        [0-2],
        ungrouped_partitions: Vec<StopReplicaPartitionV0> [0],
        topics:               Vec<StopReplicaTopicV1>     [1-2],
        topic_states:         Vec<StopReplicaTopicState>  [3+],
    }
    response {
        error_code:       ErrorCode                      [0+],
        partition_errors: Vec<StopReplicaPartitionError> [0+],
    }
    StopReplicaPartitionV0 {
        topic_name:      String [0],
        partition_index: i32    [0],
    }
    StopReplicaTopicV1 {
        name:              String   [1-2],
        partition_indexes: Vec<i32> [1-2],
    }
    StopReplicaTopicState {
        topic_name:       String                         [3+],
        partition_states: Vec<StopReplicaPartitionState> [3+],
    }
    StopReplicaPartitionState {
        partition_index:  i32  [3+],
        leader_epoch:     i32  [3+] = -1,
        delete_partition: bool [3+],
    }
    StopReplicaPartitionError {
        topic_name:      String    [0+],
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
