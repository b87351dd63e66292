//! DescribeQuorum: who agrees on the metadata, and how far each has come (KIP-595). The active controller alone knows.
//!
//! Version 2 adds directory ids, the nodes' addresses and error texts (KIP-853).

use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_quorum::{
    Listener, Node, PartitionDataResponse, ReplicaState, TopicDataResponse,
};
use kinglet_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};

use crate::Context;
use crate::meta::log::{QuorumReplica, QuorumState};

const TOPIC: &str = "__cluster_metadata";
const PARTITION: i32 = 0;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    if !ctx.meta.is_active() {
        let (error_code, error_message) = told(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        return DescribeQuorumResponse { error_code, error_message, ..Default::default() };
    }
    let state = ctx.meta.describe_quorum();
    let topics = request.topics.into_iter().map(|topic| {
        let is_metadata = topic.topic_name == TOPIC;
        let partitions = topic.partitions.into_iter().map(|partition| match partition.partition_index {
            PARTITION if is_metadata => described(&state, version),
            partition_index => {
                let (error_code, error_message) = told(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                PartitionDataResponse { partition_index, error_code, error_message, ..Default::default() }
            }
        });
        TopicDataResponse { partitions: partitions.collect(), topic_name: topic.topic_name }
    });
    let topics = topics.collect();
    let nodes = if version >= 2 { nodes(ctx, &state) } else { Vec::new() };
    DescribeQuorumResponse { topics, nodes, ..Default::default() }
}

fn described(state: &QuorumState, version: i16) -> PartitionDataResponse {
    let replica = |replica: &QuorumReplica| ReplicaState {
        replica_id: replica.node_id,
        replica_directory_id: if version >= 2 { replica.directory } else { Default::default() },
        log_end_offset: replica.log_end,
        last_fetch_timestamp: replica.last_fetch_ms,
        last_caught_up_timestamp: replica.last_caught_up_ms,
    };
    PartitionDataResponse {
        partition_index: PARTITION,
        leader_id: state.leadership.leader.unwrap_or(-1),
        leader_epoch: state.leadership.epoch,
        high_watermark: state.high_watermark,
        current_voters: state.voters.iter().map(replica).collect(),
        observers: state.observers.iter().map(replica).collect(),
        ..Default::default()
    }
}

/// Where the voters are reached. The name of the listener is this node's for it, as it is the same in all files of a cluster.
fn nodes(ctx: &Context, state: &QuorumState) -> Vec<Node> {
    let named = ctx.config.controllers.first().or(ctx.config.listeners.first());
    let name = named.map(|listener| listener.name.as_str()).unwrap_or_default();
    let node = |voter: &QuorumReplica| Node {
        node_id: voter.node_id,
        listeners: vec![Listener { name: name.to_owned(), host: voter.host.clone(), port: voter.port }],
    };
    state.voters.iter().map(node).collect()
}

fn told(code: ErrorCode) -> (ErrorCode, Option<String>) {
    (code, Some(code.to_string()))
}
