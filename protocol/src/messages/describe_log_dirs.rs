//! DescribeLogDirs.

use crate::ErrorCode;

api! {
    /// Asks which replicas lie in the log directories of a broker, and how large they are (KIP-113).
    ///
    /// Version 3 brings an error of the whole request, 4 the size of the volumes (KIP-827), 5 whether a directory is cordoned
    /// (KIP-1066).
    DescribeLogDirsRequest -> DescribeLogDirsResponse = 35, versions 0-5, flexible 2+;
    request {
        topics: Option<Vec<DescribableLogDirTopic>> [0+],
    }
    response {
        throttle_time_ms: i32                        [0+],
        error_code:       ErrorCode                  [3+ ignorable],
        results:          Vec<DescribeLogDirsResult> [0+],
    }
    DescribableLogDirTopic {
        topic:      String   [0+],
        partitions: Vec<i32> [0+],
    }
    DescribeLogDirsResult {
        error_code:   ErrorCode                 [0+],
        log_dir:      String                    [0+],
        topics:       Vec<DescribeLogDirsTopic> [0+],
        total_bytes:  i64                       [4+ ignorable] = -1,
        usable_bytes: i64                       [4+ ignorable] = -1,
        is_cordoned:  bool                      [5+ ignorable],
    }
    DescribeLogDirsTopic {
        name:       String                        [0+],
        partitions: Vec<DescribeLogDirsPartition> [0+],
    }
    DescribeLogDirsPartition {
        partition_index: i32  [0+],
        partition_size:  i64  [0+],
        offset_lag:      i64  [0+],
        is_future_key:   bool [0+],
    }
}
