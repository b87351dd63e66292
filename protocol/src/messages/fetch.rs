//! Fetch.

use crate::ErrorCode;
use crate::wire::{RecordBytes, Uuid};

api! {
    /// Reads record batches from partitions, waiting for more if there are too few.
    ///
    /// Version 4 brings isolation levels and batches of format 2, 7 fetch sessions (KIP-227), 9 leader epochs (KIP-320), 11 racks
    /// (KIP-392), 12 truncation in the response (KIP-595), 13 topic ids (KIP-516), 15 the replica's epoch (KIP-903), 16 the new
    /// leader's endpoint (KIP-951).
    FetchRequest -> FetchResponse = 1, versions 0-18, flexible 12+;
    request {
        cluster_id:            Option<String>      [12+ ignorable] tag 0,
        replica_id:            i32                 [0-14] = -1,
        replica_state:         ReplicaState        [15+] tag 1,
        max_wait_ms:           i32                 [0+],
        min_bytes:             i32                 [0+],
        max_bytes:             i32                 [3+ ignorable] = i32::MAX,
        isolation_level:       i8                  [4+ ignorable],
        session_id:            i32                 [7+ ignorable],
        session_epoch:         i32                 [7+ ignorable] = -1,
        topics:                Vec<FetchTopic>     [0+],
        forgotten_topics_data: Vec<ForgottenTopic> [7+],
        rack_id:               String              [11+ ignorable],
    }
    response {
        throttle_time_ms: i32                         [1+ ignorable],
        error_code:       ErrorCode                   [7+ ignorable],
        session_id:       i32                         [7+],
        responses:        Vec<FetchableTopicResponse> [0+],
        node_endpoints:   Vec<NodeEndpoint>           [16+] tag 0,
    }
    ReplicaState {
        replica_id:    i32 [15+] = -1,
        replica_epoch: i64 [15+] = -1,
    }
    FetchTopic {
        topic:      String              [0-12 ignorable],
        topic_id:   Uuid                [13+ ignorable],
        partitions: Vec<FetchPartition> [0+],
    }
    FetchPartition {
        partition:            i32  [0+],
        current_leader_epoch: i32  [9+ ignorable] = -1,
        fetch_offset:         i64  [0+],
        last_fetched_epoch:   i32  [12+] = -1,
        log_start_offset:     i64  [5+ ignorable] = -1,
        partition_max_bytes:  i32  [0+],
        replica_directory_id: Uuid [17+ ignorable] tag 0,
        high_watermark:       i64  [18+ ignorable] tag 1 = i64::MAX,
    }
    ForgottenTopic {
        topic:      String   [7-12 ignorable],
        topic_id:   Uuid     [13+ ignorable],
        partitions: Vec<i32> [7+],
    }
    FetchableTopicResponse {
        topic:      String             [0-12 ignorable],
        topic_id:   Uuid               [13+ ignorable],
        partitions: Vec<PartitionData> [0+],
    }
    PartitionData {
        partition_index:        i32                             [0+],
        error_code:             ErrorCode                       [0+],
        high_watermark:         i64                             [0+],
        last_stable_offset:     i64                             [4+ ignorable] = -1,
        log_start_offset:       i64                             [5+ ignorable] = -1,
        diverging_epoch:        EpochEndOffset                  [12+] tag 0,
        current_leader:         LeaderIdAndEpoch                [12+] tag 1,
        snapshot_id:            SnapshotId                      [12+] tag 2,
        aborted_transactions:   Option<Vec<AbortedTransaction>> [4+ ignorable],
        preferred_read_replica: i32                             [11+] = -1,
        records:                Option<RecordBytes>             [0+],
    }
    EpochEndOffset {
        epoch:      i32 [12+] = -1,
        end_offset: i64 [12+] = -1,
    }
    LeaderIdAndEpoch {
        leader_id:    i32 [12+] = -1,
        leader_epoch: i32 [12+] = -1,
    }
    SnapshotId {
        end_offset: i64 [0+] = -1,
        epoch:      i32 [0+] = -1,
    }
    AbortedTransaction {
        producer_id:  i64 [4+],
        first_offset: i64 [4+],
    }
    NodeEndpoint {
        node_id: i32            [16+],
        host:    String         [16+],
        port:    i32            [16+],
        rack:    Option<String> [16+],
    }
}
