//! WriteTxnMarkers.

use crate::ErrorCode;

api! {
    /// A transaction coordinator has the leaders write its markers (KIP-98).
    ///
    /// Version 2 says by which protocol the transaction runs (KIP-1228).
    WriteTxnMarkersRequest -> WriteTxnMarkersResponse = 27, versions 0-2, flexible 1+;
    request {
        markers: Vec<WritableTxnMarker> [0+],
    }
    response {
        markers: Vec<WritableTxnMarkerResult> [0+],
    }
    WritableTxnMarker {
        producer_id:         i64                         [0+],
        producer_epoch:      i16                         [0+],
        transaction_result:  bool                        [0+],
        topics:              Vec<WritableTxnMarkerTopic> [0+],
        coordinator_epoch:   i32                         [0+],
        transaction_version: i8                          [2+ ignorable],
    }
    WritableTxnMarkerTopic {
        name:              String   [0+],
        partition_indexes: Vec<i32> [0+],
    }
    WritableTxnMarkerResult {
        producer_id: i64                               [0+],
        topics:      Vec<WritableTxnMarkerTopicResult> [0+],
    }
    WritableTxnMarkerTopicResult {
        name:       String                                [0+],
        partitions: Vec<WritableTxnMarkerPartitionResult> [0+],
    }
    WritableTxnMarkerPartitionResult {
        partition_index: i32       [0+],
        error_code:      ErrorCode [0+],
    }
}
