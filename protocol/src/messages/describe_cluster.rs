//! DescribeCluster.

use crate::ErrorCode;

api! {
    /// Asks for the brokers, the controller and the cluster id (KIP-700).
    ///
    /// Version 1 can ask a controller (KIP-919), 2 shows fenced brokers (KIP-1073).
    DescribeClusterRequest -> DescribeClusterResponse = 60, versions 0-2, flexible 0+;
    request {
        include_cluster_authorized_operations: bool [0+],
        endpoint_type:                         i8   [1+] = 1,
        include_fenced_brokers:                bool [2+],
    }
    response {
        throttle_time_ms:              i32                        [0+],
        error_code:                    ErrorCode                  [0+],
        error_message:                 Option<String>             [0+],
        endpoint_type:                 i8                         [1+] = 1,
        cluster_id:                    String                     [0+],
        controller_id:                 i32                        [0+] = -1,
        brokers:                       Vec<DescribeClusterBroker> [0+],
        cluster_authorized_operations: i32                        [0+] = i32::MIN,
    }
    DescribeClusterBroker {
        broker_id: i32            [0+],
        host:      String         [0+],
        port:      i32            [0+],
        rack:      Option<String> [0+],
        is_fenced: bool           [2+],
    }
}
