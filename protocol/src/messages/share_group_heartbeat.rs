//! ShareGroupHeartbeat.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// A member of a share group is alive, and gets its assignment (KIP-932).
    ///
    /// Version 0 was the early access of Kafka 3.9 and 4.0.
    ShareGroupHeartbeatRequest -> ShareGroupHeartbeatResponse = 76, versions 0-1, flexible 0+;
    request {
        group_id:               String              [0+],
        member_id:              String              [0+],
        member_epoch:           i32                 [0+],
        rack_id:                Option<String>      [0+],
        subscribed_topic_names: Option<Vec<String>> [0+],
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
    Assignment {
        topic_partitions: Vec<TopicPartitions> [0+],
    }
    TopicPartitions {
        topic_id:   Uuid     [0+],
        partitions: Vec<i32> [0+],
    }
}
