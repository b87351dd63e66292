//! CreatePartitions.

use crate::ErrorCode;

api! {
    /// Adds partitions to topics (KIP-195).
    CreatePartitionsRequest -> CreatePartitionsResponse = 37, versions 0-3, flexible 2+;
    request {
        topics:        Vec<CreatePartitionsTopic> [0+],
        timeout_ms:    i32                        [0+],
        validate_only: bool                       [0+],
    }
    response {
        throttle_time_ms: i32                              [0+],
        results:          Vec<CreatePartitionsTopicResult> [0+],
    }
    CreatePartitionsTopic {
        name:        String                                  [0+],
        count:       i32                                     [0+],
        assignments: Option<Vec<CreatePartitionsAssignment>> [0+],
    }
    CreatePartitionsAssignment {
        broker_ids: Vec<i32> [0+],
    }
    CreatePartitionsTopicResult {
        name:          String         [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
