//! AddOffsetsToTxn.

use crate::ErrorCode;

api! {
    /// Adds the offsets of a group to a transaction (KIP-98).
    ///
    /// From version 4 on it may be answered TRANSACTION_ABORTABLE (KIP-890).
    AddOffsetsToTxnRequest -> AddOffsetsToTxnResponse = 25, versions 0-4, flexible 3+;
    request {
        transactional_id: String [0+],
        producer_id:      i64    [0+],
        producer_epoch:   i16    [0+],
        group_id:         String [0+],
    }
    response {
        throttle_time_ms: i32       [0+],
        error_code:       ErrorCode [0+],
    }
}
