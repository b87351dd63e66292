//! ElectLeaders. Version 0 knows preferred leaders only, and has no error for the request as a whole.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::elect_leaders::{PartitionResult, ReplicaElectionResult};
use kinglet_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::Context;
use crate::meta::controller::Election;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    let election = match request.election_type {
        PREFERRED => Election::Preferred,
        UNCLEAN => Election::Unclean,
        _ => return ElectLeadersResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() },
    };
    let asked = request.topic_partitions.clone();
    match ctx.meta.elect_leaders(election, request.topic_partitions).await {
        Ok(replica_election_results) => {
            ElectLeadersResponse { replica_election_results, ..Default::default() }
        }
        Err(refusal) if version >= 1 => {
            ElectLeadersResponse { error_code: refusal.code(), ..Default::default() }
        }
        Err(refusal) => {
            let failed = |partition_id| PartitionResult {
                partition_id,
                error_code: refusal.code(),
                error_message: Some(refusal.to_string()),
            };
            let results = asked.unwrap_or_default().into_iter().map(|topic| ReplicaElectionResult {
                topic: topic.topic,
                partition_result: topic.partitions.into_iter().map(failed).collect(),
            });
            ElectLeadersResponse { replica_election_results: results.collect(), ..Default::default() }
        }
    }
}
