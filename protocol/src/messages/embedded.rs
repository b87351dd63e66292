//! Messages that travel as opaque bytes inside others, behind their version as two bytes.

use bytes::Bytes;

record! {
    /// The metadata that a consumer hands in with `JoinGroup`.
    ///
    /// Version 1 brings what it owns (KIP-429), 2 the generation it was a member of (KIP-792), 3 its rack (KIP-881).
    ConsumerProtocolSubscription, versions 0-3, flexible none;
    fields {
        topics:           Vec<String>         [0+],
        user_data:        Option<Bytes>       [0+],
        owned_partitions: Vec<TopicPartition> [1+ ignorable],
        generation_id:    i32                 [2+ ignorable] = -1,
        rack_id:          Option<String>      [3+ ignorable],
    }
    TopicPartition {
        topic:      String   [1+],
        partitions: Vec<i32> [1+],
    }
}

record! {
    /// The assignment that a consumer gets from `SyncGroup`.
    ConsumerProtocolAssignment, versions 0-3, flexible none;
    fields {
        assigned_partitions: Vec<TopicPartitionConsumerProtocolAssignment> [0+],
        user_data:           Option<Bytes>                                 [0+],
    }
    TopicPartitionConsumerProtocolAssignment {
        topic:      String   [0+],
        partitions: Vec<i32> [0+],
    }
}

record! {
    /// A principal as brokers hand it on inside an [`Envelope`](super::EnvelopeRequest) (KIP-590).
    DefaultPrincipalData, versions 0-0, flexible 0+;
    fields {
        r#type:              String [0+],
        name:                String [0+],
        token_authenticated: bool   [0+],
    }
}
