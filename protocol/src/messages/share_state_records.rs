//! The records of `__share_group_state` (KIP-932).
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

use crate::wire::Uuid;

record! {
    /// Which share partition it is (KIP-932).
    ShareSnapshotKey = 0, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        topic_id:  Uuid   [0+],
        partition: i32    [0+],
    }
}

record! {
    /// The whole state of a share partition.
    ShareSnapshotValue = 0, versions 0-0, flexible 0+;
    fields {
        snapshot_epoch:          i32             [0+],
        state_epoch:             i32             [0+],
        leader_epoch:            i32             [0+],
        start_offset:            i64             [0+],
        delivery_complete_count: i32             [0+] tag 0 = -1,
        create_timestamp:        i64             [0+],
        write_timestamp:         i64             [0+],
        state_batches:           Vec<StateBatch> [0+],
    }
    StateBatch {
        first_offset:   i64 [0+],
        last_offset:    i64 [0+],
        delivery_state: i8  [0+],
        delivery_count: i16 [0+],
    }
}

record! {
    /// Which share partition it is (KIP-932).
    ShareUpdateKey = 1, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        topic_id:  Uuid   [0+],
        partition: i32    [0+],
    }
}

record! {
    /// What has changed since the last snapshot.
    ShareUpdateValue = 1, versions 0-0, flexible 0+;
    fields {
        snapshot_epoch:          i32             [0+],
        leader_epoch:            i32             [0+],
        start_offset:            i64             [0+],
        delivery_complete_count: i32             [0+] tag 0 = -1,
        state_batches:           Vec<StateBatch> [0+],
    }
}
