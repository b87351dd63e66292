//! TxnOffsetCommit.

use crate::ErrorCode;

api! {
    /// Commits offsets inside a transaction (KIP-98).
    ///
    /// Version 2 brings leader epochs (KIP-320), 3 the member and its generation (KIP-447). 4 may be answered TRANSACTION_ABORTABLE, 5
    /// adds the group to the transaction by itself (KIP-890).
    TxnOffsetCommitRequest -> TxnOffsetCommitResponse = 28, versions 0-5, flexible 3+;
    request {
        transactional_id:  String                           [0+],
        group_id:          String                           [0+],
        producer_id:       i64                              [0+],
        producer_epoch:    i16                              [0+],
        generation_id:     i32                              [3+] = -1,
        member_id:         String                           [3+],
        group_instance_id: Option<String>                   [3+],
        topics:            Vec<TxnOffsetCommitRequestTopic> [0+],
    }
    response {
        throttle_time_ms: i32                               [0+],
        topics:           Vec<TxnOffsetCommitResponseTopic> [0+],
    }
    TxnOffsetCommitRequestTopic {
        name:       String                               [0+],
        partitions: Vec<TxnOffsetCommitRequestPartition> [0+],
    }
    TxnOffsetCommitRequestPartition {
        partition_index:        i32            [0+],
        committed_offset:       i64            [0+],
        committed_leader_epoch: i32            [2+ ignorable] = -1,
        committed_metadata:     Option<String> [0+],
    }
    TxnOffsetCommitResponseTopic {
        name:       String                                [0+],
        partitions: Vec<TxnOffsetCommitResponsePartition> [0+],
    }
    TxnOffsetCommitResponsePartition {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
