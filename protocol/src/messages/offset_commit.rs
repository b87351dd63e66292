//! OffsetCommit.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Commits offsets for a group.
    ///
    /// Version 0 wrote them to ZooKeeper. 1 brings the member and its generation, 2 a retention time, which 5 takes away again
    /// (KIP-211), 6 leader epochs (KIP-320), 7 static members (KIP-345). From 9 on the generation may be the member epoch of the
    /// consumer protocol (KIP-848), 10 uses topic ids.
    OffsetCommitRequest -> OffsetCommitResponse = 8, versions 0-10, flexible 8+;
    request {
        group_id:                      String                        [0+],
        generation_id_or_member_epoch: i32                           [1+ ignorable] = -1,
        member_id:                     String                        [1+ ignorable],
        group_instance_id:             Option<String>                [7+],
        retention_time_ms:             i64                           [2-4 ignorable] = -1,
        topics:                        Vec<OffsetCommitRequestTopic> [0+],
    }
    response {
        throttle_time_ms: i32                            [3+ ignorable],
        topics:           Vec<OffsetCommitResponseTopic> [0+],
    }
    OffsetCommitRequestTopic {
        name:       String                            [0-9 ignorable],
        topic_id:   Uuid                              [10+ ignorable],
        partitions: Vec<OffsetCommitRequestPartition> [0+],
    }
    OffsetCommitRequestPartition {
        partition_index:        i32            [0+],
        committed_offset:       i64            [0+],
        committed_leader_epoch: i32            [6+ ignorable] = -1,
        commit_timestamp:       i64            [1] = -1,
        committed_metadata:     Option<String> [0+],
    }
    OffsetCommitResponseTopic {
        name:       String                             [0-9 ignorable],
        topic_id:   Uuid                               [10+ ignorable],
        partitions: Vec<OffsetCommitResponsePartition> [0+],
    }
    OffsetCommitResponsePartition {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
