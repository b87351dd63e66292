//! OffsetForLeaderEpoch.

use crate::ErrorCode;

api! {
    /// Asks where the records of a leader epoch end, to find out whether a log was cut (KIP-101, KIP-320).
    OffsetForLeaderEpochRequest -> OffsetForLeaderEpochResponse = 23, versions 0-4, flexible 4+;
    request {
        replica_id: i32                       [3+ ignorable] = -2,
        topics:     Vec<OffsetForLeaderTopic> [0+],
    }
    response {
        throttle_time_ms: i32                             [2+ ignorable],
        topics:           Vec<OffsetForLeaderTopicResult> [0+],
    }
    OffsetForLeaderTopic {
        topic:      String                        [0+],
        partitions: Vec<OffsetForLeaderPartition> [0+],
    }
    OffsetForLeaderPartition {
        partition:            i32 [0+],
        current_leader_epoch: i32 [2+ ignorable] = -1,
        leader_epoch:         i32 [0+],
    }
    OffsetForLeaderTopicResult {
        topic:      String              [0+],
        partitions: Vec<EpochEndOffset> [0+],
    }
    EpochEndOffset {
        error_code:   ErrorCode [0+],
        partition:    i32       [0+],
        leader_epoch: i32       [1+ ignorable] = -1,
        end_offset:   i64       [0+] = -1,
    }
}
