//! Every error code of the protocol, with its name, whether a retry can help, and what it means.

use std::fmt;

use crate::wire::{DecodeErrorKind, EncodeErrorKind, FieldType, Reader, Wire, Writer};

/// An error code as it stands in a response. Codes that this table does not know are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ErrorCode(pub i16);

struct Row {
    code: i16,
    name: &'static str,
    retriable: bool,
    message: &'static str,
}

macro_rules! error_codes {
    ($( $code:literal $name:ident $(($retriable:ident))? $message:literal; )*) => {
        impl ErrorCode {
            $( #[doc = concat!("Code ", $code, ": ", $message, ".")] pub const $name: Self = Self($code); )*
        }

        const TABLE: &[Row] = &[ $( Row {
            code: $code,
            name: stringify!($name),
            retriable: concat!("", $(stringify!($retriable))?).len() == 9,
            message: $message,
        }, )* ];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR "the server failed in an unexpected way";
    0 NONE "no error";
    1 OFFSET_OUT_OF_RANGE "the offset is outside of what the partition holds";
    2 CORRUPT_MESSAGE (retriable) "the records failed their checksum, are too large or otherwise corrupt";
    3 UNKNOWN_TOPIC_OR_PARTITION (retriable) "the broker does not host this topic or partition";
    4 INVALID_FETCH_SIZE "the fetch size is invalid";
    5 LEADER_NOT_AVAILABLE (retriable) "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER (retriable) "the broker is neither leader nor follower of this partition";
    7 REQUEST_TIMED_OUT (retriable) "the request timed out on the broker";
    8 BROKER_NOT_AVAILABLE "the broker is not available";
    9 REPLICA_NOT_AVAILABLE (retriable) "the replica is not available";
    10 MESSAGE_TOO_LARGE "the record batch is larger than the broker accepts";
    11 STALE_CONTROLLER_EPOCH "the controller has moved";
    12 OFFSET_METADATA_TOO_LARGE "the offset metadata is too large";
    13 NETWORK_EXCEPTION (retriable) "the connection ended before a response came";
    14 COORDINATOR_LOAD_IN_PROGRESS (retriable) "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE (retriable) "the coordinator is not available";
    16 NOT_COORDINATOR (retriable) "this broker is not the coordinator";
    17 INVALID_TOPIC_EXCEPTION "the topic name is invalid or the topic may not be used so";
    18 RECORD_LIST_TOO_LARGE "the record batch is larger than a segment";
    19 NOT_ENOUGH_REPLICAS (retriable) "fewer replicas are in sync than min.insync.replicas asks for";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND (retriable) "written, but to fewer in-sync replicas than min.insync.replicas asks for";
    21 INVALID_REQUIRED_ACKS "acks must be 0, 1 or -1";
    22 ILLEGAL_GENERATION "the group generation is not the current one";
    23 INCONSISTENT_GROUP_PROTOCOL "the member's protocols do not fit those of the group";
    24 INVALID_GROUP_ID "the group id is invalid";
    25 UNKNOWN_MEMBER_ID "the coordinator does not know this member";
    26 INVALID_SESSION_TIMEOUT "the session timeout is outside of the broker's limits";
    27 REBALANCE_IN_PROGRESS "the group is rebalancing";
    28 INVALID_COMMIT_OFFSET_SIZE "the size of the offset commit is invalid";
    29 TOPIC_AUTHORIZATION_FAILED "not authorized for the topic";
    30 GROUP_AUTHORIZATION_FAILED "not authorized for the group";
    31 CLUSTER_AUTHORIZATION_FAILED "not authorized for the cluster";
    32 INVALID_TIMESTAMP "the timestamp is outside of the accepted range";
    33 UNSUPPORTED_SASL_MECHANISM "the broker does not support this SASL mechanism";
    34 ILLEGAL_SASL_STATE "the request does not fit the SASL state";
    35 UNSUPPORTED_VERSION "the broker does not support this version of the API";
    36 TOPIC_ALREADY_EXISTS "a topic of this name exists already";
    37 INVALID_PARTITIONS "the number of partitions is invalid";
    38 INVALID_REPLICATION_FACTOR "the replication factor is below 1 or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT "the replica assignment is invalid";
    40 INVALID_CONFIG "the configuration is invalid";
    41 NOT_CONTROLLER (retriable) "this broker is not the controller";
    42 INVALID_REQUEST "the request is malformed or does not fit this broker";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT "the message format on the broker does not support the request";
    44 POLICY_VIOLATION "the request violates a policy of the broker";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER "the sequence number is out of order";
    46 DUPLICATE_SEQUENCE_NUMBER "the sequence number was used before";
    47 INVALID_PRODUCER_EPOCH "the producer's epoch is old";
    48 INVALID_TXN_STATE "the transaction is not in a state for this operation";
    49 INVALID_PRODUCER_ID_MAPPING "the producer id does not belong to this transactional id";
    50 INVALID_TRANSACTION_TIMEOUT "the transaction timeout is above the broker's maximum";
    51 CONCURRENT_TRANSACTIONS (retriable) "another operation on the same transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED "the transaction coordinator was replaced";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED "not authorized for the transactional id";
    54 SECURITY_DISABLED "security features are switched off";
    55 OPERATION_NOT_ATTEMPTED "the broker did not attempt the operation";
    56 KAFKA_STORAGE_ERROR (retriable) "the disk failed on the broker";
    57 LOG_DIR_NOT_FOUND "the broker has no such log directory";
    58 SASL_AUTHENTICATION_FAILED "authentication failed";
    59 UNKNOWN_PRODUCER_ID "the broker no longer knows this producer id";
    60 REASSIGNMENT_IN_PROGRESS "a reassignment of the partition is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED "delegation tokens are switched off";
    62 DELEGATION_TOKEN_NOT_FOUND "the delegation token does not exist";
    63 DELEGATION_TOKEN_OWNER_MISMATCH "the principal is neither owner nor renewer of the token";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED "delegation tokens cannot be requested over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED "not authorized for the delegation token";
    66 DELEGATION_TOKEN_EXPIRED "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE "the principal type is not supported";
    68 NON_EMPTY_GROUP "the group still has members";
    69 GROUP_ID_NOT_FOUND "the group does not exist";
    70 FETCH_SESSION_ID_NOT_FOUND (retriable) "the fetch session does not exist";
    71 INVALID_FETCH_SESSION_EPOCH (retriable) "the fetch session epoch is not the expected one";
    72 LISTENER_NOT_FOUND (retriable) "the leader has no listener of this name";
    73 TOPIC_DELETION_DISABLED "topic deletion is switched off";
    74 FENCED_LEADER_EPOCH (retriable) "the leader epoch is older than the broker's";
    75 UNKNOWN_LEADER_EPOCH (retriable) "the leader epoch is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE "the compression type is not supported by the requested version";
    77 STALE_BROKER_EPOCH "the broker epoch has changed";
    78 OFFSET_NOT_AVAILABLE (retriable) "the high watermark has not caught up since the election";
    79 MEMBER_ID_REQUIRED "the member must come back with the member id it was given";
    80 PREFERRED_LEADER_NOT_AVAILABLE (retriable) "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED "the group is full";
    82 FENCED_INSTANCE_ID "another member uses the same group.instance.id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE (retriable) "no eligible leader is available";
    84 ELECTION_NOT_NEEDED (retriable) "no election is needed";
    85 NO_REASSIGNMENT_IN_PROGRESS "no reassignment is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC "the group is subscribed to the topic";
    87 INVALID_RECORD "the record failed validation on the broker";
    88 UNSTABLE_OFFSET_COMMIT (retriable) "offsets of an open transaction are pending";
    89 THROTTLING_QUOTA_EXCEEDED (retriable) "a quota is exceeded";
    90 PRODUCER_FENCED "a newer producer uses the same transactional id";
    91 RESOURCE_NOT_FOUND "the resource does not exist";
    92 DUPLICATE_RESOURCE "the request names a resource twice";
    93 UNACCEPTABLE_CREDENTIAL "the credential does not meet the criteria";
    94 INCONSISTENT_VOTER_SET "sender or recipient is not one of the expected voters";
    95 INVALID_UPDATE_VERSION "the update version is invalid";
    96 FEATURE_UPDATE_FAILED "the feature update failed";
    97 PRINCIPAL_DESERIALIZATION_FAILURE "the principal could not be read";
    98 SNAPSHOT_NOT_FOUND "the snapshot does not exist";
    99 POSITION_OUT_OF_RANGE "the position lies outside of the snapshot";
    100 UNKNOWN_TOPIC_ID (retriable) "the broker does not host this topic id";
    101 DUPLICATE_BROKER_REGISTRATION "the broker id is in use";
    102 BROKER_ID_NOT_REGISTERED "the broker id is not registered";
    103 INCONSISTENT_TOPIC_ID (retriable) "the topic id differs from the log's";
    104 INCONSISTENT_CLUSTER_ID "the cluster id differs from the broker's";
    105 TRANSACTIONAL_ID_NOT_FOUND "the transactional id does not exist";
    106 FETCH_SESSION_TOPIC_ID_ERROR (retriable) "the fetch session mixes topic ids and names";
    107 INELIGIBLE_REPLICA "the new ISR holds an ineligible replica";
    108 NEW_LEADER_ELECTED "the change was made but the leader has moved";
    109 OFFSET_MOVED_TO_TIERED_STORAGE "the offset has moved to tiered storage";
    110 FENCED_MEMBER_EPOCH "the member epoch is fenced";
    111 UNRELEASED_INSTANCE_ID "the instance id is still in use";
    112 UNSUPPORTED_ASSIGNOR "the group does not support this assignor";
    113 STALE_MEMBER_EPOCH "the member epoch is stale";
    114 MISMATCHED_ENDPOINT_TYPE "the endpoint is of the wrong type";
    115 UNSUPPORTED_ENDPOINT_TYPE "the endpoint type is not supported";
    116 UNKNOWN_CONTROLLER_ID "the controller id is unknown";
    117 UNKNOWN_SUBSCRIPTION_ID "the telemetry subscription is unknown";
    118 TELEMETRY_TOO_LARGE "the telemetry is larger than accepted";
    119 INVALID_REGISTRATION "the registration is invalid";
    120 TRANSACTION_ABORTABLE "the transaction can only be aborted";
    121 INVALID_RECORD_STATE "the record is not in a state for this acknowledgement";
    122 SHARE_SESSION_NOT_FOUND (retriable) "the share session does not exist";
    123 INVALID_SHARE_SESSION_EPOCH (retriable) "the share session epoch is not the expected one";
    124 FENCED_STATE_EPOCH "the share group's state epoch does not match";
    125 INVALID_VOTER_KEY "the voter's key does not match";
    126 DUPLICATE_VOTER "the voter is a voter already";
    127 VOTER_NOT_FOUND "there is no such voter";
    128 INVALID_REGULAR_EXPRESSION "the regular expression is invalid";
    129 REBOOTSTRAP_REQUIRED "the client's metadata is stale; it must start from its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY "the topology is invalid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH "the topology epoch is invalid";
    132 STREAMS_TOPOLOGY_FENCED "the topology epoch is outdated";
    133 SHARE_SESSION_LIMIT_REACHED (retriable) "the limit of share sessions is reached";
}

impl ErrorCode {
    fn row(self) -> Option<&'static Row> {
        // The table begins at -1 and has no holes.
        TABLE.get(usize::try_from(i32::from(self.0) + 1).ok()?)
    }

    /// Every known code in order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| Self(row.code))
    }

    /// True for anything but [`ErrorCode::NONE`].
    pub fn is_err(self) -> bool {
        self != Self::NONE
    }

    /// `Ok` for [`ErrorCode::NONE`], else the code itself.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_err() { Err(self) } else { Ok(()) }
    }

    /// Kafka's name, `UNKNOWN` for a code that is not in the table.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.name)
    }

    /// Whether the same request can succeed later, perhaps elsewhere.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.retriable)
    }

    /// What it means, in one line.
    pub fn message(self) -> &'static str {
        self.row().map_or("a code that this version does not know", |row| row.message)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some(row) => write!(f, "{} ({}): {}", row.name, row.code, row.message),
            None => write!(f, "UNKNOWN ({})", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl std::error::Error for ErrorCode {}

impl Wire for ErrorCode {
    const MIN: usize = 2;
    const TYPE: FieldType = FieldType::Plain("int16");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        self.0.encode(w)
    }

    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        i16::decode(r).map(Self)
    }

    fn is_default(&self) -> bool {
        *self == Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_holes_so_that_a_code_finds_its_row() {
        for (row, code) in TABLE.iter().zip(-1i16..) {
            assert_eq!(row.code, code);
        }
    }

    #[test]
    fn unknown_codes_stay_what_they_are() {
        let code = ErrorCode(9_999);
        assert_eq!(
            (code.name(), code.is_retriable(), code.to_string()),
            ("UNKNOWN", false, "UNKNOWN (9999)".into())
        );
        assert_eq!(ErrorCode(-2).name(), "UNKNOWN");
        assert!(ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable());
        assert!(!ErrorCode::MESSAGE_TOO_LARGE.is_retriable());
    }
}
