//! What an API is, which ones there are, and which version two peers have in common.

use std::fmt;

use bytes::Bytes;

use crate::wire::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Field, FieldType, Reader};
use crate::wire::{Json, VersionRange, Wire, Writer};

/// The number of an API. Numbers that this table does not know are kept as they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiKey(pub i16);

macro_rules! api_keys {
    ($( $key:literal $name:ident $text:literal; )*) => {
        impl ApiKey {
            $( #[doc = concat!("Key ", $key, ".")] pub const $name: Self = Self($key); )*

            /// Kafka's name, `Unknown` for a key that is not in the table.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $( $key => $text, )*
                    _ => "Unknown",
                }
            }
        }
    };
}

api_keys! {
    0 PRODUCE "Produce";
    1 FETCH "Fetch";
    2 LIST_OFFSETS "ListOffsets";
    3 METADATA "Metadata";
    4 LEADER_AND_ISR "LeaderAndIsr";
    5 STOP_REPLICA "StopReplica";
    6 UPDATE_METADATA "UpdateMetadata";
    7 CONTROLLED_SHUTDOWN "ControlledShutdown";
    8 OFFSET_COMMIT "OffsetCommit";
    9 OFFSET_FETCH "OffsetFetch";
    10 FIND_COORDINATOR "FindCoordinator";
    11 JOIN_GROUP "JoinGroup";
    12 HEARTBEAT "Heartbeat";
    13 LEAVE_GROUP "LeaveGroup";
    14 SYNC_GROUP "SyncGroup";
    15 DESCRIBE_GROUPS "DescribeGroups";
    16 LIST_GROUPS "ListGroups";
    17 SASL_HANDSHAKE "SaslHandshake";
    18 API_VERSIONS "ApiVersions";
    19 CREATE_TOPICS "CreateTopics";
    20 DELETE_TOPICS "DeleteTopics";
    21 DELETE_RECORDS "DeleteRecords";
    22 INIT_PRODUCER_ID "InitProducerId";
    23 OFFSET_FOR_LEADER_EPOCH "OffsetForLeaderEpoch";
    24 ADD_PARTITIONS_TO_TXN "AddPartitionsToTxn";
    25 ADD_OFFSETS_TO_TXN "AddOffsetsToTxn";
    26 END_TXN "EndTxn";
    27 WRITE_TXN_MARKERS "WriteTxnMarkers";
    28 TXN_OFFSET_COMMIT "TxnOffsetCommit";
    29 DESCRIBE_ACLS "DescribeAcls";
    30 CREATE_ACLS "CreateAcls";
    31 DELETE_ACLS "DeleteAcls";
    32 DESCRIBE_CONFIGS "DescribeConfigs";
    33 ALTER_CONFIGS "AlterConfigs";
    34 ALTER_REPLICA_LOG_DIRS "AlterReplicaLogDirs";
    35 DESCRIBE_LOG_DIRS "DescribeLogDirs";
    36 SASL_AUTHENTICATE "SaslAuthenticate";
    37 CREATE_PARTITIONS "CreatePartitions";
    38 CREATE_DELEGATION_TOKEN "CreateDelegationToken";
    39 RENEW_DELEGATION_TOKEN "RenewDelegationToken";
    40 EXPIRE_DELEGATION_TOKEN "ExpireDelegationToken";
    41 DESCRIBE_DELEGATION_TOKEN "DescribeDelegationToken";
    42 DELETE_GROUPS "DeleteGroups";
    43 ELECT_LEADERS "ElectLeaders";
    44 INCREMENTAL_ALTER_CONFIGS "IncrementalAlterConfigs";
    45 ALTER_PARTITION_REASSIGNMENTS "AlterPartitionReassignments";
    46 LIST_PARTITION_REASSIGNMENTS "ListPartitionReassignments";
    47 OFFSET_DELETE "OffsetDelete";
    48 DESCRIBE_CLIENT_QUOTAS "DescribeClientQuotas";
    49 ALTER_CLIENT_QUOTAS "AlterClientQuotas";
    50 DESCRIBE_USER_SCRAM_CREDENTIALS "DescribeUserScramCredentials";
    51 ALTER_USER_SCRAM_CREDENTIALS "AlterUserScramCredentials";
    52 VOTE "Vote";
    53 BEGIN_QUORUM_EPOCH "BeginQuorumEpoch";
    54 END_QUORUM_EPOCH "EndQuorumEpoch";
    55 DESCRIBE_QUORUM "DescribeQuorum";
    56 ALTER_PARTITION "AlterPartition";
    57 UPDATE_FEATURES "UpdateFeatures";
    58 ENVELOPE "Envelope";
    59 FETCH_SNAPSHOT "FetchSnapshot";
    60 DESCRIBE_CLUSTER "DescribeCluster";
    61 DESCRIBE_PRODUCERS "DescribeProducers";
    62 BROKER_REGISTRATION "BrokerRegistration";
    63 BROKER_HEARTBEAT "BrokerHeartbeat";
    64 UNREGISTER_BROKER "UnregisterBroker";
    65 DESCRIBE_TRANSACTIONS "DescribeTransactions";
    66 LIST_TRANSACTIONS "ListTransactions";
    67 ALLOCATE_PRODUCER_IDS "AllocateProducerIds";
    68 CONSUMER_GROUP_HEARTBEAT "ConsumerGroupHeartbeat";
    69 CONSUMER_GROUP_DESCRIBE "ConsumerGroupDescribe";
    70 CONTROLLER_REGISTRATION "ControllerRegistration";
    71 GET_TELEMETRY_SUBSCRIPTIONS "GetTelemetrySubscriptions";
    72 PUSH_TELEMETRY "PushTelemetry";
    73 ASSIGN_REPLICAS_TO_DIRS "AssignReplicasToDirs";
    74 LIST_CONFIG_RESOURCES "ListConfigResources";
    75 DESCRIBE_TOPIC_PARTITIONS "DescribeTopicPartitions";
    76 SHARE_GROUP_HEARTBEAT "ShareGroupHeartbeat";
    77 SHARE_GROUP_DESCRIBE "ShareGroupDescribe";
    78 SHARE_FETCH "ShareFetch";
    79 SHARE_ACKNOWLEDGE "ShareAcknowledge";
    80 ADD_RAFT_VOTER "AddRaftVoter";
    81 REMOVE_RAFT_VOTER "RemoveRaftVoter";
    82 UPDATE_RAFT_VOTER "UpdateRaftVoter";
    83 INITIALIZE_SHARE_GROUP_STATE "InitializeShareGroupState";
    84 READ_SHARE_GROUP_STATE "ReadShareGroupState";
    85 WRITE_SHARE_GROUP_STATE "WriteShareGroupState";
    86 DELETE_SHARE_GROUP_STATE "DeleteShareGroupState";
    87 READ_SHARE_GROUP_STATE_SUMMARY "ReadShareGroupStateSummary";
    88 STREAMS_GROUP_HEARTBEAT "StreamsGroupHeartbeat";
    89 STREAMS_GROUP_DESCRIBE "StreamsGroupDescribe";
    90 DESCRIBE_SHARE_GROUP_OFFSETS "DescribeShareGroupOffsets";
    91 ALTER_SHARE_GROUP_OFFSETS "AlterShareGroupOffsets";
    92 DELETE_SHARE_GROUP_OFFSETS "DeleteShareGroupOffsets";
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A request and, through it, its response.
pub trait Request: Message {
    /// What comes back.
    type Response: Message;
    /// The API's number.
    const KEY: ApiKey;
    /// The versions that the table declares.
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields; `i16::MAX` when none has.
    const FLEXIBLE_FROM: i16;

    /// Encodes the body alone, without header or length.
    fn encode_body(&self, version: i16) -> Result<Bytes, EncodeError> {
        encode_body(self, Layout::of_api::<Self>(), version)
    }

    /// Decodes a body that ends where `body` ends.
    fn decode_body(body: Bytes, version: i16) -> Result<Self, DecodeError> {
        decode_body(body, Layout::of_api::<Self>(), version)
    }

    /// Encodes a response body alone.
    fn encode_response_body(response: &Self::Response, version: i16) -> Result<Bytes, EncodeError> {
        encode_body(response, Layout::of_api::<Self>(), version)
    }

    /// Decodes a response body that ends where `body` ends.
    fn decode_response_body(body: Bytes, version: i16) -> Result<Self::Response, DecodeError> {
        decode_body(body, Layout::of_api::<Self>(), version)
    }
}

/// What every declared message can do. With the feature `serde` it is also read and written as Kafka's own JSON.
pub trait Message: Wire + Json + Default + fmt::Debug + Clone + PartialEq + Send + Sync + 'static {}

impl<M: Wire + Json + Default + fmt::Debug + Clone + PartialEq + Send + Sync + 'static> Message for M {}

/// A message that is no request: a record that brokers store, or one that travels inside the bytes of another.
pub trait Data: Message {
    /// Kafka's name.
    const NAME: &'static str;
    /// Its type among the records of its log, where it has one.
    const ID: Option<i16>;
    /// The versions that the table declares.
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields; `i16::MAX` when none has.
    const FLEXIBLE_FROM: i16;

    /// Encodes the fields alone.
    fn encode_data(&self, version: i16) -> Result<Bytes, EncodeError> {
        encode_body(self, Layout::of_data::<Self>(), version)
    }

    /// Decodes fields that end where `data` ends.
    fn decode_data(data: Bytes, version: i16) -> Result<Self, DecodeError> {
        decode_body(data, Layout::of_data::<Self>(), version)
    }

    /// Encodes the version as two bytes and then the fields: the form of coordinators' values, subscriptions and assignments.
    fn encode_versioned(&self, version: i16) -> Result<Bytes, EncodeError> {
        let fields = self.encode_data(version)?;
        Ok([&version.to_be_bytes()[..], &fields].concat().into())
    }

    /// Decodes what [`encode_versioned`](Self::encode_versioned) writes; also tells the version.
    fn decode_versioned(mut data: Bytes) -> Result<(i16, Self), DecodeError> {
        let have = data.len();
        let Some(version) = data.first_chunk::<2>().map(|version| i16::from_be_bytes(*version)) else {
            return Err(
                DecodeError::new(DecodeErrorKind::Truncated { need: 2, have }).at(Self::NAME, "version")
            );
        };
        Ok((version, Self::decode_data(data.split_off(2), version)?))
    }
}

/// What has to be known of a message beside its fields.
#[derive(Clone, Copy)]
struct Layout {
    name: &'static str,
    versions: VersionRange,
    flexible_from: i16,
}

impl Layout {
    fn of_api<R: Request>() -> Self {
        Self { name: R::KEY.name(), versions: R::VERSIONS, flexible_from: R::FLEXIBLE_FROM }
    }

    fn of_data<D: Data>() -> Self {
        Self { name: D::NAME, versions: D::VERSIONS, flexible_from: D::FLEXIBLE_FROM }
    }
}

fn encode_body<M: Wire>(message: &M, layout: Layout, version: i16) -> Result<Bytes, EncodeError> {
    if !layout.versions.contains(version) {
        return Err(EncodeError::new(EncodeErrorKind::Version(version)).at(layout.name, ""));
    }
    let mut w = Writer::new(version, version >= layout.flexible_from);
    message.encode(&mut w).map_err(|kind| w.fail(kind))?;
    Ok(w.into_bytes())
}

fn decode_body<M: Wire>(body: Bytes, layout: Layout, version: i16) -> Result<M, DecodeError> {
    if !layout.versions.contains(version) {
        return Err(DecodeError::new(DecodeErrorKind::Version(version)).at(layout.name, ""));
    }
    let mut r = Reader::new(&body, version, version >= layout.flexible_from);
    let message = M::decode(&mut r).map_err(|kind| r.fail(kind))?;
    r.end().map_err(|kind| DecodeError::new(kind).at(layout.name, "end"))?;
    Ok(message)
}

/// The highest version that both sides know, `None` when they have none in common.
pub fn negotiate(ours: VersionRange, theirs: VersionRange) -> Option<i16> {
    ours.intersect(theirs).map(|both| both.last)
}

/// Decodes and encodes again; what [`ApiInfo`] offers for one direction of an API.
pub type Recode = fn(Bytes, i16) -> Result<Result<Bytes, EncodeError>, DecodeError>;

/// One API in the registry, for code that works on all of them: tests, documentation, tools.
#[derive(Debug, Clone, Copy)]
pub struct ApiInfo {
    /// The number, and through it the name.
    pub key: ApiKey,
    /// The versions that the table declares.
    pub versions: VersionRange,
    /// The first flexible version.
    pub flexible_from: i16,
    /// The request's table.
    pub request: &'static [Field],
    /// The response's table.
    pub response: &'static [Field],
    /// Decodes a request body and encodes it again.
    pub recode_request: Recode,
    /// Decodes a response body and encodes it again.
    pub recode_response: Recode,
}

impl ApiInfo {
    /// What the registry holds of `R`.
    pub const fn of<R: Request>() -> Self {
        Self {
            key: R::KEY,
            versions: R::VERSIONS,
            flexible_from: R::FLEXIBLE_FROM,
            request: fields::<R>(),
            response: fields::<R::Response>(),
            recode_request: |body, version| Ok(R::decode_body(body, version)?.encode_body(version)),
            recode_response: |body, version| {
                Ok(R::encode_response_body(&R::decode_response_body(body, version)?, version))
            },
        }
    }
}

/// One kind of stored or embedded message in the registry.
#[derive(Debug, Clone, Copy)]
pub struct DataInfo {
    /// Kafka's name.
    pub name: &'static str,
    /// Its type among the records of its log, where it has one.
    pub id: Option<i16>,
    /// The versions that the table declares.
    pub versions: VersionRange,
    /// The first flexible version.
    pub flexible_from: i16,
    /// The table.
    pub fields: &'static [Field],
    /// Decodes and encodes again.
    pub recode: Recode,
}

impl DataInfo {
    /// What the registry holds of `D`.
    pub const fn of<D: Data>() -> Self {
        Self {
            name: D::NAME,
            id: D::ID,
            versions: D::VERSIONS,
            flexible_from: D::FLEXIBLE_FROM,
            fields: fields::<D>(),
            recode: |data, version| Ok(D::decode_data(data, version)?.encode_data(version)),
        }
    }
}

const fn fields<M: Wire>() -> &'static [Field] {
    match M::TYPE {
        FieldType::Struct(fields) => fields,
        FieldType::Plain(_) | FieldType::Array(_) | FieldType::Nullable(_) => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "registry")]
    use crate::messages::REGISTRY;

    #[test]
    fn negotiation_takes_the_highest_common_version() {
        let range = VersionRange::new;
        assert_eq!(negotiate(range(0, 5), range(3, 9)), Some(5));
        assert_eq!(negotiate(range(3, 9), range(0, 5)), Some(5));
        assert_eq!(negotiate(range(2, 2), range(0, 5)), Some(2));
        assert_eq!(negotiate(range(0, 2), range(3, 9)), None);
        // What a broker sends may be the wrong way round.
        assert_eq!(negotiate(range(0, 5), range(4, 1)), None);
    }

    #[cfg(feature = "registry")]
    #[test]
    fn the_registry_is_ordered_and_every_key_has_a_name() {
        assert!(REGISTRY.is_sorted_by(|a, b| a.key < b.key));
        assert!(REGISTRY.iter().all(|api| api.key.name() != "Unknown"));
        assert_eq!(ApiKey(999).to_string(), "Unknown(999)");
    }
}
