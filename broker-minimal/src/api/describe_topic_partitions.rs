//! DescribeTopicPartitions (KIP-966): topics page by page, in the order of their names.

use std::collections::BTreeSet;
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kinglet_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use crate::Context;
use crate::meta::image::{Image, PartitionImage, Topic};
use crate::meta::{name, operations};

/// Partitions of one answer at most, as Kafka's `max.request.partition.size.limit`.
const PAGE: usize = 2000;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = ctx.meta.image();
    let asked: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    let names: BTreeSet<&str> =
        if asked.is_empty() { image.topics.keys().map(String::as_str).collect() } else { asked };
    let (from, mut start) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.as_str(), usize::try_from(cursor.partition_index).unwrap_or(0)),
        None => ("", 0),
    };
    let mut room = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PAGE);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.range(from..) {
        let start = if *name == from { std::mem::take(&mut start) } else { 0 };
        if room == 0 {
            response.next_cursor = cursor(name, start);
            break;
        }
        let (topic, left_from) = describe(&image, name, start, room);
        room -= topic.partitions.len().min(room);
        response.topics.push(topic);
        if let Some(left_from) = left_from {
            response.next_cursor = cursor(name, left_from);
            break;
        }
    }
    response
}

fn cursor(name: &str, partition: usize) -> Option<Cursor> {
    let partition_index = i32::try_from(partition).unwrap_or(i32::MAX);
    Some(Cursor { topic_name: name.to_owned(), partition_index })
}

/// The topic from partition `start` on, and where the next page begins if not all fit.
fn describe(
    image: &Image,
    name: &str,
    start: usize,
    room: usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<usize>) {
    let mut answer = DescribeTopicPartitionsResponseTopic {
        name: Some(name.to_owned()),
        topic_authorized_operations: operations::TOPIC,
        ..Default::default()
    };
    let Some(topic) = image.topic(name) else {
        answer.error_code = match name::check(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(refusal) => refusal.code(),
        };
        return (answer, None);
    };
    answer.topic_id = topic.id;
    answer.is_internal = name::is_internal(name);
    answer.partitions = page(image, topic, start, room);
    let end = start.saturating_add(room);
    (answer, (end < topic.partitions.len()).then_some(end))
}

fn page(
    image: &Image,
    topic: &Topic,
    start: usize,
    room: usize,
) -> Vec<DescribeTopicPartitionsResponsePartition> {
    let tell = |(partition_index, partition): (i32, &PartitionImage)| {
        DescribeTopicPartitionsResponsePartition {
            partition_index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            // None is no null, which would make tools print "N/A".
            eligible_leader_replicas: Some(partition.elr.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas: image.offline(partition),
            ..Default::default()
        }
    };
    (0..).zip(&topic.partitions).skip(start).take(room).map(tell).collect()
}
