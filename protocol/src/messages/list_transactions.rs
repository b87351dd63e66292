//! ListTransactions.

use crate::ErrorCode;

api! {
    /// Lists the transactions that a broker coordinates (KIP-664).
    ///
    /// Version 1 filters by duration (KIP-994), 2 by a pattern of transactional ids (KIP-1152).
    ListTransactionsRequest -> ListTransactionsResponse = 66, versions 0-2, flexible 0+;
    request {
        state_filters:            Vec<String>    [0+],
        producer_id_filters:      Vec<i64>       [0+],
        duration_filter:          i64            [1+] = -1,
        transactional_id_pattern: Option<String> [2+],
    }
    response {
        throttle_time_ms:      i32                   [0+],
        error_code:            ErrorCode             [0+],
        unknown_state_filters: Vec<String>           [0+],
        transaction_states:    Vec<TransactionState> [0+],
    }
    TransactionState {
        transactional_id:  String [0+],
        producer_id:       i64    [0+],
        transaction_state: String [0+],
    }
}
