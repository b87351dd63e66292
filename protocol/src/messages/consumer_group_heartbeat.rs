//! ConsumerGroupHeartbeat.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A member of a group of the consumer protocol says what it wants and has, and gets its assignment (KIP-848).
    ///
    /// Version 1 brings subscription by regular expression, and member ids that the client makes (KIP-1082).
    ConsumerGroupHeartbeatRequest -> ConsumerGroupHeartbeatResponse = 68, versions 0-1, flexible 0+;
    request {
        group_id:               String                       [0+],
        member_id:              String                       [0+],
        member_epoch:           i32                          [0+],
        instance_id:            Option<String>               [0+],
        rack_id:                Option<String>               [0+],
        rebalance_timeout_ms:   i32                          [0+] = -1,
        subscribed_topic_names: Option<Vec<String>>          [0+],
        subscribed_topic_regex: Option<String>               [1+],
        server_assignor:        Option<String>               [0+],
        topic_partitions:       Option<Vec<TopicPartitions>> [0+],
    }
    response {
        throttle_time_ms:      i32                [0+],
        error_code:            ErrorCode          [0+],
        error_message:         Option<String>     [0+],
        member_id:             Option<String>     [0+],
        member_epoch:          i32                [0+],
        heartbeat_interval_ms: i32                [0+],
        assignment:            Option<Assignment> [0+],
    }
    TopicPartitions {
        topic_id:   Uuid     [0+],
        partitions: Vec<i32> [0+],
    }
    Assignment {
        topic_partitions: Vec<TopicPartitions> [0+],
    }
}
