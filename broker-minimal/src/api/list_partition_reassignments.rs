//! ListPartitionReassignments (KIP-455): partitions whose replicas are not yet those that are wanted. What is asked for and is not there, or
//! is not reassigned, is left out, as in Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kinglet_protocol::messages::list_partition_reassignments::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kinglet_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::Context;
use crate::meta::image::{PartitionImage, Topic};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    // The newest: whoever has just begun one asks for it right away.
    let image = ctx.meta.controller_image();
    let topics = match request.topics {
        None => image.topics.values().filter_map(|topic| reassigned(topic, |_| true)).collect(),
        Some(asked) => {
            let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
            for topic in asked {
                wanted.entry(topic.name).or_default().extend(topic.partition_indexes);
            }
            let tell = |(name, indexes): (&String, &BTreeSet<i32>)| {
                reassigned(image.topic(name)?, |index| indexes.contains(&index))
            };
            wanted.iter().filter_map(tell).collect()
        }
    };
    ListPartitionReassignmentsResponse { topics, ..Default::default() }
}

fn reassigned(topic: &Topic, is_wanted: impl Fn(i32) -> bool) -> Option<OngoingTopicReassignment> {
    let is_ongoing = |at: &PartitionImage| !at.adding.is_empty() || !at.removing.is_empty();
    let ongoing = (0..).zip(&topic.partitions).filter(|(index, at)| is_wanted(*index) && is_ongoing(at));
    let tell = |(partition_index, at): (i32, &PartitionImage)| OngoingPartitionReassignment {
        partition_index,
        replicas: at.replicas.clone(),
        adding_replicas: at.adding.clone(),
        removing_replicas: at.removing.clone(),
    };
    let partitions: Vec<_> = ongoing.map(tell).collect();
    (!partitions.is_empty()).then(|| OngoingTopicReassignment { name: topic.name.clone(), partitions })
}
