//! What this library asks for by itself.

use crate::protocol::messages as m;
use crate::protocol::{ApiKey, Request, VersionRange};
use crate::{committed, consumer, producer};

/// The requests that this library sends by itself, and in which versions; the broker has the choice among them. By
/// [`Client::request`](crate::Client::request) every declared message can be sent, in every version.
pub fn api_versions() -> Vec<(ApiKey, VersionRange)> {
    vec![
        up_to::<m::ProduceRequest>(producer::VERSION_MAX),
        up_to::<m::FetchRequest>(consumer::VERSION_MAX),
        up_to::<m::OffsetCommitRequest>(committed::VERSION_MAX),
        up_to::<m::OffsetFetchRequest>(committed::VERSION_MAX),
        all::<m::JoinGroupRequest>(),
        all::<m::SyncGroupRequest>(),
        all::<m::HeartbeatRequest>(),
        all::<m::LeaveGroupRequest>(),
        all::<m::ListOffsetsRequest>(),
        all::<m::MetadataRequest>(),
        all::<m::FindCoordinatorRequest>(),
        all::<m::DescribeGroupsRequest>(),
        all::<m::ListGroupsRequest>(),
        all::<m::ApiVersionsRequest>(),
        all::<m::CreateTopicsRequest>(),
        all::<m::DeleteTopicsRequest>(),
        all::<m::DeleteRecordsRequest>(),
        all::<m::InitProducerIdRequest>(),
        all::<m::DescribeConfigsRequest>(),
        all::<m::AlterConfigsRequest>(),
        all::<m::AlterReplicaLogDirsRequest>(),
        all::<m::DescribeLogDirsRequest>(),
        all::<m::CreatePartitionsRequest>(),
        all::<m::DeleteGroupsRequest>(),
        all::<m::ElectLeadersRequest>(),
        all::<m::IncrementalAlterConfigsRequest>(),
        all::<m::AlterPartitionReassignmentsRequest>(),
        all::<m::ListPartitionReassignmentsRequest>(),
        all::<m::OffsetDeleteRequest>(),
        all::<m::DescribeQuorumRequest>(),
        all::<m::DescribeClusterRequest>(),
        all::<m::UnregisterBrokerRequest>(),
        all::<m::ConsumerGroupDescribeRequest>(),
        all::<m::ListConfigResourcesRequest>(),
        all::<m::DescribeTopicPartitionsRequest>(),
    ]
}

fn up_to<R: Request>(last: i16) -> (ApiKey, VersionRange) {
    (R::KEY, VersionRange::new(R::VERSIONS.first, last.min(R::VERSIONS.last)))
}

fn all<R: Request>() -> (ApiKey, VersionRange) {
    up_to::<R>(i16::MAX)
}
