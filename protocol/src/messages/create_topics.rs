//! CreateTopics.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Creates topics.
    ///
    /// Partition count and replication factor may be -1 for the broker's defaults from version 4 on (KIP-464). Version 5 returns the
    /// configuration (KIP-525), 7 the topic id.
    CreateTopicsRequest -> CreateTopicsResponse = 19, versions 0-7, flexible 5+;
    request {
        topics:        Vec<CreatableTopic> [0+],
        timeout_ms:    i32                 [0+] = 60000,
        validate_only: bool                [1+],
    }
    response {
        throttle_time_ms: i32                       [2+ ignorable],
        topics:           Vec<CreatableTopicResult> [0+],
    }
    CreatableTopic {
        name:               String                          [0+],
        num_partitions:     i32                             [0+],
        replication_factor: i16                             [0+],
        assignments:        Vec<CreatableReplicaAssignment> [0+],
        configs:            Vec<CreatableTopicConfig>       [0+],
    }
    CreatableReplicaAssignment {
        partition_index: i32      [0+],
        broker_ids:      Vec<i32> [0+],
    }
    CreatableTopicConfig {
        name:  String         [0+],
        value: Option<String> [0+],
    }
    CreatableTopicResult {
        name:                    String                             [0+],
        topic_id:                Uuid                               [7+ ignorable],
        error_code:              ErrorCode                          [0+],
        error_message:           Option<String>                     [1+ ignorable],
        topic_config_error_code: ErrorCode                          [5+ ignorable] tag 0,
        num_partitions:          i32                                [5+ ignorable] = -1,
        replication_factor:      i16                                [5+ ignorable] = -1,
        configs:                 Option<Vec<CreatableTopicConfigs>> [5+ ignorable],
    }
    CreatableTopicConfigs {
        name:          String         [5+],
        value:         Option<String> [5+],
        read_only:     bool           [5+],
        config_source: i8             [5+ ignorable] = -1,
        is_sensitive:  bool           [5+],
    }
}
