//! The records of `__consumer_offsets` for share groups (KIP-932).
//!
//! A key is written behind its type as two bytes, the number here; a value behind its version.

use crate::wire::Uuid;

record! {
    /// Which member of which group it is.
    ShareGroupMemberMetadataKey = 10, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member wants.
    ShareGroupMemberMetadataValue = 10, versions 0-0, flexible 0+;
    fields {
        rack_id:                Option<String> [0+],
        client_id:              String         [0+],
        client_host:            String         [0+],
        subscribed_topic_names: Vec<String>    [0+],
    }
}

record! {
    /// Which share group it is (KIP-932).
    ShareGroupMetadataKey = 11, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of a share group.
    ShareGroupMetadataValue = 11, versions 0-0, flexible 0+;
    fields {
        epoch:         i32 [0+],
        metadata_hash: i64 [0+],
    }
}

record! {
    /// Which group it is.
    ShareGroupTargetAssignmentMetadataKey = 12, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// The epoch of the assignment that the group moves to.
    ShareGroupTargetAssignmentMetadataValue = 12, versions 0-0, flexible 0+;
    fields {
        assignment_epoch:     i32 [0+],
        assignment_timestamp: i64 [0+ ignorable] tag 0,
    }
}

record! {
    /// Which member of which group it is.
    ShareGroupTargetAssignmentMemberKey = 13, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member shall have in the end.
    ShareGroupTargetAssignmentMemberValue = 13, versions 0-0, flexible 0+;
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
    ShareGroupCurrentMemberAssignmentKey = 14, versions 0-0, flexible none;
    fields {
        group_id:  String [0+],
        member_id: String [0+],
    }
}

record! {
    /// What a member has now.
    ShareGroupCurrentMemberAssignmentValue = 14, versions 0-0, flexible 0+;
    fields {
        member_epoch:          i32                  [0+],
        previous_member_epoch: i32                  [0+],
        state:                 i8                   [0+],
        assigned_partitions:   Vec<TopicPartitions> [0+],
    }
    TopicPartitions {
        topic_id:   Uuid     [0+],
        partitions: Vec<i32> [0+],
    }
}

record! {
    /// Which group it is.
    ShareGroupStatePartitionMetadataKey = 15, versions 0-0, flexible none;
    fields {
        group_id: String [0+],
    }
}

record! {
    /// Which share partitions have a state, and which are about to get or to lose one.
    ShareGroupStatePartitionMetadataValue = 15, versions 0-0, flexible 0+;
    fields {
        initializing_topics: Vec<TopicPartitionsInfo> [0+],
        initialized_topics:  Vec<TopicPartitionsInfo> [0+],
        deleting_topics:     Vec<TopicInfo>           [0+],
    }
    TopicPartitionsInfo {
        topic_id:   Uuid     [0+],
        topic_name: String   [0+],
        partitions: Vec<i32> [0+],
    }
    TopicInfo {
        topic_id:   Uuid   [0+],
        topic_name: String [0+],
    }
}
