//! OffsetFetch.

use crate::ErrorCode;
use crate::wire::Uuid;

api! {
    /// Asks for the committed offsets of groups.
    ///
    /// Version 0 read them from ZooKeeper. 2 can ask for all topics, 5 brings leader epochs (KIP-320), 7 waits for open transactions
    /// (`require_stable`, KIP-447), 8 asks for several groups at once (KIP-709), 9 names the member and its epoch (KIP-848), 10 uses
    /// topic ids.
    OffsetFetchRequest -> OffsetFetchResponse = 9, versions 0-10, flexible 6+;
    request {
        group_id:       String                               [0-7],
        topics:         Option<Vec<OffsetFetchRequestTopic>> [0-7 null 2+],
        groups:         Vec<OffsetFetchRequestGroup>         [8+],
        require_stable: bool                                 [7+],
    }
    response {
        throttle_time_ms: i32                           [3+ ignorable],
        topics:           Vec<OffsetFetchResponseTopic> [0-7],
        error_code:       ErrorCode                     [2-7 ignorable],
        groups:           Vec<OffsetFetchResponseGroup> [8+],
    }
    OffsetFetchRequestTopic {
        name:              String   [0-7],
        partition_indexes: Vec<i32> [0-7],
    }
    OffsetFetchRequestGroup {
        group_id:     String                                [8+],
        member_id:    Option<String>                        [9+ ignorable],
        member_epoch: i32                                   [9+ ignorable] = -1,
        topics:       Option<Vec<OffsetFetchRequestTopics>> [8+],
    }
    OffsetFetchRequestTopics {
        name:              String   [8-9 ignorable],
        topic_id:          Uuid     [10+ ignorable],
        partition_indexes: Vec<i32> [8+],
    }
    OffsetFetchResponseTopic {
        name:       String                            [0-7],
        partitions: Vec<OffsetFetchResponsePartition> [0-7],
    }
    OffsetFetchResponseGroup {
        group_id:   String                         [8+],
        topics:     Vec<OffsetFetchResponseTopics> [8+],
        error_code: ErrorCode                      [8+],
    }
    OffsetFetchResponsePartition {
        partition_index:        i32            [0-7],
        committed_offset:       i64            [0-7],
        committed_leader_epoch: i32            [5-7 ignorable] = -1,
        metadata:               Option<String> [0-7],
        error_code:             ErrorCode      [0-7],
    }
    OffsetFetchResponseTopics {
        name:       String                             [8-9 ignorable],
        topic_id:   Uuid                               [10+ ignorable],
        partitions: Vec<OffsetFetchResponsePartitions> [8+],
    }
    OffsetFetchResponsePartitions {
        partition_index:        i32            [8+],
        committed_offset:       i64            [8+],
        committed_leader_epoch: i32            [8+ ignorable] = -1,
        metadata:               Option<String> [8+],
        error_code:             ErrorCode      [8+],
    }
}
