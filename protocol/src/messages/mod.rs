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
//! In the brackets stand the versions that have the field; `null 1+` is the first version in which it may be null (all, when
//! nothing is said and the type is an `Option`); `ignorable` lets a set value go when the version has no such field, without it
//! that is an error. Behind them `tag 0` makes a tagged field, `= value` is the default. An absent nullable field is null.

pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_topic_partitions;
pub mod fetch;
pub mod find_coordinator;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod metadata_records;
pub mod offset_for_leader_epoch;
pub mod produce;

pub use api_versions::{ApiVersionsRequest, ApiVersionsResponse};
pub use create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse};
pub use create_topics::{CreateTopicsRequest, CreateTopicsResponse};
pub use delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
pub use describe_cluster::{DescribeClusterRequest, DescribeClusterResponse};
pub use describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse};
pub use describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
pub use fetch::{FetchRequest, FetchResponse};
pub use find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
pub use incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
pub use init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub use list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
pub use metadata::{MetadataRequest, MetadataResponse};
pub use offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
pub use produce::{ProduceRequest, ProduceResponse};

use crate::api::ApiInfo;

/// Every API whose messages are declared, in the order of their keys.
pub const REGISTRY: &[ApiInfo] = &[
    ApiInfo::of::<ProduceRequest>(),
    ApiInfo::of::<FetchRequest>(),
    ApiInfo::of::<ListOffsetsRequest>(),
    ApiInfo::of::<MetadataRequest>(),
    ApiInfo::of::<FindCoordinatorRequest>(),
    ApiInfo::of::<ApiVersionsRequest>(),
    ApiInfo::of::<CreateTopicsRequest>(),
    ApiInfo::of::<DeleteTopicsRequest>(),
    ApiInfo::of::<InitProducerIdRequest>(),
    ApiInfo::of::<OffsetForLeaderEpochRequest>(),
    ApiInfo::of::<DescribeConfigsRequest>(),
    ApiInfo::of::<CreatePartitionsRequest>(),
    ApiInfo::of::<IncrementalAlterConfigsRequest>(),
    ApiInfo::of::<DescribeClusterRequest>(),
    ApiInfo::of::<DescribeTopicPartitionsRequest>(),
];
