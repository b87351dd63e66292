//! DescribeTopicPartitions.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks for topics page by page, with eligible leader replicas (KIP-966).
    DescribeTopicPartitionsRequest -> DescribeTopicPartitionsResponse = 75, versions 0-0, flexible 0+;
    request {
        topics:                   Vec<TopicRequest> [0+],
        response_partition_limit: i32               [0+] = 2000,
        cursor:                   Option<Cursor>    [0+],
    }
    response {
        throttle_time_ms: i32                                       [0+ ignorable],
        topics:           Vec<DescribeTopicPartitionsResponseTopic> [0+],
        next_cursor:      Option<Cursor>                            [0+],
    }
    TopicRequest {
        name: String [0+],
    }
    Cursor {
        topic_name:      String [0+],
        partition_index: i32    [0+],
    }
    DescribeTopicPartitionsResponseTopic {
        error_code:                  ErrorCode                                     [0+],
        name:                        Option<String>                                [0+],
        topic_id:                    Uuid                                          [0+ ignorable],
        is_internal:                 bool                                          [0+ ignorable],
        partitions:                  Vec<DescribeTopicPartitionsResponsePartition> [0+],
        topic_authorized_operations: i32                                           [0+] = i32::MIN,
    }
    DescribeTopicPartitionsResponsePartition {
        error_code:               ErrorCode        [0+],
        partition_index:          i32              [0+],
        leader_id:                i32              [0+],
        leader_epoch:             i32              [0+ ignorable] = -1,
        replica_nodes:            Vec<i32>         [0+],
        isr_nodes:                Vec<i32>         [0+],
        eligible_leader_replicas: Option<Vec<i32>> [0+],
        last_known_elr:           Option<Vec<i32>> [0+],
        offline_replicas:         Vec<i32>         [0+ ignorable],
    }
}
