//! Metadata.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks for brokers, topics and partitions, and who leads them.
    ///
    /// Version 0 has no null list: an empty one asks for all topics. From version 1 on null asks for all, empty for none. Version 4 lets
    /// the client forbid auto-creation, 7 brings leader epochs (KIP-320), 10 and 12 topic ids (KIP-516), 13 a top-level error for a
    /// rebootstrap (KIP-1102).
    MetadataRequest -> MetadataResponse = 3, versions 0-13, flexible 9+;
    request {
        topics:                                Option<Vec<MetadataRequestTopic>> [0+ null 1+],
        allow_auto_topic_creation:             bool                              [4+] = true,
        include_cluster_authorized_operations: bool                              [8-10],
        include_topic_authorized_operations:   bool                              [8+],
    }
    response {
        throttle_time_ms:              i32                         [3+ ignorable],
        brokers:                       Vec<MetadataResponseBroker> [0+],
        cluster_id:                    Option<String>              [2+ ignorable],
        controller_id:                 i32                         [1+ ignorable] = -1,
        topics:                        Vec<MetadataResponseTopic>  [0+],
        cluster_authorized_operations: i32                         [8-10] = i32::MIN,
        error_code:                    ErrorCode                   [13+ ignorable],
    }
    MetadataRequestTopic {
        topic_id: Uuid           [10+ ignorable],
        name:     Option<String> [0+ null 10+],
    }
    MetadataResponseBroker {
        node_id: i32            [0+],
        host:    String         [0+],
        port:    i32            [0+],
        rack:    Option<String> [1+ ignorable],
    }
    MetadataResponseTopic {
        error_code:                  ErrorCode                      [0+],
        name:                        Option<String>                 [0+ null 12+],
        topic_id:                    Uuid                           [10+ ignorable],
        is_internal:                 bool                           [1+ ignorable],
        partitions:                  Vec<MetadataResponsePartition> [0+],
        topic_authorized_operations: i32                            [8+] = i32::MIN,
    }
    MetadataResponsePartition {
        error_code:       ErrorCode [0+],
        partition_index:  i32       [0+],
        leader_id:        i32       [0+],
        leader_epoch:     i32       [7+ ignorable] = -1,
        replica_nodes:    Vec<i32>  [0+],
        isr_nodes:        Vec<i32>  [0+],
        offline_replicas: Vec<i32>  [5+ ignorable],
    }
}
