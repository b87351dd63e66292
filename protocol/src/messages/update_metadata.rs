//! UpdateMetadata.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// The controller of a ZooKeeper cluster spreads brokers, leaders and ISRs.
    ///
    /// Version 1 brings several endpoints a broker, 2 racks, 3 listener names, 4 offline replicas, 5 the broker epoch (KIP-380), 7
    /// topic ids (KIP-516), 8 KRaft controllers of a migration (KIP-866). Gone since Kafka 4.0.
    UpdateMetadataRequest -> UpdateMetadataResponse = 6, versions 0-8, flexible 6+;
    request {
        controller_id:              i32                               [0+],
        is_k_raft_controller:       bool                              [8+],
        r#type:                     i8                                [8+] tag 0,
        controller_epoch:           i32                               [0+],
        broker_epoch:               i64                               [5+ ignorable] = -1,
        ungrouped_partition_states: Vec<UpdateMetadataPartitionState> [0-4],
        topic_states:               Vec<UpdateMetadataTopicState>     [5+],
        live_brokers:               Vec<UpdateMetadataBroker>         [0+],
    }
    response {
        error_code: ErrorCode [0+],
    }
    UpdateMetadataPartitionState {
        topic_name:       String   [0-4 ignorable],
        partition_index:  i32      [0+],
        controller_epoch: i32      [0+],
        leader:           i32      [0+],
        leader_epoch:     i32      [0+],
        isr:              Vec<i32> [0+],
        zk_version:       i32      [0+],
        replicas:         Vec<i32> [0+],
        offline_replicas: Vec<i32> [4+ ignorable],
    }
    UpdateMetadataTopicState {
        topic_name:       String                            [5+],
        topic_id:         Uuid                              [7+ ignorable],
        partition_states: Vec<UpdateMetadataPartitionState> [5+],
    }
    UpdateMetadataBroker {
        id:        i32                         [0+],
        v0_host:   String                      [0 ignorable],
        v0_port:   i32                         [0 ignorable],
        endpoints: Vec<UpdateMetadataEndpoint> [1+ ignorable],
        rack:      Option<String>              [2+ ignorable],
    }
    UpdateMetadataEndpoint {
        port:              i32    [1+],
        host:              String [1+],
        listener:          String [3+ ignorable],
        security_protocol: i16    [1+],
    }
}
