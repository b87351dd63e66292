//! What stands in control records, and the state file of the metadata quorum.
//!
//! The value of a control record begins with its version, which is a field of the table. [`crate::records::control`] reads and writes the
//! markers of transactions.

use crate::wire::Uuid;

record! {
    /// The key of a control record, behind its version (KIP-98).
    ControlRecordTypeSchema, versions 0-0, flexible none;
    fields {
        r#type: i16 [0+],
    }
}

record! {
    /// The value of control records 0 and 1: a transaction is aborted or committed (KIP-98).
    EndTxnMarker, versions 0-0, flexible none;
    fields {
        coordinator_epoch: i32 [0+],
    }
}

record! {
    /// The value of control record 2: a leader of the metadata quorum begins its epoch (KIP-595).
    ///
    /// Version 1 brings directory ids of the voters (KIP-853).
    LeaderChangeMessage, versions 0-1, flexible 0+;
    fields {
        version:         i16        [0+],
        leader_id:       i32        [0+],
        voters:          Vec<Voter> [0+],
        granting_voters: Vec<Voter> [0+],
    }
    Voter {
        voter_id:           i32  [0+],
        voter_directory_id: Uuid [1+],
    }
}

record! {
    /// The value of control record 3: a snapshot begins (KIP-630).
    SnapshotHeaderRecord, versions 0-0, flexible 0+;
    fields {
        version:                      i16 [0+],
        last_contained_log_timestamp: i64 [0+],
    }
}

record! {
    /// The value of control record 4: a snapshot is whole (KIP-630).
    SnapshotFooterRecord, versions 0-0, flexible 0+;
    fields {
        version: i16 [0+],
    }
}

record! {
    /// The value of control record 5: the version of the quorum (KIP-853).
    KRaftVersionRecord, versions 0-0, flexible 0+;
    fields {
        version:        i16 [0+],
        k_raft_version: i16 [0+],
    }
}

record! {
    /// The value of control record 6: the voters of the quorum (KIP-853).
    VotersRecord, versions 0-0, flexible 0+;
    fields {
        version: i16              [0+],
        voters:  Vec<VoterVoters> [0+],
    }
    VoterVoters {
        voter_id:               i32                 [0+],
        voter_directory_id:     Uuid                [0+],
        endpoints:              Vec<Endpoint>       [0+],
        k_raft_version_feature: KRaftVersionFeature [0+],
    }
    Endpoint {
        name: String [0+],
        host: String [0+],
        port: u16    [0+],
    }
    KRaftVersionFeature {
        min_supported_version: i16 [0+],
        max_supported_version: i16 [0+],
    }
}

record! {
    /// What the file `quorum-state` says of the election (KIP-595). There it is JSON.
    ///
    /// Version 1 brings directory ids (KIP-853).
    QuorumStateData, versions 0-1, flexible 0+;
    fields {
        cluster_id:         String                            [0],
        leader_id:          i32                               [0+] = -1,
        leader_epoch:       i32                               [0+] = -1,
        voted_id:           i32                               [0+] = -1,
        voted_directory_id: Uuid                              [1+],
        applied_offset:     i64                               [0],
        current_voters:     Option<Vec<VoterQuorumStateData>> [0],
    }
    VoterQuorumStateData {
        voter_id: i32 [0],
    }
}
