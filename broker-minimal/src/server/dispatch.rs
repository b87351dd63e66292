//! Key and version to handler. What ApiVersions advertises is made from this table.

use std::sync::Arc;

use bytes::Bytes;
use kinglet_protocol::messages as m;
use kinglet_protocol::{
    ApiKey, DecodeError, EncodeError, Request, RequestHead, RequestHeader, VersionRange, encode_response,
};

use super::connection::Caller;
use super::{Response, forward};
use crate::api::fetch::Fetched;
use crate::api::produce::Pending;
use crate::config::Purpose;
use crate::peer::QUORUM;
use crate::{Context, api};

/// What a request turns into.
pub(crate) enum Answer {
    /// An encoded response.
    Ready(Box<Response>),
    /// A produce whose records are on their way to their logs.
    Produce(Box<Pending>),
}

/// Requests that end the connection, as they do with Kafka.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("malformed request: {0}")]
    Malformed(#[from] DecodeError),
    #[error("response does not fit its version: {0}")]
    Encode(#[from] EncodeError),
    #[error("{key} version {version} is not served")]
    Unsupported { key: ApiKey, version: i16 },
    #[error("{key} is for brokers, and this is a controller's listener")]
    Controllers { key: ApiKey },
    #[error("{key} cannot be passed on: {why}")]
    NoController { key: ApiKey, why: String },
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) key: ApiKey,
    /// What the handler answers.
    pub(crate) versions: VersionRange,
    audience: Audience,
}

/// Whom an API is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Clients of brokers.
    Clients,
    /// Clients, whether they ask a broker or a controller (KIP-919).
    Administrators,
    /// What brokers ask of the active controller. Clients see none of them; where controllers have no listener of their own, they
    /// are answered all the same.
    Brokers,
}

impl Served {
    /// Whether ApiVersions says so on such a listener.
    pub(crate) fn is_advertised(&self, to: Purpose) -> bool {
        match self.audience {
            Audience::Clients => to == Purpose::Clients,
            Audience::Administrators => true,
            Audience::Brokers => to == Purpose::Controllers,
        }
    }
}

const fn served(key: ApiKey, first: i16, last: i16) -> Served {
    Served { key, versions: VersionRange::new(first, last), audience: Audience::Clients }
}

const fn administered(key: ApiKey, first: i16, last: i16) -> Served {
    Served { audience: Audience::Administrators, ..served(key, first, last) }
}

const fn internal(key: ApiKey, first: i16, last: i16) -> Served {
    Served { audience: Audience::Brokers, ..served(key, first, last) }
}

/// Every API that this broker answers.
pub(crate) const SERVED: &[Served] = &[
    // librdkafka switches compression off when the minimum is above 0 (KAFKA-18659).
    served(ApiKey::PRODUCE, 0, 10),
    // 13 and later know topics by id only.
    served(ApiKey::FETCH, 0, 12),
    served(ApiKey::LIST_OFFSETS, 0, 11),
    served(ApiKey::METADATA, 0, 12),
    served(ApiKey::OFFSET_COMMIT, 0, 10),
    served(ApiKey::OFFSET_FETCH, 0, 10),
    // librdkafka compresses with lz4 only where it sees this API.
    served(ApiKey::FIND_COORDINATOR, 0, 6),
    // librdkafka switches GSSAPI off when the minimum is above 0 (KAFKA-19444).
    served(ApiKey::JOIN_GROUP, 0, 9),
    served(ApiKey::HEARTBEAT, 0, 4),
    served(ApiKey::LEAVE_GROUP, 0, 5),
    served(ApiKey::SYNC_GROUP, 0, 5),
    served(ApiKey::DESCRIBE_GROUPS, 0, 6),
    served(ApiKey::LIST_GROUPS, 0, 5),
    administered(ApiKey::API_VERSIONS, 0, 4),
    administered(ApiKey::CREATE_TOPICS, 0, 7),
    administered(ApiKey::DELETE_TOPICS, 0, 6),
    served(ApiKey::DELETE_RECORDS, 0, 2),
    served(ApiKey::INIT_PRODUCER_ID, 0, 4),
    // librdkafka asks for exactly version 2.
    served(ApiKey::OFFSET_FOR_LEADER_EPOCH, 0, 4),
    administered(ApiKey::DESCRIBE_CONFIGS, 0, 4),
    administered(ApiKey::ALTER_CONFIGS, 0, 2),
    served(ApiKey::ALTER_REPLICA_LOG_DIRS, 0, 2),
    served(ApiKey::DESCRIBE_LOG_DIRS, 0, 5),
    administered(ApiKey::CREATE_PARTITIONS, 0, 3),
    served(ApiKey::DELETE_GROUPS, 0, 2),
    administered(ApiKey::ELECT_LEADERS, 0, 2),
    administered(ApiKey::INCREMENTAL_ALTER_CONFIGS, 0, 1),
    administered(ApiKey::ALTER_PARTITION_REASSIGNMENTS, 0, 1),
    administered(ApiKey::LIST_PARTITION_REASSIGNMENTS, 0, 0),
    served(ApiKey::OFFSET_DELETE, 0, 0),
    administered(ApiKey::DESCRIBE_QUORUM, 0, 2),
    internal(ApiKey::ALTER_PARTITION, 0, 3),
    administered(ApiKey::DESCRIBE_CLUSTER, 0, 2),
    served(ApiKey::DESCRIBE_PRODUCERS, 0, 0),
    internal(ApiKey::BROKER_REGISTRATION, 0, 4),
    internal(ApiKey::BROKER_HEARTBEAT, 0, 2),
    administered(ApiKey::UNREGISTER_BROKER, 0, 0),
    internal(ApiKey::ALLOCATE_PRODUCER_IDS, 0, 0),
    served(ApiKey::DESCRIBE_TOPIC_PARTITIONS, 0, 0),
];

/// The versions in which followers fetch: they name topics by their ids, and say which life of their broker they are (KIP-903).
/// Clients are not told of them.
const FOLLOWER_FETCH: VersionRange = VersionRange::new(13, 15);

/// Whether a request is answered.
fn is_served(key: ApiKey, version: i16) -> bool {
    let known = SERVED.iter().find(|row| row.key == key);
    let is_follower = key == ApiKey::FETCH && FOLLOWER_FETCH.contains(version);
    is_follower || known.is_some_and(|row| row.versions.contains(version))
}

/// Whether an API is answered on such a listener, in any version.
fn is_for(listener: Purpose, key: ApiKey) -> bool {
    let is_for_clients = || SERVED.iter().any(|row| row.key == key && row.audience == Audience::Clients);
    listener == Purpose::Clients || !is_for_clients()
}

/// Whether a change of configurations is one of the process that it came to: each has a log of its own.
fn is_for_this_process(head: &RequestHead) -> bool {
    head.header.key == ApiKey::INCREMENTAL_ALTER_CONFIGS
        && head
            .clone()
            .body::<m::IncrementalAlterConfigsRequest>()
            .is_ok_and(|(_, request)| api::incremental_alter_configs::names_loggers(&request))
}

/// Handles one frame.
pub(crate) async fn dispatch(ctx: &Arc<Context>, caller: &Caller, frame: Bytes) -> Result<Answer, Refusal> {
    let head = RequestHead::decode(frame)?;
    let RequestHeader { key, version, correlation_id, .. } = head.header;
    tracing::trace!(api = %key, version, correlation = correlation_id, "request");
    if key == QUORUM {
        return quorum(ctx, head).await;
    }
    if !is_for(ctx.purpose, key) {
        return Err(Refusal::Controllers { key });
    }
    if !is_served(key, version) {
        if key == ApiKey::API_VERSIONS {
            // The client must learn which versions it may ask with (KIP-511): version 0's layout is readable to all.
            let response = api::api_versions::unsupported(ctx.purpose);
            return ready::<m::ApiVersionsRequest>(&response, 0, correlation_id);
        }
        return Err(Refusal::Unsupported { key, version });
    }
    if !BEFORE_READY.contains(&key) {
        ctx.ready().await;
    }
    let elsewhere = forward::elsewhere(ctx, key).filter(|_| !is_for_this_process(&head));
    if let Some((active, api)) = elsewhere {
        return forward::forward(active, api, head).await;
    }
    /// Decodes, handles and encodes one API whose handler takes the request and gives the response.
    macro_rules! call {
        ($request:ty, $handle:path) => {{
            let (_, request) = head.body::<$request>()?;
            let response = $handle(ctx, version, request).await;
            ready::<$request>(&response, version, correlation_id)
        }};
    }
    match key {
        ApiKey::PRODUCE => {
            let (header, request) = head.body::<m::ProduceRequest>()?;
            Ok(Answer::Produce(Box::new(api::produce::start(ctx, header, request).await)))
        }
        ApiKey::FETCH => {
            let (_, request) = head.body::<m::FetchRequest>()?;
            let Fetched { response, slices, held } = api::fetch::handle(ctx, version, request).await;
            let frame = encode_response::<m::FetchRequest>(&response, version, correlation_id)?;
            Ok(Answer::Ready(Box::new(Response { frame, slices, held })))
        }
        ApiKey::LIST_OFFSETS => call!(m::ListOffsetsRequest, api::list_offsets::handle),
        ApiKey::METADATA => call!(m::MetadataRequest, api::metadata::handle),
        ApiKey::OFFSET_FETCH => call!(m::OffsetFetchRequest, api::offset_fetch::handle),
        ApiKey::FIND_COORDINATOR => call!(m::FindCoordinatorRequest, api::find_coordinator::handle),
        ApiKey::OFFSET_COMMIT => call!(m::OffsetCommitRequest, api::offset_commit::handle),
        ApiKey::JOIN_GROUP => {
            let (header, request) = head.body::<m::JoinGroupRequest>()?;
            let response = api::join_group::handle(ctx, caller.address.ip(), header, request).await;
            ready::<m::JoinGroupRequest>(&response, version, correlation_id)
        }
        ApiKey::SYNC_GROUP => call!(m::SyncGroupRequest, api::sync_group::handle),
        ApiKey::HEARTBEAT => call!(m::HeartbeatRequest, api::heartbeat::handle),
        ApiKey::LEAVE_GROUP => call!(m::LeaveGroupRequest, api::leave_group::handle),
        ApiKey::DESCRIBE_GROUPS => call!(m::DescribeGroupsRequest, api::describe_groups::handle),
        ApiKey::LIST_GROUPS => call!(m::ListGroupsRequest, api::list_groups::handle),
        ApiKey::DELETE_GROUPS => call!(m::DeleteGroupsRequest, api::delete_groups::handle),
        ApiKey::OFFSET_DELETE => call!(m::OffsetDeleteRequest, api::offset_delete::handle),
        ApiKey::DELETE_RECORDS => call!(m::DeleteRecordsRequest, api::delete_records::handle),
        ApiKey::API_VERSIONS => call!(m::ApiVersionsRequest, api::api_versions::handle),
        ApiKey::CREATE_TOPICS => call!(m::CreateTopicsRequest, api::create_topics::handle),
        ApiKey::DELETE_TOPICS => call!(m::DeleteTopicsRequest, api::delete_topics::handle),
        ApiKey::INIT_PRODUCER_ID => call!(m::InitProducerIdRequest, api::init_producer_id::handle),
        ApiKey::OFFSET_FOR_LEADER_EPOCH => {
            call!(m::OffsetForLeaderEpochRequest, api::offset_for_leader_epoch::handle)
        }
        ApiKey::DESCRIBE_CONFIGS => call!(m::DescribeConfigsRequest, api::describe_configs::handle),
        ApiKey::ALTER_CONFIGS => call!(m::AlterConfigsRequest, api::alter_configs::handle),
        ApiKey::ALTER_REPLICA_LOG_DIRS => {
            call!(m::AlterReplicaLogDirsRequest, api::alter_replica_log_dirs::handle)
        }
        ApiKey::DESCRIBE_LOG_DIRS => call!(m::DescribeLogDirsRequest, api::describe_log_dirs::handle),
        ApiKey::CREATE_PARTITIONS => call!(m::CreatePartitionsRequest, api::create_partitions::handle),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => {
            call!(m::IncrementalAlterConfigsRequest, api::incremental_alter_configs::handle)
        }
        ApiKey::DESCRIBE_CLUSTER => call!(m::DescribeClusterRequest, api::describe_cluster::handle),
        ApiKey::DESCRIBE_PRODUCERS => call!(m::DescribeProducersRequest, api::describe_producers::handle),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => {
            call!(m::DescribeTopicPartitionsRequest, api::describe_topic_partitions::handle)
        }
        ApiKey::ALTER_PARTITION_REASSIGNMENTS => {
            call!(m::AlterPartitionReassignmentsRequest, api::alter_partition_reassignments::handle)
        }
        ApiKey::LIST_PARTITION_REASSIGNMENTS => {
            call!(m::ListPartitionReassignmentsRequest, api::list_partition_reassignments::handle)
        }
        ApiKey::ELECT_LEADERS => call!(m::ElectLeadersRequest, api::elect_leaders::handle),
        ApiKey::DESCRIBE_QUORUM => call!(m::DescribeQuorumRequest, api::describe_quorum::handle),
        ApiKey::UNREGISTER_BROKER => call!(m::UnregisterBrokerRequest, api::unregister_broker::handle),
        ApiKey::ALTER_PARTITION => call!(m::AlterPartitionRequest, api::alter_partition::handle),
        ApiKey::BROKER_REGISTRATION => call!(m::BrokerRegistrationRequest, api::broker_registration::handle),
        ApiKey::BROKER_HEARTBEAT => {
            let (_, request) = head.body::<m::BrokerHeartbeatRequest>()?;
            caller.is_broker(request.broker_id, request.broker_epoch);
            let response = api::broker_heartbeat::handle(ctx, version, request).await;
            ready::<m::BrokerHeartbeatRequest>(&response, version, correlation_id)
        }
        ApiKey::ALLOCATE_PRODUCER_IDS => {
            call!(m::AllocateProducerIdsRequest, api::allocate_producer_ids::handle)
        }
        _ => Err(Refusal::Unsupported { key, version }),
    }
}

/// What a node of the quorum says to another.
async fn quorum(ctx: &Arc<Context>, head: RequestHead) -> Result<Answer, Refusal> {
    let RequestHeader { key, version, correlation_id, .. } = head.header;
    let (_, request) = head.body::<m::EnvelopeRequest>()?;
    let Some(quorum) = &ctx.quorum else { return Err(Refusal::Unsupported { key, version }) };
    let response_data = Some(quorum.answer(request.request_data).await);
    let response = m::EnvelopeResponse { response_data, ..Default::default() };
    ready::<m::EnvelopeRequest>(&response, version, correlation_id)
}

/// What is answered while the broker is not ready yet: what other nodes need of it, and what a client asks first.
const BEFORE_READY: &[ApiKey] = &[
    ApiKey::API_VERSIONS,
    ApiKey::BROKER_REGISTRATION,
    ApiKey::BROKER_HEARTBEAT,
    ApiKey::ALTER_PARTITION,
    ApiKey::ALLOCATE_PRODUCER_IDS,
    ApiKey::CREATE_TOPICS,
    ApiKey::DESCRIBE_QUORUM,
    ApiKey::FETCH,
];

fn ready<R: Request>(response: &R::Response, version: i16, correlation_id: i32) -> Result<Answer, Refusal> {
    let frame = encode_response::<R>(response, version, correlation_id)?;
    Ok(Answer::Ready(Box::new(Response { frame, ..Default::default() })))
}
