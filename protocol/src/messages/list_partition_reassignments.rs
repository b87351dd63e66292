//! ListPartitionReassignments.

use crate::ErrorCode;

api! {
    /// Lists the reassignments under way (KIP-455).
    ListPartitionReassignmentsRequest -> ListPartitionReassignmentsResponse = 46, versions 0-0, flexible 0+;
    request {
        timeout_ms: i32                                           [0+] = 60000,
        topics:     Option<Vec<ListPartitionReassignmentsTopics>> [0+],
    }
    response {
        throttle_time_ms: i32                           [0+],
        error_code:       ErrorCode                     [0+],
        error_message:    Option<String>                [0+],
        topics:           Vec<OngoingTopicReassignment> [0+],
    }
    ListPartitionReassignmentsTopics {
        name:              String   [0+],
        partition_indexes: Vec<i32> [0+],
    }
    OngoingTopicReassignment {
        name:       String                            [0+],
        partitions: Vec<OngoingPartitionReassignment> [0+],
    }
    OngoingPartitionReassignment {
        partition_index:   i32      [0+],
        replicas:          Vec<i32> [0+],
        adding_replicas:   Vec<i32> [0+],
        removing_replicas: Vec<i32> [0+],
    }
}
