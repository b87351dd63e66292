//! ControlledShutdown.

use crate::ErrorCode;

api! {
    /// A broker asks the controller to move its leaders away before it stops.
    ///
    /// Version 0 has a request header without client id, 2 brings the broker epoch (KIP-380). Gone since Kafka 4.0, where heartbeats
    /// ask for it.
    ControlledShutdownRequest -> ControlledShutdownResponse = 7, versions 0-3, flexible 3+;
    request {
        broker_id:    i32 [0+],
        broker_epoch: i64 [2+ ignorable] = -1,
    }
    response {
        error_code:           ErrorCode               [0+],
        remaining_partitions: Vec<RemainingPartition> [0+],
    }
    RemainingPartition {
        topic_name:      String [0+],
        partition_index: i32    [0+],
    }
}
