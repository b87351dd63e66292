//! The records of `__transaction_state` (KIP-98).
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

record! {
    /// Which transactional id it is (KIP-98).
    TransactionLogKey = 0, versions 0-0, flexible none;
    fields {
        transactional_id: String [0+],
    }
}

record! {
    /// The state of a transactional id; a record without a value takes it back.
    ///
    /// Version 1 is flexible, so that producer ids of before and after can be told (KIP-890).
    TransactionLogValue = 0, versions 0-1, flexible 1+;
    fields {
        producer_id:                          i64                           [0+],
        previous_producer_id:                 i64                           [1+] tag 0 = -1,
        next_producer_id:                     i64                           [1+] tag 1 = -1,
        producer_epoch:                       i16                           [0+],
        client_transaction_version:           i16                           [1+] tag 2,
        transaction_timeout_ms:               i32                           [0+],
        transaction_status:                   i8                            [0+],
        transaction_partitions:               Option<Vec<PartitionsSchema>> [0+],
        transaction_last_update_timestamp_ms: i64                           [0+],
        transaction_start_timestamp_ms:       i64                           [0+],
        next_producer_epoch:                  i16                           [1+] tag 3 = -1,
    }
    PartitionsSchema {
        topic:         String   [0+],
        partition_ids: Vec<i32> [0+],
    }
}
