//! InitProducerId.

use crate::ErrorCode;

api! {
    /// Asks for a producer id and epoch, for idempotence and transactions (KIP-98).
    ///
    /// Version 3 bumps the epoch of a known id (KIP-360), 6 takes part in two-phase commit (KIP-939).
    InitProducerIdRequest -> InitProducerIdResponse = 22, versions 0-6, flexible 2+;
    request {
        transactional_id:       Option<String> [0+],
        transaction_timeout_ms: i32            [0+],
        producer_id:            i64            [3+] = -1,
        producer_epoch:         i16            [3+] = -1,
        enable2_pc:             bool           [6+],
        keep_prepared_txn:      bool           [6+],
    }
    response {
        throttle_time_ms:           i32       [0+ ignorable],
        error_code:                 ErrorCode [0+],
        producer_id:                i64       [0+] = -1,
        producer_epoch:             i16       [0+],
        ongoing_txn_producer_id:    i64       [6+] = -1,
        ongoing_txn_producer_epoch: i16       [6+] = -1,
    }
}
