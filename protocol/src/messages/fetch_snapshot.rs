//! FetchSnapshot.

use crate::ErrorCode;
use crate::wire::{RecordBytes, Uuid};

api! {
    /// A follower of the metadata quorum reads a snapshot (KIP-630).
    ///
    /// Version 1 brings directory ids and endpoints (KIP-853).
    FetchSnapshotRequest -> FetchSnapshotResponse = 59, versions 0-1, flexible 0+;
    request {
        cluster_id: Option<String>     [0+] tag 0,
        replica_id: i32                [0+] = -1,
        max_bytes:  i32                [0+] = i32::MAX,
        topics:     Vec<TopicSnapshot> [0+],
    }
    response {
        throttle_time_ms: i32                        [0+ ignorable],
        error_code:       ErrorCode                  [0+],
        topics:           Vec<TopicSnapshotResponse> [0+],
        node_endpoints:   Vec<NodeEndpoint>          [1+] tag 0,
    }
    TopicSnapshot {
        name:       String                 [0+],
        partitions: Vec<PartitionSnapshot> [0+],
    }
    PartitionSnapshot {
        partition:            i32        [0+],
        current_leader_epoch: i32        [0+],
        snapshot_id:          SnapshotId [0+],
        position:             i64        [0+],
        replica_directory_id: Uuid       [1+ ignorable] tag 0,
    }
    SnapshotId {
        end_offset: i64 [0+],
        epoch:      i32 [0+],
    }
    TopicSnapshotResponse {
        name:       String                         [0+],
        partitions: Vec<PartitionSnapshotResponse> [0+],
    }
    NodeEndpoint {
        node_id: i32    [1+],
        host:    String [1+],
        port:    u16    [1+],
    }
    PartitionSnapshotResponse {
        index:             i32              [0+],
        error_code:        ErrorCode        [0+],
        snapshot_id:       SnapshotId       [0+],
        current_leader:    LeaderIdAndEpoch [0+] tag 0,
        size:              i64              [0+],
        position:          i64              [0+],
        unaligned_records: RecordBytes      [0+],
    }
    LeaderIdAndEpoch {
        leader_id:    i32 [0+],
        leader_epoch: i32 [0+],
    }
}
