//! The records of `__consumer_offsets` for offsets and groups of the classic protocol.
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

use bytes::Bytes;

use crate::wire::Uuid;

record! {
    /// Whose offset it is, as brokers before 0.9 wrote it.
    LegacyOffsetCommitKey = 0, versions 0-0, flexible none;
    fields {
        group:     String [0+],
        topic:     String [0+],
        partition: i32    [0+],
    }
}

record! {
    /// A committed offset, as brokers before 0.9 wrote it.
    LegacyOffsetCommitValue = 0, versions 0-0, flexible none;
    fields {
        offset:           i64    [0+],
        metadata:         String [0+],
        commit_timestamp: i64    [0+],
    }
}

record! {
    /// Whose offset it is.
    OffsetCommitKey = 1, versions 0-0, flexible none;
    fields {
        group:     String [0+],
        topic:     String [0+],
        partition: i32    [0+],
    }
}

record! {
    /// A committed offset; a record without a value takes it back.
    ///
    /// Version 1 may have its own time of expiry, 3 has the leader epoch (KIP-320), 4 the topic id (KIP-848).
    OffsetCommitValue = 1, versions 0-4, flexible 4+;
    fields {
        offset:           i64    [0+],
        leader_epoch:     i32    [3+ ignorable] = -1,
        metadata:         String [0+],
        commit_timestamp: i64    [0+],
        expire_timestamp: i64    [1 ignorable] = -1,
        topic_id:         Uuid   [4+ ignorable] tag 0,
    }
}

record! {
    /// Which group of the classic protocol it is.
    GroupMetadataKey = 2, versions 0-0, flexible none;
    fields {
        group: String [0+],
    }
}

record! {
    /// A stable group of the classic protocol; a record without a value takes it back.
    ///
    /// Version 1 brings the rebalance timeout of each member, 2 when the group got into its state, 3 static members (KIP-345).
    GroupMetadataValue = 2, versions 0-4, flexible 4+;
    fields {
        protocol_type:           String              [0+],
        generation:              i32                 [0+],
        protocol:                Option<String>      [0+],
        leader:                  Option<String>      [0+],
        current_state_timestamp: i64                 [2+ ignorable] = -1,
        members:                 Vec<MemberMetadata> [0+],
    }
    MemberMetadata {
        member_id:         String         [0+],
        group_instance_id: Option<String> [3+ ignorable],
        client_id:         String         [0+],
        client_host:       String         [0+],
        rebalance_timeout: i32            [1+ ignorable] = -1,
        session_timeout:   i32            [0+],
        subscription:      Bytes          [0+],
        assignment:        Bytes          [0+],
    }
}
