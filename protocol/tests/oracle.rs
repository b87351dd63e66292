//! The `kafka-protocol` crate, generated from Kafka's schemas, reads and writes the same bytes.

mod model;
mod vectors;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};
use kinglet_protocol::messages::REGISTRY;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::model::{Case, Direction, Subject, hex, random};

const MESSAGES_PER_CASE: u64 = 40;

/// An API of the other crate.
struct Theirs {
    key: i16,
    first: i16,
    last: i16,
    request: Recode,
    response: Recode,
}

type Recode = fn(Bytes, i16) -> Result<Bytes, String>;

impl Theirs {
    fn of<R: Request>() -> Self {
        let (request, response) = (R::VERSIONS, R::Response::VERSIONS);
        Self {
            key: R::KEY,
            first: request.min.max(response.min),
            last: request.max.min(response.max),
            request: recode::<R>,
            response: recode::<R::Response>,
        }
    }

    fn recode(&self, direction: Direction) -> Recode {
        match direction {
            Direction::Request => self.request,
            Direction::Response => self.response,
        }
    }
}

fn recode<M: Message + Decodable + Encodable>(mut body: Bytes, version: i16) -> Result<Bytes, String> {
    let message = M::decode(&mut body, version).map_err(|e| format!("decoding: {e}"))?;
    if body.has_remaining() {
        return Err(format!("{} bytes left over", body.len()));
    }
    let mut out = BytesMut::new();
    message.encode(&mut out, version).map_err(|e| format!("encoding: {e}"))?;
    Ok(out.freeze())
}

/// Every API that both have; a new one of ours is missed by [`every_declared_api_is_compared`].
fn apis() -> Vec<Theirs> {
    vec![
        Theirs::of::<theirs::ProduceRequest>(),
        Theirs::of::<theirs::FetchRequest>(),
        Theirs::of::<theirs::ListOffsetsRequest>(),
        Theirs::of::<theirs::MetadataRequest>(),
        Theirs::of::<theirs::OffsetCommitRequest>(),
        Theirs::of::<theirs::OffsetFetchRequest>(),
        Theirs::of::<theirs::FindCoordinatorRequest>(),
        Theirs::of::<theirs::JoinGroupRequest>(),
        Theirs::of::<theirs::HeartbeatRequest>(),
        Theirs::of::<theirs::LeaveGroupRequest>(),
        Theirs::of::<theirs::SyncGroupRequest>(),
        Theirs::of::<theirs::DescribeGroupsRequest>(),
        Theirs::of::<theirs::ListGroupsRequest>(),
        Theirs::of::<theirs::SaslHandshakeRequest>(),
        Theirs::of::<theirs::ApiVersionsRequest>(),
        Theirs::of::<theirs::CreateTopicsRequest>(),
        Theirs::of::<theirs::DeleteTopicsRequest>(),
        Theirs::of::<theirs::DeleteRecordsRequest>(),
        Theirs::of::<theirs::InitProducerIdRequest>(),
        Theirs::of::<theirs::OffsetForLeaderEpochRequest>(),
        Theirs::of::<theirs::AddPartitionsToTxnRequest>(),
        Theirs::of::<theirs::AddOffsetsToTxnRequest>(),
        Theirs::of::<theirs::EndTxnRequest>(),
        Theirs::of::<theirs::WriteTxnMarkersRequest>(),
        Theirs::of::<theirs::TxnOffsetCommitRequest>(),
        Theirs::of::<theirs::DescribeAclsRequest>(),
        Theirs::of::<theirs::CreateAclsRequest>(),
        Theirs::of::<theirs::DeleteAclsRequest>(),
        Theirs::of::<theirs::DescribeConfigsRequest>(),
        Theirs::of::<theirs::AlterConfigsRequest>(),
        Theirs::of::<theirs::AlterReplicaLogDirsRequest>(),
        Theirs::of::<theirs::DescribeLogDirsRequest>(),
        Theirs::of::<theirs::SaslAuthenticateRequest>(),
        Theirs::of::<theirs::CreatePartitionsRequest>(),
        Theirs::of::<theirs::CreateDelegationTokenRequest>(),
        Theirs::of::<theirs::RenewDelegationTokenRequest>(),
        Theirs::of::<theirs::ExpireDelegationTokenRequest>(),
        Theirs::of::<theirs::DescribeDelegationTokenRequest>(),
        Theirs::of::<theirs::DeleteGroupsRequest>(),
        Theirs::of::<theirs::ElectLeadersRequest>(),
        Theirs::of::<theirs::IncrementalAlterConfigsRequest>(),
        Theirs::of::<theirs::AlterPartitionReassignmentsRequest>(),
        Theirs::of::<theirs::ListPartitionReassignmentsRequest>(),
        Theirs::of::<theirs::OffsetDeleteRequest>(),
        Theirs::of::<theirs::DescribeClientQuotasRequest>(),
        Theirs::of::<theirs::AlterClientQuotasRequest>(),
        Theirs::of::<theirs::DescribeUserScramCredentialsRequest>(),
        Theirs::of::<theirs::AlterUserScramCredentialsRequest>(),
        Theirs::of::<theirs::VoteRequest>(),
        Theirs::of::<theirs::BeginQuorumEpochRequest>(),
        Theirs::of::<theirs::EndQuorumEpochRequest>(),
        Theirs::of::<theirs::DescribeQuorumRequest>(),
        Theirs::of::<theirs::AlterPartitionRequest>(),
        Theirs::of::<theirs::UpdateFeaturesRequest>(),
        Theirs::of::<theirs::EnvelopeRequest>(),
        Theirs::of::<theirs::FetchSnapshotRequest>(),
        Theirs::of::<theirs::DescribeClusterRequest>(),
        Theirs::of::<theirs::DescribeProducersRequest>(),
        Theirs::of::<theirs::BrokerRegistrationRequest>(),
        Theirs::of::<theirs::BrokerHeartbeatRequest>(),
        Theirs::of::<theirs::UnregisterBrokerRequest>(),
        Theirs::of::<theirs::DescribeTransactionsRequest>(),
        Theirs::of::<theirs::ListTransactionsRequest>(),
        Theirs::of::<theirs::AllocateProducerIdsRequest>(),
        Theirs::of::<theirs::ConsumerGroupHeartbeatRequest>(),
        Theirs::of::<theirs::ConsumerGroupDescribeRequest>(),
        Theirs::of::<theirs::ControllerRegistrationRequest>(),
        Theirs::of::<theirs::GetTelemetrySubscriptionsRequest>(),
        Theirs::of::<theirs::PushTelemetryRequest>(),
        Theirs::of::<theirs::AssignReplicasToDirsRequest>(),
        Theirs::of::<theirs::ListConfigResourcesRequest>(),
        Theirs::of::<theirs::DescribeTopicPartitionsRequest>(),
        Theirs::of::<theirs::ShareGroupHeartbeatRequest>(),
        Theirs::of::<theirs::ShareGroupDescribeRequest>(),
        Theirs::of::<theirs::ShareFetchRequest>(),
        Theirs::of::<theirs::ShareAcknowledgeRequest>(),
        Theirs::of::<theirs::AddRaftVoterRequest>(),
        Theirs::of::<theirs::RemoveRaftVoterRequest>(),
        Theirs::of::<theirs::UpdateRaftVoterRequest>(),
        Theirs::of::<theirs::InitializeShareGroupStateRequest>(),
        Theirs::of::<theirs::ReadShareGroupStateRequest>(),
        Theirs::of::<theirs::WriteShareGroupStateRequest>(),
        Theirs::of::<theirs::DeleteShareGroupStateRequest>(),
        Theirs::of::<theirs::ReadShareGroupStateSummaryRequest>(),
        Theirs::of::<theirs::DescribeShareGroupOffsetsRequest>(),
        Theirs::of::<theirs::AlterShareGroupOffsetsRequest>(),
        Theirs::of::<theirs::DeleteShareGroupOffsetsRequest>(),
    ]
}

/// What the other crate does not have: what brokers of ZooKeeper clusters said to each other, and streams groups.
const NOT_THEIRS: [&str; 6] = [
    "LeaderAndIsr",
    "StopReplica",
    "UpdateMetadata",
    "ControlledShutdown",
    "StreamsGroupHeartbeat",
    "StreamsGroupDescribe",
];

/// A message that is no request, by its name here.
struct TheirData {
    name: &'static str,
    first: i16,
    last: i16,
    recode: Recode,
}

impl TheirData {
    fn of<M: Message + Decodable + Encodable>(name: &'static str) -> Self {
        Self { name, first: M::VERSIONS.min, last: M::VERSIONS.max, recode: recode::<M> }
    }
}

/// `LeaderChangeMessage` and `VotersRecord` are left out: they refuse any voter in them.
fn data() -> Vec<TheirData> {
    vec![
        TheirData::of::<theirs::EndTxnMarker>("EndTxnMarker"),
        TheirData::of::<theirs::SnapshotHeaderRecord>("SnapshotHeaderRecord"),
        TheirData::of::<theirs::SnapshotFooterRecord>("SnapshotFooterRecord"),
        TheirData::of::<theirs::KRaftVersionRecord>("KRaftVersionRecord"),
        TheirData::of::<theirs::ConsumerProtocolSubscription>("ConsumerProtocolSubscription"),
        TheirData::of::<theirs::ConsumerProtocolAssignment>("ConsumerProtocolAssignment"),
        TheirData::of::<theirs::DefaultPrincipalData>("DefaultPrincipalData"),
    ]
}

/// The cases that both have.
fn shared_cases() -> Vec<(Case, Recode)> {
    let (apis, data) = (apis(), data());
    let shared = Case::all().filter_map(|case| match case.subject {
        Subject::Api(api, direction) => {
            let theirs = apis.iter().find(|theirs| theirs.key == api.key.0)?;
            let has_version = (theirs.first..=theirs.last).contains(&case.version);
            has_version.then(|| (case, theirs.recode(direction)))
        }
        Subject::Data(ours) => {
            let theirs = data.iter().find(|theirs| theirs.name == ours.name)?;
            (theirs.first..=theirs.last).contains(&case.version).then_some((case, theirs.recode))
        }
    });
    shared.collect()
}

#[test]
fn every_declared_api_is_compared() {
    let apis = apis();
    for api in REGISTRY {
        let compared = apis.iter().any(|theirs| theirs.key == api.key.0);
        let name = api.key.name();
        assert_ne!(compared, NOT_THEIRS.contains(&name), "{name} is in both lists, or in none");
    }
}

#[test]
fn random_messages_have_the_same_bytes_in_the_other_codec() {
    let seed = random::seed();
    for (case, theirs) in shared_cases() {
        for n in 0..MESSAGES_PER_CASE {
            let mut rng = StdRng::seed_from_u64(seed ^ n);
            let value = random::message(&mut rng, case.fields(), case.version);
            let body = Bytes::from(case.encode(&value));
            let ours = case.recode(body.clone()).unwrap_or_else(|e| panic!("{case}: {e}"));
            let ours = ours.unwrap_or_else(|e| panic!("{case}: {e}"));
            let theirs = theirs(body, case.version).unwrap_or_else(|e| panic!("{case}: {e}: {value}"));
            assert_eq!(hex(&ours), hex(&theirs), "{case}: {value}");
        }
    }
}

#[test]
fn kafkas_vectors_have_the_same_bytes_in_the_other_codec() {
    let shared = shared_cases();
    for vector in vectors::all() {
        let case = shared.iter().find(|(case, _)| {
            let Subject::Api(api, direction) = case.subject else { return false };
            (api.key.0, direction, case.version) == (vector.key, vector.direction, vector.version)
        });
        let Some((case, theirs)) = case else { continue };
        let ours = case.recode(vector.body.clone()).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let ours = ours.unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        let theirs = theirs(vector.body, case.version).unwrap_or_else(|e| panic!("{}: {e}", vector.name));
        assert_eq!(hex(&ours), hex(&theirs), "{}", vector.name);
    }
}
