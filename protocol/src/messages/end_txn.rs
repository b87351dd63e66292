//! EndTxn.

use crate::ErrorCode;

api! {
    /// Commits or aborts a transaction (KIP-98).
    ///
    /// From version 4 on it may be answered TRANSACTION_ABORTABLE; version 5 gives the producer its next id and epoch (KIP-890).
    EndTxnRequest -> EndTxnResponse = 26, versions 0-5, flexible 3+;
    request {
        transactional_id: String [0+],
        producer_id:      i64    [0+],
        producer_epoch:   i16    [0+],
        committed:        bool   [0+],
    }
    response {
        throttle_time_ms: i32       [0+],
        error_code:       ErrorCode [0+],
        producer_id:      i64       [5+ ignorable] = -1,
        producer_epoch:   i16       [5+ ignorable] = -1,
    }
}
