//! AllocateProducerIds.

use crate::ErrorCode;

api! {
    /// A broker asks the controller for a block of producer ids (KIP-730).
    AllocateProducerIdsRequest -> AllocateProducerIdsResponse = 67, versions 0-0, flexible 0+;
    request {
        broker_id:    i32 [0+],
        broker_epoch: i64 [0+] = -1,
    }
    response {
        throttle_time_ms:  i32       [0+],
        error_code:        ErrorCode [0+],
        producer_id_start: i64       [0+],
        producer_id_len:   i32       [0+],
    }
}
