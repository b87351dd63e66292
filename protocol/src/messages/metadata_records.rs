//! The records of the metadata log (KIP-631): values, each behind a frame version, its type and its version as unsigned varints.
//!
//! A number behind a name is the record's type. A broker of our own keeps topics, partitions, configuration, producer ids with them.

use bytes::Bytes;

use crate::wire::Uuid;

record! {
    /// A broker registers (KIP-631).
    ///
    /// Version 1 may be in a migration from ZooKeeper (KIP-866), 2 may be in a controlled shutdown (KIP-841), 3 brings log directories
    /// (KIP-858), 4 cordoned ones (KIP-1066).
    RegisterBrokerRecord = 0, versions 0-4, flexible 0+;
    fields {
        broker_id:              i32                 [0+],
        is_migrating_zk_broker: bool                [2+],
        incarnation_id:         Uuid                [0+],
        broker_epoch:           i64                 [0+],
        end_points:             Vec<BrokerEndpoint> [0+],
        features:               Vec<BrokerFeature>  [0+],
        rack:                   Option<String>      [0+],
        fenced:                 bool                [0+] = true,
        in_controlled_shutdown: bool                [1+],
        log_dirs:               Vec<Uuid>           [3+] tag 0,
        cordoned_log_dirs:      Option<Vec<Uuid>>   [4+] tag 1,
    }
    BrokerEndpoint {
        name:              String [0+],
        host:              String [0+],
        port:              u16    [0+],
        security_protocol: i16    [0+],
    }
    BrokerFeature {
        name:                  String [0+],
        min_supported_version: i16    [0+],
        max_supported_version: i16    [0+],
    }
}

record! {
    /// A broker goes for good.
    UnregisterBrokerRecord = 1, versions 0-0, flexible 0+;
    fields {
        broker_id:    i32 [0+],
        broker_epoch: i64 [0+],
    }
}

record! {
    /// A topic begins.
    TopicRecord = 2, versions 0-0, flexible 0+;
    fields {
        name:     String [0+],
        topic_id: Uuid   [0+],
    }
}

record! {
    /// A partition begins, or is stated anew in full.
    ///
    /// Version 1 names the log directory of each replica (KIP-858), 2 the eligible leader replicas (KIP-966).
    PartitionRecord = 3, versions 0-2, flexible 0+;
    fields {
        partition_id:             i32              [0+] = -1,
        topic_id:                 Uuid             [0+],
        replicas:                 Vec<i32>         [0+],
        isr:                      Vec<i32>         [0+],
        removing_replicas:        Vec<i32>         [0+],
        adding_replicas:          Vec<i32>         [0+],
        leader:                   i32              [0+] = -1,
        leader_recovery_state:    i8               [0+] tag 0,
        leader_epoch:             i32              [0+] = -1,
        partition_epoch:          i32              [0+] = -1,
        directories:              Vec<Uuid>        [1+],
        eligible_leader_replicas: Option<Vec<i32>> [2+] tag 1,
        last_known_elr:           Option<Vec<i32>> [2+] tag 2,
    }
}

record! {
    /// A configuration entry is set, or, with a null value, taken back.
    ///
    /// `resource_type`: 2 topic, 4 broker.
    ConfigRecord = 4, versions 0-0, flexible 0+;
    fields {
        resource_type: i8             [0+],
        resource_name: String         [0+],
        name:          String         [0+],
        value:         Option<String> [0+],
    }
}

record! {
    /// What changes of a partition; what is absent stays as it is. A `leader` of -2 is no change.
    ///
    /// Version 1 names the log directory of each replica (KIP-858), 2 the eligible leader replicas (KIP-966).
    PartitionChangeRecord = 5, versions 0-2, flexible 0+;
    fields {
        partition_id:             i32               [0+] = -1,
        topic_id:                 Uuid              [0+],
        isr:                      Option<Vec<i32>>  [0+] tag 0,
        leader:                   i32               [0+] tag 1 = -2,
        replicas:                 Option<Vec<i32>>  [0+] tag 2,
        removing_replicas:        Option<Vec<i32>>  [0+] tag 3,
        adding_replicas:          Option<Vec<i32>>  [0+] tag 4,
        leader_recovery_state:    i8                [0+] tag 5 = -1,
        eligible_leader_replicas: Option<Vec<i32>>  [2+] tag 6,
        last_known_elr:           Option<Vec<i32>>  [2+] tag 7,
        directories:              Option<Vec<Uuid>> [1+] tag 8,
    }
}

record! {
    /// A broker is fenced: it may lead nothing.
    FenceBrokerRecord = 7, versions 0-0, flexible 0+;
    fields {
        id:    i32 [0+],
        epoch: i64 [0+],
    }
}

record! {
    /// A broker is fenced no more.
    UnfenceBrokerRecord = 8, versions 0-0, flexible 0+;
    fields {
        id:    i32 [0+],
        epoch: i64 [0+],
    }
}

record! {
    /// A topic goes, with all its partitions and its configuration.
    RemoveTopicRecord = 9, versions 0-0, flexible 0+;
    fields {
        topic_id: Uuid [0+],
    }
}

record! {
    /// A delegation token begins or changes (KIP-900).
    DelegationTokenRecord = 10, versions 0-0, flexible 0+;
    fields {
        owner:                String      [0+],
        requester:            String      [0+],
        renewers:             Vec<String> [0+],
        issue_timestamp:      i64         [0+],
        max_timestamp:        i64         [0+],
        expiration_timestamp: i64         [0+],
        token_id:             String      [0+],
    }
}

record! {
    /// A user's SCRAM credential is set (KIP-900).
    UserScramCredentialRecord = 11, versions 0-0, flexible 0+;
    fields {
        name:       String [0+],
        mechanism:  i8     [0+],
        salt:       Bytes  [0+],
        stored_key: Bytes  [0+],
        server_key: Bytes  [0+],
        iterations: i32    [0+],
    }
}

record! {
    /// The level of a feature. A metadata log begins with that of `metadata.version`.
    FeatureLevelRecord = 12, versions 0-0, flexible 0+;
    fields {
        name:          String [0+],
        feature_level: i16    [0+],
    }
}

record! {
    /// A quota is set or, with `remove`, taken back.
    ClientQuotaRecord = 14, versions 0-0, flexible 0+;
    fields {
        entity: Vec<EntityData> [0+],
        key:    String          [0+],
        value:  f64             [0+],
        remove: bool            [0+],
    }
    EntityData {
        entity_type: String         [0+],
        entity_name: Option<String> [0+],
    }
}

record! {
    /// A block of producer ids has been handed out; the next one begins at `next_producer_id`.
    ProducerIdsRecord = 15, versions 0-0, flexible 0+;
    fields {
        broker_id:        i32 [0+],
        broker_epoch:     i64 [0+] = -1,
        next_producer_id: i64 [0+],
    }
}

record! {
    /// What changes of the registration of a broker.
    ///
    /// Version 1 brings controlled shutdowns (KIP-841), 2 log directories (KIP-858), 3 cordoned ones (KIP-1066).
    BrokerRegistrationChangeRecord = 17, versions 0-3, flexible 0+;
    fields {
        broker_id:              i32               [0+],
        broker_epoch:           i64               [0+],
        fenced:                 i8                [0+] tag 0,
        in_controlled_shutdown: i8                [1+] tag 1,
        log_dirs:               Vec<Uuid>         [2+] tag 2,
        cordoned_log_dirs:      Option<Vec<Uuid>> [3+] tag 3,
    }
}

record! {
    /// An ACL begins (KIP-801).
    AccessControlEntryRecord = 18, versions 0-0, flexible 0+;
    fields {
        id:              Uuid   [0+],
        resource_type:   i8     [0+],
        resource_name:   String [0+],
        pattern_type:    i8     [0+],
        principal:       String [0+],
        host:            String [0+],
        operation:       i8     [0+],
        permission_type: i8     [0+],
    }
}

record! {
    /// An ACL goes (KIP-801).
    RemoveAccessControlEntryRecord = 19, versions 0-0, flexible 0+;
    fields {
        id: Uuid [0+],
    }
}

record! {
    /// Nothing happens: the log moves on, so that followers see a live leader (KIP-835).
    NoOpRecord = 20, versions 0-0, flexible 0+;
    fields {}
}

record! {
    /// How far a migration from ZooKeeper has come (KIP-866).
    ZkMigrationStateRecord = 21, versions 0-0, flexible 0+;
    fields {
        zk_migration_state: i8 [0+],
    }
}

record! {
    /// A user's SCRAM credential goes.
    RemoveUserScramCredentialRecord = 22, versions 0-0, flexible 0+;
    fields {
        name:      String [0+],
        mechanism: i8     [0+],
    }
}

record! {
    /// The records from here on count together or not at all (KIP-868).
    BeginTransactionRecord = 23, versions 0-0, flexible 0+;
    fields {
        name: Option<String> [0+] tag 0,
    }
}

record! {
    /// The records of the transaction count (KIP-868).
    EndTransactionRecord = 24, versions 0-0, flexible 0+;
    fields {}
}

record! {
    /// The records of the transaction never happened (KIP-868).
    AbortTransactionRecord = 25, versions 0-0, flexible 0+;
    fields {
        reason: Option<String> [0+] tag 0,
    }
}

record! {
    /// A delegation token goes.
    RemoveDelegationTokenRecord = 26, versions 0-0, flexible 0+;
    fields {
        token_id: String [0+],
    }
}

record! {
    /// A controller registers (KIP-919).
    RegisterControllerRecord = 27, versions 0-0, flexible 0+;
    fields {
        controller_id:      i32                     [0+],
        incarnation_id:     Uuid                    [0+],
        zk_migration_ready: bool                    [0+],
        end_points:         Vec<ControllerEndpoint> [0+],
        features:           Vec<ControllerFeature>  [0+],
    }
    ControllerEndpoint {
        name:              String [0+],
        host:              String [0+],
        port:              u16    [0+],
        security_protocol: i16    [0+],
    }
    ControllerFeature {
        name:                  String [0+],
        min_supported_version: i16    [0+],
        max_supported_version: i16    [0+],
    }
}

record! {
    /// The eligible leader replicas of a topic, or of all, are forgotten (KIP-966).
    ClearElrRecord = 28, versions 0-0, flexible 0+;
    fields {
        topic_name: String [0+],
    }
}
