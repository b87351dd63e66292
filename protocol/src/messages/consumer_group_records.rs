//! The records of `__consumer_offsets` for groups of the consumer protocol (KIP-848).
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

use bytes::Bytes;

use crate::wire::Uuid;

record! {
    /// Which group of the consumer protocol it is (KIP-848).
    ConsumerGroupMetadataKey = 3, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of a group of the consumer protocol.
    ConsumerGroupMetadataValue = 3, versions 0-0, flexible 0+;
    fields {
        epoch:         i32 [0+],
        metadata_hash: i64 [0+] tag 0,
    }
}

record! {
    /// Which group it is.
    ConsumerGroupPartitionMetadataKey = 4, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The topics of a group as they were at the last assignment. Not written since Kafka 4.1.
    ConsumerGroupPartitionMetadataValue = 4, versions 0-0, flexible 0+;
    fields {
        topics: Vec<TopicMetadata> [0+],
    }
    TopicMetadata {
        topic_id:           Uuid                   [0+],
        topic_name:         String                 [0+],
        num_partitions:     i32                    [0+],
        partition_metadata: Vec<PartitionMetadata> [0+],
    }
    PartitionMetadata {
        partition: i32         [0+],
        racks:     Vec<String> [0+],
    }
}

record! {
    /// Which member of which group it is.
    ConsumerGroupMemberMetadataKey = 5, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member wants.
    ConsumerGroupMemberMetadataValue = 5, versions 0-0, flexible 0+;
    fields {
        instance_id:             Option<String>                [0+],
        rack_id:                 Option<String>                [0+],
        client_id:               String                        [0+],
        client_host:             String                        [0+],
        subscribed_topic_names:  Vec<String>                   [0+],
        subscribed_topic_regex:  Option<String>                [0+],
        rebalance_timeout_ms:    i32                           [0+] = -1,
        server_assignor:         Option<String>                [0+],
        /// Absent is empty, and null is written: the schema's `null` is no default for Kafka's generator.
        classic_member_metadata: Option<ClassicMemberMetadata> [0+] tag 0 = Some(ClassicMemberMetadata::default()),
    }
    ClassicMemberMetadata {
        session_timeout_ms:  i32                  [0+],
        supported_protocols: Vec<ClassicProtocol> [0+],
    }
    ClassicProtocol {
        name:     String [0+],
        metadata: Bytes  [0+],
    }
}

record! {
    /// Which group it is.
    ConsumerGroupTargetAssignmentMetadataKey = 6, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of the assignment that the group moves to.
    ConsumerGroupTargetAssignmentMetadataValue = 6, versions 0-0, flexible 0+;
    fields {
        assignment_epoch:     i32 [0+],
        assignment_timestamp: i64 [0+ ignorable] tag 0,
    }
}

record! {
    /// Which member of which group it is.
    ConsumerGroupTargetAssignmentMemberKey = 7, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member shall have in the end.
    ConsumerGroupTargetAssignmentMemberValue = 7, versions 0-0, flexible 0+;
    fields {
        topic_partitions: Vec<TopicPartition> [0+],
    }
    TopicPartition {
        topic_id:   Uuid     [0+],
        partitions: Vec<i32> [0+],
    }
}

record! {
    /// Which member of which group it is.
    ConsumerGroupCurrentMemberAssignmentKey = 8, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member has now.
    ConsumerGroupCurrentMemberAssignmentValue = 8, versions 0-0, flexible 0+;
    fields {
        member_epoch:                  i32                  [0+],
        previous_member_epoch:         i32                  [0+],
        state:                         i8                   [0+],
        assigned_partitions:           Vec<TopicPartitions> [0+],
        partitions_pending_revocation: Vec<TopicPartitions> [0+],
    }
    TopicPartitions {
        topic_id:          Uuid             [0+],
        partitions:        Vec<i32>         [0+],
        /// Absent is empty, and null is written: the schema's `null` is no default for Kafka's generator.
        assignment_epochs: Option<Vec<i32>> [0+] tag 0 = Some(Vec::new()),
    }
}

record! {
    /// Which regular expression of which group it is.
    ConsumerGroupRegularExpressionKey = 16, versions 0-0, flexible none;
    fields {
        group_id:           String [0+],
        regular_expression: String [0+],
    }
}

record! {
    /// The topics that a regular expression matched.
    ConsumerGroupRegularExpressionValue = 16, versions 0-0, flexible 0+;
    fields {
        topics:    Vec<String> [0+],
        version:   i64         [0+],
        timestamp: i64         [0+],
    }
}
