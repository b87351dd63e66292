//! Why a change of the metadata is refused: Kafka's code and Kafka's words for each. Names that a client may choose freely
//! are quoted, so that every text fits into an answer.

use kinglet_protocol::{ErrorCode, Uuid};

use crate::config::{DynamicError, Quoted, TopicConfigError};

/// A change that is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Topic name is invalid: {0}")]
    Name(String),
    #[error("Topic '{name}' collides with existing topic: {existing}")]
    Collision { name: String, existing: String },
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error("Duplicate topic name.")]
    DuplicateName,
    #[error("Duplicate topic id.")]
    DuplicateId,
    #[error("The provided topic name maps to an ID that was already supplied.")]
    DuplicateTopic,
    #[error("Neither topic name nor id were specified.")]
    Unnamed,
    #[error("You may not specify both topic name and topic id.")]
    NamedTwice,
    #[error("Creation of internal topic {0} is prohibited.")]
    Internal(&'static str),
    #[error("Excessively large number of partitions per request.")]
    TooManyPartitions,
    #[error("Number of partitions was set to an invalid non-positive value.")]
    PartitionCount,
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    ReplicationFactor,
    #[error(
        "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
         reached because only {brokers} broker(s) are registered or some brokers have all their log directories cordoned."
    )]
    NotEnoughBrokers { factor: i16, brokers: usize },
    #[error("A manual partition assignment was specified, but replication factor was not set to -1.")]
    FactorAndAssignment,
    #[error("A manual partition assignment was specified, but numPartitions was not set to -1.")]
    CountAndAssignment,
    #[error("Found multiple manual partition assignments for partition {0}")]
    AssignedTwice(i32),
    #[error("partitions should be a consecutive 0-based integer sequence")]
    AssignmentGap,
    #[error("The manual partition assignment includes an empty replica list.")]
    NoReplica,
    #[error("The manual partition assignment includes broker {0}, but no such broker is registered.")]
    UnknownBroker(i32),
    #[error("The manual partition assignment includes the broker {0} more than once.")]
    BrokerTwice(i32),
    #[error(
        "The manual partition assignment includes a partition with {here} replica(s), but this is not consistent with \
         previous partitions, which have {before} replica(s)."
    )]
    UnevenAssignment { here: usize, before: usize },
    #[error(
        "Attempted to add {added} additional partition(s), but only {assigned} assignment(s) were specified."
    )]
    FewAssignments { added: usize, assigned: usize },
    #[error("The topic {topic} currently has {has} partition(s); {asked} would not be an increase.")]
    NoIncrease { topic: String, has: usize, asked: i32 },
    #[error("Topic already has {0} partition(s).")]
    SamePartitions(usize),
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    #[error("This server does not host this topic ID.")]
    UnknownTopicId(Uuid),
    #[error("The topic '{}' does not exist.", Quoted(.0))]
    UnknownConfigTopic(String),
    #[error("Null value not supported for topic configs: {}", Quoted(.0))]
    NullConfig(String),
    #[error("Can't {operation} to key {key} because its type is not LIST.")]
    NotAList { operation: &'static str, key: String },
    #[error("Unknown operations type {0}")]
    Operation(i8),
    #[error("Config value {operation} is not allowed for config key: {}", Quoted(key))]
    NoBrokerList { operation: &'static str, key: String },
    #[error("Unknown config name: {}", Quoted(.0))]
    UnknownBrokerKey(String),
    #[error("Default topic resources are not allowed.")]
    DefaultTopic,
    #[error(
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes."
    )]
    LargeConfig,
    #[error("Error due to duplicate config keys")]
    ConfigTwice,
    #[error("Null value not supported for : {}", Quoted(.0))]
    NullUpdate(String),
    #[error("Each resource must appear at most once.")]
    DuplicateResource,
    #[error("Unknown resource type {0}")]
    Resource(i8),
    #[error("Node id must be an integer, but it is: {}", Quoted(.0))]
    BrokerName(String),
    #[error("No node with id {0} found.")]
    NoNode(i32),
    #[error("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")]
    OwnMinIsr,
    #[error(transparent)]
    BrokerConfig(#[from] DynamicError),
    #[error(transparent)]
    Config(#[from] TopicConfigError),
    #[error("All brokers are currently fenced or have all their log directories cordoned.")]
    AllFenced,
    #[error(
        "All brokers specified in the manual partition assignment for partition {0} are fenced or in controlled shutdown."
    )]
    AllAssignedFenced(usize),
    #[error("Unable to find a topic named {}.", Quoted(.0))]
    NotReassignable(String),
    #[error("Unable to find partition {topic}:{partition}.")]
    NoSuchPartition { topic: String, partition: i32 },
    #[error("No partition reassignment is in progress.")]
    NoReassignment,
    #[error("The replication factor is changed from {from} to {to}")]
    FactorChange { from: usize, to: usize },
    #[error(
        "Unable to revert partition assignment for {topic}:{partition} because it would require an unclean leader election."
    )]
    UncleanRevert { topic: String, partition: i32 },
    #[error("Expected cluster ID {expected}, but got cluster ID {}", Quoted(got))]
    ForeignCluster { expected: String, got: String },
    #[error("{0} is no id of a broker.")]
    BrokerId(i32),
    #[error("No directories specified in request")]
    NoDirs,
    #[error("Duplicate directory ids found: {0}")]
    DirTwice(Uuid),
    #[error(
        "Another broker is registered with that broker id. If the broker was recently restarted this should \
         self-resolve once the heartbeat manager expires the broker's session."
    )]
    DuplicateBroker,
    #[error("Broker ID {0} is not currently registered")]
    NotRegistered(i32),
    #[error("Expected broker epoch {expected}, but got broker epoch {got}")]
    StaleBrokerEpoch { expected: i64, got: i64 },
    #[error("This broker is a cluster of its own: no other broker joins or leaves it.")]
    Alone,
    #[error("This is not the correct controller for this cluster.")]
    NotController,
    #[error("{why}")]
    Elsewhere { code: ErrorCode, why: String },
    #[error("the broker could not keep the change: {0}")]
    Storage(String),
    #[error("the broker is stopping")]
    Stopping,
}

impl Refusal {
    /// Kafka's code for it.
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Name(_) | Self::Collision { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
            Self::DuplicateName
            | Self::DuplicateId
            | Self::DuplicateTopic
            | Self::Unnamed
            | Self::NamedTwice
            | Self::Internal(_)
            | Self::FactorAndAssignment
            | Self::CountAndAssignment
            | Self::DuplicateResource
            | Self::Operation(_)
            | Self::DefaultTopic
            | Self::Alone
            | Self::ConfigTwice
            | Self::NullUpdate(_)
            | Self::BrokerName(_)
            | Self::BrokerConfig(_)
            | Self::Resource(_) => ErrorCode::INVALID_REQUEST,
            Self::Elsewhere { code, .. } => *code,
            Self::TooManyPartitions => ErrorCode::POLICY_VIOLATION,
            Self::PartitionCount | Self::NoIncrease { .. } | Self::SamePartitions(_) => {
                ErrorCode::INVALID_PARTITIONS
            }
            Self::ReplicationFactor
            | Self::NotEnoughBrokers { .. }
            | Self::AllFenced
            | Self::FactorChange { .. } => ErrorCode::INVALID_REPLICATION_FACTOR,
            Self::NoReassignment => ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
            Self::AssignedTwice(_)
            | Self::AssignmentGap
            | Self::NoReplica
            | Self::UnknownBroker(_)
            | Self::BrokerTwice(_)
            | Self::UnevenAssignment { .. }
            | Self::AllAssignedFenced(_)
            | Self::UncleanRevert { .. }
            | Self::FewAssignments { .. } => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            Self::ForeignCluster { .. } => ErrorCode::INCONSISTENT_CLUSTER_ID,
            Self::NoDirs | Self::DirTwice(_) | Self::BrokerId(_) => ErrorCode::INVALID_REGISTRATION,
            Self::DuplicateBroker => ErrorCode::DUPLICATE_BROKER_REGISTRATION,
            Self::NotRegistered(_) | Self::NoNode(_) => ErrorCode::BROKER_ID_NOT_REGISTERED,
            Self::StaleBrokerEpoch { .. } => ErrorCode::STALE_BROKER_EPOCH,
            Self::UnknownTopic
            | Self::UnknownConfigTopic(_)
            | Self::NotReassignable(_)
            | Self::NoSuchPartition { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::UnknownTopicId(_) => ErrorCode::UNKNOWN_TOPIC_ID,
            Self::NullConfig(_)
            | Self::NotAList { .. }
            | Self::LargeConfig
            | Self::Config(_)
            | Self::OwnMinIsr
            | Self::NoBrokerList { .. }
            | Self::UnknownBrokerKey(_) => ErrorCode::INVALID_CONFIG,
            Self::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
            // The client may try again, and finds the next leader, or this broker after its restart.
            Self::Stopping | Self::NotController => ErrorCode::NOT_CONTROLLER,
        }
    }
}
