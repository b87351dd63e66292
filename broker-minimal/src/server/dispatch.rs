//! Key and version to handler. What ApiVersions advertises is made from this table.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use kinglet_protocol::messages as m;
use kinglet_protocol::{
    ApiKey, DecodeError, EncodeError, Request, RequestHead, RequestHeader, VersionRange, encode_response,
};

use super::Response;
use crate::api::fetch::Fetched;
use crate::api::produce::Pending;
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
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) key: ApiKey,
    /// What ApiVersions says and the handler answers.
    pub(crate) versions: VersionRange,
}

const fn served(key: ApiKey, first: i16, last: i16) -> Served {
    Served { key, versions: VersionRange::new(first, last) }
}

/// Every API that this broker answers.
pub(crate) const SERVED: &[Served] = &[
    // librdkafka switches compression off when the minimum is above 0 (KAFKA-18659).
    served(ApiKey::PRODUCE, 0, 10),
    // 13 and later know topics by id only.
    served(ApiKey::FETCH, 0, 12),
    served(ApiKey::LIST_OFFSETS, 0, 7),
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
    served(ApiKey::API_VERSIONS, 0, 4),
    served(ApiKey::CREATE_TOPICS, 0, 7),
    served(ApiKey::DELETE_TOPICS, 0, 6),
    served(ApiKey::DELETE_RECORDS, 0, 2),
    served(ApiKey::INIT_PRODUCER_ID, 0, 4),
    // librdkafka asks for exactly version 2.
    served(ApiKey::OFFSET_FOR_LEADER_EPOCH, 0, 4),
    served(ApiKey::DESCRIBE_CONFIGS, 0, 4),
    served(ApiKey::CREATE_PARTITIONS, 0, 3),
    served(ApiKey::DELETE_GROUPS, 0, 2),
    served(ApiKey::INCREMENTAL_ALTER_CONFIGS, 0, 1),
    served(ApiKey::OFFSET_DELETE, 0, 0),
    served(ApiKey::DESCRIBE_CLUSTER, 0, 1),
    served(ApiKey::DESCRIBE_TOPIC_PARTITIONS, 0, 0),
];

/// Handles one frame.
pub(crate) async fn dispatch(ctx: &Arc<Context>, peer: SocketAddr, frame: Bytes) -> Result<Answer, Refusal> {
    let head = RequestHead::decode(frame)?;
    let RequestHeader { key, version, correlation_id, .. } = head.header;
    tracing::trace!(api = %key, version, correlation = correlation_id, "request");
    let known = SERVED.iter().find(|row| row.key == key);
    if !known.is_some_and(|row| row.versions.contains(version)) {
        if key == ApiKey::API_VERSIONS {
            // The client must learn which versions it may ask with (KIP-511): version 0's layout is readable to all.
            let response = api::api_versions::unsupported();
            return ready::<m::ApiVersionsRequest>(&response, 0, correlation_id);
        }
        return Err(Refusal::Unsupported { key, version });
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
            let response = api::join_group::handle(ctx, peer.ip(), header, request).await;
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
        ApiKey::CREATE_PARTITIONS => call!(m::CreatePartitionsRequest, api::create_partitions::handle),
        ApiKey::INCREMENTAL_ALTER_CONFIGS => {
            call!(m::IncrementalAlterConfigsRequest, api::incremental_alter_configs::handle)
        }
        ApiKey::DESCRIBE_CLUSTER => call!(m::DescribeClusterRequest, api::describe_cluster::handle),
        ApiKey::DESCRIBE_TOPIC_PARTITIONS => {
            call!(m::DescribeTopicPartitionsRequest, api::describe_topic_partitions::handle)
        }
        _ => Err(Refusal::Unsupported { key, version }),
    }
}

fn ready<R: Request>(response: &R::Response, version: i16, correlation_id: i32) -> Result<Answer, Refusal> {
    let frame = encode_response::<R>(response, version, correlation_id)?;
    Ok(Answer::Ready(Box::new(Response { frame, ..Default::default() })))
}
