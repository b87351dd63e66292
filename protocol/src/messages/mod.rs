//! The messages, one file per API, each a table that reads like this:
//!
//! ```text
//! api! {
//!     /// A member tells its coordinator that it is alive.
//!     HeartbeatRequest -> HeartbeatResponse = 12, versions 0-4, flexible 4+;
//!     request {
//!         group_id:          String         [0+],
//!         generation_id:     i32            [0+] = -1,
//!         group_instance_id: Option<String> [3+],
//!     }
//!     response {
//!         throttle_time_ms:  i32            [1+ ignorable],
//!         error_code:        ErrorCode      [0+],
//!     }
//! }
//! ```
//!
//! In the brackets stand the versions that have the field; `null 1+` are the versions in which it may be null (all, when
//! nothing is said and the type is an `Option`); `ignorable` lets a set value go when the version has no such field, without it
//! that is an error. Behind them `tag 0` makes a tagged field, `= value` is the default. An absent nullable field is null.
//!
//! `record!` declares what is no request: records that brokers store, and messages inside the bytes of others. Every version that
//! Kafka 3.9 or 4.3 knows is there; 3.9 was the last to know those of Kafka 0.8 to 2.0 (KIP-896).

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod add_raft_voter;
pub mod allocate_producer_ids;
pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition;
pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod alter_share_group_offsets;
pub mod alter_user_scram_credentials;
pub mod api_versions;
pub mod assign_replicas_to_dirs;
pub mod begin_quorum_epoch;
pub mod broker_heartbeat;
pub mod broker_registration;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod consumer_group_records;
pub mod control_records;
pub mod controlled_shutdown;
pub mod controller_registration;
pub mod create_acls;
pub mod create_delegation_token;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_acls;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_share_group_offsets;
pub mod delete_share_group_state;
pub mod delete_topics;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_delegation_token;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_share_group_offsets;
pub mod describe_topic_partitions;
pub mod describe_transactions;
pub mod describe_user_scram_credentials;
pub mod elect_leaders;
pub mod embedded;
pub mod end_quorum_epoch;
pub mod end_txn;
pub mod envelope;
pub mod expire_delegation_token;
pub mod fetch;
pub mod fetch_snapshot;
pub mod find_coordinator;
pub mod get_telemetry_subscriptions;
pub mod group_records;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod initialize_share_group_state;
pub mod join_group;
pub mod leader_and_isr;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod list_transactions;
pub mod metadata;
pub mod metadata_records;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod push_telemetry;
pub mod read_share_group_state;
pub mod read_share_group_state_summary;
pub mod remove_raft_voter;
pub mod renew_delegation_token;
pub mod sasl_authenticate;
pub mod sasl_handshake;
pub mod share_acknowledge;
pub mod share_fetch;
pub mod share_group_describe;
pub mod share_group_heartbeat;
pub mod share_group_records;
pub mod share_state_records;
pub mod stop_replica;
pub mod streams_group_describe;
pub mod streams_group_heartbeat;
pub mod streams_group_records;
pub mod sync_group;
pub mod transaction_records;
pub mod txn_offset_commit;
pub mod unregister_broker;
pub mod update_features;
pub mod update_metadata;
pub mod update_raft_voter;
pub mod vote;
pub mod write_share_group_state;
pub mod write_txn_markers;

pub use add_offsets_to_txn::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
pub use add_partitions_to_txn::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
pub use add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse};
pub use allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
pub use alter_client_quotas::{AlterClientQuotasRequest, AlterClientQuotasResponse};
pub use alter_configs::{AlterConfigsRequest, AlterConfigsResponse};
pub use alter_partition::{AlterPartitionRequest, AlterPartitionResponse};
pub use alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};
pub use alter_replica_log_dirs::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
pub use alter_share_group_offsets::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse};
pub use alter_user_scram_credentials::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};
pub use api_versions::{ApiVersionsRequest, ApiVersionsResponse};
pub use assign_replicas_to_dirs::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
pub use begin_quorum_epoch::{BeginQuorumEpochRequest, BeginQuorumEpochResponse};
pub use broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
pub use broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
pub use consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
pub use consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
pub use controlled_shutdown::{ControlledShutdownRequest, ControlledShutdownResponse};
pub use controller_registration::{ControllerRegistrationRequest, ControllerRegistrationResponse};
pub use create_acls::{CreateAclsRequest, CreateAclsResponse};
pub use create_delegation_token::{CreateDelegationTokenRequest, CreateDelegationTokenResponse};
pub use create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
pub use create_topics::{CreateTopicsRequest, CreateTopicsResponse};
pub use delete_acls::{DeleteAclsRequest, DeleteAclsResponse};
pub use delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
pub use delete_records::{DeleteRecordsRequest, DeleteRecordsResponse};
pub use delete_share_group_offsets::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
pub use delete_share_group_state::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse};
pub use delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
pub use describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
pub use describe_client_quotas::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
pub use describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
pub use describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
pub use describe_delegation_token::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};
pub use describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse};
pub use describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse};
pub use describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
pub use describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse};
pub use describe_share_group_offsets::{DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse};
pub use describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
pub use describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
pub use describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
pub use elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
pub use end_quorum_epoch::{EndQuorumEpochRequest, EndQuorumEpochResponse};
pub use end_txn::{EndTxnRequest, EndTxnResponse};
pub use envelope::{EnvelopeRequest, EnvelopeResponse};
pub use expire_delegation_token::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};
pub use fetch::{FetchRequest, FetchResponse};
pub use fetch_snapshot::{FetchSnapshotRequest, FetchSnapshotResponse};
pub use find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
pub use get_telemetry_subscriptions::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
pub use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub use initialize_share_group_state::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse};
pub use join_group::{JoinGroupRequest, JoinGroupResponse};
pub use leader_and_isr::{LeaderAndIsrRequest, LeaderAndIsrResponse};
pub use leave_group::{LeaveGroupRequest, LeaveGroupResponse};
pub use list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};
pub use list_groups::{ListGroupsRequest, ListGroupsResponse};
pub use list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
pub use list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
pub use list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
pub use metadata::{MetadataRequest, MetadataResponse};
pub use offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
pub use offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
pub use offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
pub use offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
pub use produce::{ProduceRequest, ProduceResponse};
pub use push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};
pub use read_share_group_state::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};
pub use read_share_group_state_summary::{
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
};
pub use remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};
pub use renew_delegation_token::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};
pub use sasl_authenticate::{SaslAuthenticateRequest, SaslAuthenticateResponse};
pub use sasl_handshake::{SaslHandshakeRequest, SaslHandshakeResponse};
pub use share_acknowledge::{ShareAcknowledgeRequest, ShareAcknowledgeResponse};
pub use share_fetch::{ShareFetchRequest, ShareFetchResponse};
pub use share_group_describe::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
pub use share_group_heartbeat::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
pub use stop_replica::{StopReplicaRequest, StopReplicaResponse};
pub use streams_group_describe::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
pub use streams_group_heartbeat::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
pub use sync_group::{SyncGroupRequest, SyncGroupResponse};
pub use txn_offset_commit::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
pub use unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
pub use update_features::{UpdateFeaturesRequest, UpdateFeaturesResponse};
pub use update_metadata::{UpdateMetadataRequest, UpdateMetadataResponse};
pub use update_raft_voter::{UpdateRaftVoterRequest, UpdateRaftVoterResponse};
pub use vote::{VoteRequest, VoteResponse};
pub use write_share_group_state::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};
pub use write_txn_markers::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};

#[cfg(feature = "registry")]
use crate::api::{ApiInfo, DataInfo};

/// Every API whose messages are declared, in the order of their keys.
#[cfg(feature = "registry")]
pub static REGISTRY: &[ApiInfo] = &[
    ApiInfo::of::<ProduceRequest>(),
    ApiInfo::of::<FetchRequest>(),
    ApiInfo::of::<ListOffsetsRequest>(),
    ApiInfo::of::<MetadataRequest>(),
    ApiInfo::of::<LeaderAndIsrRequest>(),
    ApiInfo::of::<StopReplicaRequest>(),
    ApiInfo::of::<UpdateMetadataRequest>(),
    ApiInfo::of::<ControlledShutdownRequest>(),
    ApiInfo::of::<OffsetCommitRequest>(),
    ApiInfo::of::<OffsetFetchRequest>(),
    ApiInfo::of::<FindCoordinatorRequest>(),
    ApiInfo::of::<JoinGroupRequest>(),
    ApiInfo::of::<HeartbeatRequest>(),
    ApiInfo::of::<LeaveGroupRequest>(),
    ApiInfo::of::<SyncGroupRequest>(),
    ApiInfo::of::<DescribeGroupsRequest>(),
    ApiInfo::of::<ListGroupsRequest>(),
    ApiInfo::of::<SaslHandshakeRequest>(),
    ApiInfo::of::<ApiVersionsRequest>(),
    ApiInfo::of::<CreateTopicsRequest>(),
    ApiInfo::of::<DeleteTopicsRequest>(),
    ApiInfo::of::<DeleteRecordsRequest>(),
    ApiInfo::of::<InitProducerIdRequest>(),
    ApiInfo::of::<OffsetForLeaderEpochRequest>(),
    ApiInfo::of::<AddPartitionsToTxnRequest>(),
    ApiInfo::of::<AddOffsetsToTxnRequest>(),
    ApiInfo::of::<EndTxnRequest>(),
    ApiInfo::of::<WriteTxnMarkersRequest>(),
    ApiInfo::of::<TxnOffsetCommitRequest>(),
    ApiInfo::of::<DescribeAclsRequest>(),
    ApiInfo::of::<CreateAclsRequest>(),
    ApiInfo::of::<DeleteAclsRequest>(),
    ApiInfo::of::<DescribeConfigsRequest>(),
    ApiInfo::of::<AlterConfigsRequest>(),
    ApiInfo::of::<AlterReplicaLogDirsRequest>(),
    ApiInfo::of::<DescribeLogDirsRequest>(),
    ApiInfo::of::<SaslAuthenticateRequest>(),
    ApiInfo::of::<CreatePartitionsRequest>(),
    ApiInfo::of::<CreateDelegationTokenRequest>(),
    ApiInfo::of::<RenewDelegationTokenRequest>(),
    ApiInfo::of::<ExpireDelegationTokenRequest>(),
    ApiInfo::of::<DescribeDelegationTokenRequest>(),
    ApiInfo::of::<DeleteGroupsRequest>(),
    ApiInfo::of::<ElectLeadersRequest>(),
    ApiInfo::of::<IncrementalAlterConfigsRequest>(),
    ApiInfo::of::<AlterPartitionReassignmentsRequest>(),
    ApiInfo::of::<ListPartitionReassignmentsRequest>(),
    ApiInfo::of::<OffsetDeleteRequest>(),
    ApiInfo::of::<DescribeClientQuotasRequest>(),
    ApiInfo::of::<AlterClientQuotasRequest>(),
    ApiInfo::of::<DescribeUserScramCredentialsRequest>(),
    ApiInfo::of::<AlterUserScramCredentialsRequest>(),
    ApiInfo::of::<VoteRequest>(),
    ApiInfo::of::<BeginQuorumEpochRequest>(),
    ApiInfo::of::<EndQuorumEpochRequest>(),
    ApiInfo::of::<DescribeQuorumRequest>(),
    ApiInfo::of::<AlterPartitionRequest>(),
    ApiInfo::of::<UpdateFeaturesRequest>(),
    ApiInfo::of::<EnvelopeRequest>(),
    ApiInfo::of::<FetchSnapshotRequest>(),
    ApiInfo::of::<DescribeClusterRequest>(),
    ApiInfo::of::<DescribeProducersRequest>(),
    ApiInfo::of::<BrokerRegistrationRequest>(),
    ApiInfo::of::<BrokerHeartbeatRequest>(),
    ApiInfo::of::<UnregisterBrokerRequest>(),
    ApiInfo::of::<DescribeTransactionsRequest>(),
    ApiInfo::of::<ListTransactionsRequest>(),
    ApiInfo::of::<AllocateProducerIdsRequest>(),
    ApiInfo::of::<ConsumerGroupHeartbeatRequest>(),
    ApiInfo::of::<ConsumerGroupDescribeRequest>(),
    ApiInfo::of::<ControllerRegistrationRequest>(),
    ApiInfo::of::<GetTelemetrySubscriptionsRequest>(),
    ApiInfo::of::<PushTelemetryRequest>(),
    ApiInfo::of::<AssignReplicasToDirsRequest>(),
    ApiInfo::of::<ListConfigResourcesRequest>(),
    ApiInfo::of::<DescribeTopicPartitionsRequest>(),
    ApiInfo::of::<ShareGroupHeartbeatRequest>(),
    ApiInfo::of::<ShareGroupDescribeRequest>(),
    ApiInfo::of::<ShareFetchRequest>(),
    ApiInfo::of::<ShareAcknowledgeRequest>(),
    ApiInfo::of::<AddRaftVoterRequest>(),
    ApiInfo::of::<RemoveRaftVoterRequest>(),
    ApiInfo::of::<UpdateRaftVoterRequest>(),
    ApiInfo::of::<InitializeShareGroupStateRequest>(),
    ApiInfo::of::<ReadShareGroupStateRequest>(),
    ApiInfo::of::<WriteShareGroupStateRequest>(),
    ApiInfo::of::<DeleteShareGroupStateRequest>(),
    ApiInfo::of::<ReadShareGroupStateSummaryRequest>(),
    ApiInfo::of::<StreamsGroupHeartbeatRequest>(),
    ApiInfo::of::<StreamsGroupDescribeRequest>(),
    ApiInfo::of::<DescribeShareGroupOffsetsRequest>(),
    ApiInfo::of::<AlterShareGroupOffsetsRequest>(),
    ApiInfo::of::<DeleteShareGroupOffsetsRequest>(),
];

/// Everything else that is declared: records that brokers store, and messages inside the bytes of others.
#[cfg(feature = "registry")]
pub static DATA: &[DataInfo] = &[
    DataInfo::of::<metadata_records::RegisterBrokerRecord>(),
    DataInfo::of::<metadata_records::UnregisterBrokerRecord>(),
    DataInfo::of::<metadata_records::TopicRecord>(),
    DataInfo::of::<metadata_records::PartitionRecord>(),
    DataInfo::of::<metadata_records::ConfigRecord>(),
    DataInfo::of::<metadata_records::PartitionChangeRecord>(),
    DataInfo::of::<metadata_records::FenceBrokerRecord>(),
    DataInfo::of::<metadata_records::UnfenceBrokerRecord>(),
    DataInfo::of::<metadata_records::RemoveTopicRecord>(),
    DataInfo::of::<metadata_records::DelegationTokenRecord>(),
    DataInfo::of::<metadata_records::UserScramCredentialRecord>(),
    DataInfo::of::<metadata_records::FeatureLevelRecord>(),
    DataInfo::of::<metadata_records::ClientQuotaRecord>(),
    DataInfo::of::<metadata_records::ProducerIdsRecord>(),
    DataInfo::of::<metadata_records::BrokerRegistrationChangeRecord>(),
    DataInfo::of::<metadata_records::AccessControlEntryRecord>(),
    DataInfo::of::<metadata_records::RemoveAccessControlEntryRecord>(),
    DataInfo::of::<metadata_records::NoOpRecord>(),
    DataInfo::of::<metadata_records::ZkMigrationStateRecord>(),
    DataInfo::of::<metadata_records::RemoveUserScramCredentialRecord>(),
    DataInfo::of::<metadata_records::BeginTransactionRecord>(),
    DataInfo::of::<metadata_records::EndTransactionRecord>(),
    DataInfo::of::<metadata_records::AbortTransactionRecord>(),
    DataInfo::of::<metadata_records::RemoveDelegationTokenRecord>(),
    DataInfo::of::<metadata_records::RegisterControllerRecord>(),
    DataInfo::of::<metadata_records::ClearElrRecord>(),
    DataInfo::of::<group_records::LegacyOffsetCommitKey>(),
    DataInfo::of::<group_records::LegacyOffsetCommitValue>(),
    DataInfo::of::<group_records::OffsetCommitKey>(),
    DataInfo::of::<group_records::OffsetCommitValue>(),
    DataInfo::of::<group_records::GroupMetadataKey>(),
    DataInfo::of::<group_records::GroupMetadataValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupMetadataKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupMetadataValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupPartitionMetadataKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupPartitionMetadataValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupMemberMetadataKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupMemberMetadataValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupTargetAssignmentMetadataKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupTargetAssignmentMetadataValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupTargetAssignmentMemberKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupTargetAssignmentMemberValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupCurrentMemberAssignmentKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupCurrentMemberAssignmentValue>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupRegularExpressionKey>(),
    DataInfo::of::<consumer_group_records::ConsumerGroupRegularExpressionValue>(),
    DataInfo::of::<share_group_records::ShareGroupMemberMetadataKey>(),
    DataInfo::of::<share_group_records::ShareGroupMemberMetadataValue>(),
    DataInfo::of::<share_group_records::ShareGroupMetadataKey>(),
    DataInfo::of::<share_group_records::ShareGroupMetadataValue>(),
    DataInfo::of::<share_group_records::ShareGroupTargetAssignmentMetadataKey>(),
    DataInfo::of::<share_group_records::ShareGroupTargetAssignmentMetadataValue>(),
    DataInfo::of::<share_group_records::ShareGroupTargetAssignmentMemberKey>(),
    DataInfo::of::<share_group_records::ShareGroupTargetAssignmentMemberValue>(),
    DataInfo::of::<share_group_records::ShareGroupCurrentMemberAssignmentKey>(),
    DataInfo::of::<share_group_records::ShareGroupCurrentMemberAssignmentValue>(),
    DataInfo::of::<share_group_records::ShareGroupStatePartitionMetadataKey>(),
    DataInfo::of::<share_group_records::ShareGroupStatePartitionMetadataValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupMetadataKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupMetadataValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupMemberMetadataKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupMemberMetadataValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupTargetAssignmentMetadataKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupTargetAssignmentMetadataValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupTargetAssignmentMemberKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupTargetAssignmentMemberValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupCurrentMemberAssignmentKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupCurrentMemberAssignmentValue>(),
    DataInfo::of::<streams_group_records::StreamsGroupTopologyKey>(),
    DataInfo::of::<streams_group_records::StreamsGroupTopologyValue>(),
    DataInfo::of::<transaction_records::TransactionLogKey>(),
    DataInfo::of::<transaction_records::TransactionLogValue>(),
    DataInfo::of::<share_state_records::ShareSnapshotKey>(),
    DataInfo::of::<share_state_records::ShareSnapshotValue>(),
    DataInfo::of::<share_state_records::ShareUpdateKey>(),
    DataInfo::of::<share_state_records::ShareUpdateValue>(),
    DataInfo::of::<control_records::ControlRecordTypeSchema>(),
    DataInfo::of::<control_records::EndTxnMarker>(),
    DataInfo::of::<control_records::LeaderChangeMessage>(),
    DataInfo::of::<control_records::SnapshotHeaderRecord>(),
    DataInfo::of::<control_records::SnapshotFooterRecord>(),
    DataInfo::of::<control_records::KRaftVersionRecord>(),
    DataInfo::of::<control_records::VotersRecord>(),
    DataInfo::of::<control_records::QuorumStateData>(),
    DataInfo::of::<embedded::ConsumerProtocolSubscription>(),
    DataInfo::of::<embedded::ConsumerProtocolAssignment>(),
    DataInfo::of::<embedded::DefaultPrincipalData>(),
];
