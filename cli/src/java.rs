//! What the Java tools owe to Java: the order in which a `HashMap` gives its keys, and the names and texts of exceptions.
//!
//! Scripts compare the lines of Kafka's tools byte for byte, so both are part of the format.

use kinglet::protocol::ErrorCode;
use kinglet::{Error, ErrorKind, TopicPartition};

/// The capacity that a `HashMap` begins with unless told otherwise.
pub const CAPACITY: usize = 16;

/// The capacity of a `HashMap` that is made as a copy of one with so many keys.
pub fn copied_capacity(keys: usize) -> usize {
    keys * 4 / 3 + 1
}

/// `String.hashCode`.
pub fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub fn partition_hash(at: &TopicPartition) -> u32 {
    let partition = u32::from_ne_bytes(at.partition.to_ne_bytes());
    partition.wrapping_add(31).wrapping_mul(31).wrapping_add(string_hash(&at.topic))
}

/// The order in which a `java.util.HashMap` gives the keys with these hashes: by bucket, then as they came.
///
/// `capacity` is what the map was made with; it doubles while more than three quarters are used.
pub fn map_order(hashes: &[u32], capacity: usize) -> Vec<usize> {
    let mut buckets = capacity.max(1).next_power_of_two();
    while hashes.len() > buckets / 4 * 3 + buckets % 4 * 3 / 4 {
        buckets *= 2;
    }
    let bucket = |hash: u32| u64::from(hash ^ (hash >> 16)) & (buckets as u64 - 1);
    let mut keyed: Vec<(u64, usize)> = hashes.iter().map(|hash| bucket(*hash)).zip(0..).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// The items in the order of a `HashMap` with these keys.
pub fn in_map_order<T>(items: Vec<T>, capacity: usize, hash: impl Fn(&T) -> u32) -> Vec<T> {
    let hashes: Vec<u32> = items.iter().map(hash).collect();
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    let order = map_order(&hashes, capacity).into_iter();
    order.filter_map(|index| items.get_mut(index).and_then(Option::take)).collect()
}

/// An exception as Java's admin client throws it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// With its package.
    class: String,
    message: String,
}

impl Exception {
    /// What the admin client makes of an answer, or of none.
    pub fn of(error: &Error) -> Self {
        let Some(code) = error.code() else { return Self::of_kind(error) };
        let (name, default) = EXCEPTIONS
            .iter()
            .find(|(known, ..)| *known == code)
            .map_or(("UnknownServerException", UNKNOWN), |(_, name, message)| (*name, *message));
        let message = error.broker_message().filter(|message| !message.is_empty()).unwrap_or(default);
        Self { class: format!("org.apache.kafka.common.errors.{name}"), message: message.to_owned() }
    }

    /// A code whose broker said nothing more.
    pub fn of_code(code: ErrorCode) -> Option<Self> {
        let (_, name, message) = EXCEPTIONS.iter().find(|(known, ..)| *known == code)?;
        Some(Self { class: format!("org.apache.kafka.common.errors.{name}"), message: (*message).to_owned() })
    }

    fn of_kind(error: &Error) -> Self {
        let name = match error.kind() {
            ErrorKind::UnsupportedVersion => "UnsupportedVersionException",
            ErrorKind::Disconnected => "DisconnectException",
            ErrorKind::TooLarge => "RecordTooLargeException",
            ErrorKind::UnknownTopic | ErrorKind::UnknownPartition => "UnknownTopicOrPartitionException",
            _ => "TimeoutException",
        };
        Self { class: format!("org.apache.kafka.common.errors.{name}"), message: error.to_string() }
    }

    /// `getClass().getName()`.
    pub fn class(&self) -> &str {
        &self.class
    }

    /// `getMessage`.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::fmt::Display for Exception {
    /// `toString`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

const UNKNOWN: &str = "The server experienced an unexpected error when processing the request.";

/// The exceptions that the tools meet, as in Kafka's `Errors`.
const EXCEPTIONS: [(ErrorCode, &str, &str); 45] = [
    (
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "OffsetOutOfRangeException",
        "The requested offset is not within the range of offsets maintained by the server.",
    ),
    (
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        "UnknownTopicOrPartitionException",
        "This server does not host this topic-partition.",
    ),
    (
        ErrorCode::LEADER_NOT_AVAILABLE,
        "LeaderNotAvailableException",
        "There is no leader for this topic-partition as we are in the middle of a leadership election.",
    ),
    (
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        "NotLeaderOrFollowerException",
        "For requests intended only for the leader, this error indicates that the broker is not the current leader. For \
         requests intended for any replica, this error indicates that the broker is not a replica of the topic partition.",
    ),
    (ErrorCode::REQUEST_TIMED_OUT, "TimeoutException", "The request timed out."),
    (
        ErrorCode::OFFSET_METADATA_TOO_LARGE,
        "OffsetMetadataTooLarge",
        "The metadata field of the offset request was too large.",
    ),
    (
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        "CoordinatorLoadInProgressException",
        "The coordinator is loading and hence can't process requests.",
    ),
    (
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        "CoordinatorNotAvailableException",
        "The coordinator is not available.",
    ),
    (ErrorCode::NOT_COORDINATOR, "NotCoordinatorException", "This is not the correct coordinator."),
    (
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        "InvalidTopicException",
        "The request attempted to perform an operation on an invalid topic.",
    ),
    (
        ErrorCode::ILLEGAL_GENERATION,
        "IllegalGenerationException",
        "Specified group generation id is not valid.",
    ),
    (ErrorCode::INVALID_GROUP_ID, "InvalidGroupIdException", "The group id is invalid."),
    (
        ErrorCode::UNKNOWN_MEMBER_ID,
        "UnknownMemberIdException",
        "The coordinator is not aware of this member.",
    ),
    (
        ErrorCode::REBALANCE_IN_PROGRESS,
        "RebalanceInProgressException",
        "The group is rebalancing, so a rejoin is needed.",
    ),
    (ErrorCode::TOPIC_AUTHORIZATION_FAILED, "TopicAuthorizationException", "Topic authorization failed."),
    (ErrorCode::GROUP_AUTHORIZATION_FAILED, "GroupAuthorizationException", "Group authorization failed."),
    (
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        "ClusterAuthorizationException",
        "Cluster authorization failed.",
    ),
    (ErrorCode::UNSUPPORTED_VERSION, "UnsupportedVersionException", "The version of API is not supported."),
    (
        ErrorCode::INVALID_REQUEST,
        "InvalidRequestException",
        "This most likely occurs because of a request being malformed by the client library or the message was sent to an \
         incompatible broker. See the broker logs for more details.",
    ),
    (
        ErrorCode::POLICY_VIOLATION,
        "PolicyViolationException",
        "Request parameters do not satisfy the configured policy.",
    ),
    (ErrorCode::NON_EMPTY_GROUP, "GroupNotEmptyException", "The group is not empty."),
    (ErrorCode::GROUP_ID_NOT_FOUND, "GroupIdNotFoundException", "The group id does not exist."),
    (
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        "GroupSubscribedToTopicException",
        "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
    ),
    (
        ErrorCode::MESSAGE_TOO_LARGE,
        "RecordTooLargeException",
        "The request included a message larger than the max message size the server will accept.",
    ),
    (
        ErrorCode::RECORD_LIST_TOO_LARGE,
        "RecordBatchTooLargeException",
        "The request included message batch larger than the configured segment size on the server.",
    ),
    (
        ErrorCode::NOT_ENOUGH_REPLICAS,
        "NotEnoughReplicasException",
        "Messages are rejected since there are fewer in-sync replicas than required.",
    ),
    (
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        "NotEnoughReplicasAfterAppendException",
        "Messages are written to the log, but to fewer in-sync replicas than required.",
    ),
    (
        ErrorCode::INVALID_RECORD,
        "InvalidRecordException",
        "This record has failed the validation on broker and hence will be rejected.",
    ),
    (
        ErrorCode::KAFKA_STORAGE_ERROR,
        "KafkaStorageException",
        "Disk error when trying to access log file on the disk.",
    ),
    (
        ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
        "PreferredLeaderNotAvailableException",
        "The preferred leader was not available.",
    ),
    (
        ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        "EligibleLeadersNotAvailableException",
        "Eligible topic partition leaders are not available.",
    ),
    (
        ErrorCode::ELECTION_NOT_NEEDED,
        "ElectionNotNeededException",
        "Leader election not needed for topic partition.",
    ),
    (
        ErrorCode::INVALID_REPLICA_ASSIGNMENT,
        "InvalidReplicaAssignmentException",
        "Replica assignment is invalid.",
    ),
    (
        ErrorCode::INVALID_REPLICATION_FACTOR,
        "InvalidReplicationFactorException",
        "Replication factor is below 1 or larger than the number of available brokers.",
    ),
    (
        ErrorCode::NO_REASSIGNMENT_IN_PROGRESS,
        "NoReassignmentInProgressException",
        "No partition reassignment is in progress.",
    ),
    (
        ErrorCode::REASSIGNMENT_IN_PROGRESS,
        "ReassignmentInProgressException",
        "A partition reassignment is in progress.",
    ),
    (ErrorCode::INVALID_CONFIG, "InvalidConfigurationException", "Configuration is invalid."),
    (
        ErrorCode::BROKER_ID_NOT_REGISTERED,
        "BrokerIdNotRegisteredException",
        "The given broker ID was not registered.",
    ),
    (
        ErrorCode::REPLICA_NOT_AVAILABLE,
        "ReplicaNotAvailableException",
        "The replica is not available for the requested topic-partition. \
         Produce/Fetch requests and other requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.",
    ),
    (
        ErrorCode::LOG_DIR_NOT_FOUND,
        "LogDirNotFoundException",
        "The user-specified log directory is not found in the broker config.",
    ),
    (
        ErrorCode::NOT_CONTROLLER,
        "NotControllerException",
        "This is not the correct controller for this cluster.",
    ),
    (ErrorCode::INVALID_PARTITIONS, "InvalidPartitionsException", "Number of partitions is below 1."),
    (ErrorCode::BROKER_NOT_AVAILABLE, "BrokerNotAvailableException", "The broker is not available."),
    (
        ErrorCode::MISMATCHED_ENDPOINT_TYPE,
        "MismatchedEndpointTypeException",
        "The request was sent to an endpoint of the wrong type.",
    ),
    (ErrorCode::UNKNOWN_SERVER_ERROR, "UnknownServerException", UNKNOWN),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_come_in_the_order_that_kafkas_tool_was_seen_to_print() {
        let all = (0..3).map(|partition| TopicPartition::new("t3", partition)).collect();

        let order = in_map_order(all, CAPACITY, partition_hash);

        assert_eq!(order.iter().map(|at| at.partition).collect::<Vec<_>>(), [0, 2, 1]);
    }

    #[test]
    fn groups_come_in_the_order_that_kafkas_tool_was_seen_to_print() {
        let seen = [
            "console-consumer-22088",
            "mygroup",
            "console-consumer-61892",
            "console-consumer-10070",
            "console-consumer-63302",
        ];
        let mut sorted = seen.to_vec();
        sorted.sort_unstable();

        assert_eq!(in_map_order(sorted, CAPACITY, |group| string_hash(group)), seen);
    }

    #[test]
    fn an_exception_reads_as_java_prints_it() {
        let exception = Exception::of_code(ErrorCode::NON_EMPTY_GROUP).expect("known");

        assert_eq!(
            exception.to_string(),
            "org.apache.kafka.common.errors.GroupNotEmptyException: The group is not empty."
        );
    }
}
