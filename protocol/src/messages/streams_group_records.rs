//! The records of `__consumer_offsets` for streams groups (KIP-1071).
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

record! {
    /// Which streams group it is (KIP-1071).
    StreamsGroupMetadataKey = 17, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of a streams group.
    StreamsGroupMetadataValue = 17, versions 0-0, flexible 0+;
    fields {
        epoch:                    i32                               [0+],
        metadata_hash:            i64                               [0+],
        validated_topology_epoch: i32                               [0+] tag 0 = -1,
        /// Absent is empty, and null is written: the schema's `null` is no default for Kafka's generator.
        last_assignment_configs:  Option<Vec<LastAssignmentConfig>> [0+] tag 1 = Some(Vec::new()),
    }
    LastAssignmentConfig {
        key:   String [0+],
        value: String [0+],
    }
}

record! {
    /// Which member of which group it is.
    StreamsGroupMemberMetadataKey = 19, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member runs.
    StreamsGroupMemberMetadataValue = 19, versions 0-0, flexible 0+;
    fields {
        instance_id:          Option<String>   [0+],
        rack_id:              Option<String>   [0+],
        client_id:            String           [0+],
        client_host:          String           [0+],
        rebalance_timeout_ms: i32              [0+] = -1,
        topology_epoch:       i32              [0+],
        process_id:           String           [0+],
        user_endpoint:        Option<Endpoint> [0+],
        client_tags:          Vec<KeyValue>    [0+],
    }
    Endpoint {
        host: String [0+],
        port: u16    [0+],
    }
    KeyValue {
        key:   String [0+],
        value: String [0+],
    }
}

record! {
    /// Which group it is.
    StreamsGroupTargetAssignmentMetadataKey = 20, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of the assignment that the group moves to.
    StreamsGroupTargetAssignmentMetadataValue = 20, versions 0-0, flexible 0+;
    fields {
        assignment_epoch:     i32 [0+],
        assignment_timestamp: i64 [0+ ignorable] tag 0,
    }
}

record! {
    /// Which member of which group it is.
    StreamsGroupTargetAssignmentMemberKey = 21, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// The tasks that a member shall have in the end.
    StreamsGroupTargetAssignmentMemberValue = 21, versions 0-0, flexible 0+;
    fields {
        active_tasks:  Vec<TaskIds> [0+],
        standby_tasks: Vec<TaskIds> [0+],
        warmup_tasks:  Vec<TaskIds> [0+],
    }
    TaskIds {
        subtopology_id: String   [0+],
        partitions:     Vec<i32> [0+],
    }
}

record! {
    /// Which member of which group it is.
    StreamsGroupCurrentMemberAssignmentKey = 22, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// The tasks that a member has now.
    StreamsGroupCurrentMemberAssignmentValue = 22, versions 0-0, flexible 0+;
    fields {
        member_epoch:                     i32                                             [0+],
        previous_member_epoch:            i32                                             [0+],
        state:                            i8                                              [0+],
        active_tasks:                     Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
        standby_tasks:                    Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
        warmup_tasks:                     Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
        active_tasks_pending_revocation:  Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
        standby_tasks_pending_revocation: Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
        warmup_tasks_pending_revocation:  Vec<TaskIdsStreamsGroupCurrentMemberAssignment> [0+],
    }
    TaskIdsStreamsGroupCurrentMemberAssignment {
        subtopology_id:    String           [0+],
        partitions:        Vec<i32>         [0+],
        /// Absent is empty, and null is written: the schema's `null` is no default for Kafka's generator.
        assignment_epochs: Option<Vec<i32>> [0+] tag 0 = Some(Vec::new()),
    }
}

record! {
    /// Which group it is.
    StreamsGroupTopologyKey = 23, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The topology that the members of a group run.
    StreamsGroupTopologyValue = 23, versions 0-0, flexible 0+;
    fields {
        epoch:         i32              [0+],
        subtopologies: Vec<Subtopology> [0+],
    }
    Subtopology {
        subtopology_id:            String                [0+],
        source_topics:             Vec<String>           [0+],
        source_topic_regex:        Vec<String>           [0+],
        state_changelog_topics:    Vec<TopicInfo>        [0+],
        repartition_sink_topics:   Vec<String>           [0+],
        repartition_source_topics: Vec<TopicInfo>        [0+],
        copartition_groups:        Vec<CopartitionGroup> [0+],
    }
    TopicInfo {
        name:               String           [0+],
        partitions:         i32              [0+],
        replication_factor: i16              [0+],
        topic_configs:      Vec<TopicConfig> [0+],
    }
    CopartitionGroup {
        source_topics:             Vec<i16> [0+],
        source_topic_regex:        Vec<i16> [0+],
        repartition_source_topics: Vec<i16> [0+],
    }
    TopicConfig {
        key:   String [0+],
        value: String [0+],
    }
}
