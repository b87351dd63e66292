//! The records of the metadata log (KIP-631) that a single broker keeps: topics, partitions, configuration, producer ids.
//!
//! They are values of records, not requests: there is no API key on the wire for them. Each is framed by a frame version, its
//! type and its version as unsigned varints; all versions are flexible.

use crate::wire::Uuid;

part! {
    /// Type 2: a topic begins.
    TopicRecord {
        name:     String [0+],
        topic_id: Uuid   [0+],
    }
}

part! {
    /// Type 3: a partition begins, or is stated anew in full.
    ///
    /// Version 1 names the log directory of each replica (KIP-858), 2 the eligible leader replicas (KIP-966).
    PartitionRecord {
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

part! {
    /// Type 4: a configuration entry is set, or, with a null value, taken back.
    ///
    /// `resource_type`: 2 topic, 4 broker.
    ConfigRecord {
        resource_type: i8             [0+],
        resource_name: String         [0+],
        name:          String         [0+],
        value:         Option<String> [0+],
    }
}

part! {
    /// Type 9: a topic goes, with all its partitions and its configuration.
    RemoveTopicRecord {
        topic_id: Uuid [0+],
    }
}

part! {
    /// Type 12: the level of a feature. A metadata log begins with that of `metadata.version`.
    FeatureLevelRecord {
        name:          String [0+],
        feature_level: i16    [0+],
    }
}

part! {
    /// Type 15: a block of producer ids has been handed out; the next one begins at `next_producer_id`.
    ProducerIdsRecord {
        broker_id:        i32 [0+],
        broker_epoch:     i64 [0+] = -1,
        next_producer_id: i64 [0+],
    }
}
