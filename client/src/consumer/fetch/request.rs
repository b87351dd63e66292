//! The request for what is wanted of one broker.

use super::Settings;
use crate::TopicPartition;
use crate::consumer::cursor::Ask;
use crate::consumer::session::Plan;
use crate::protocol::Uuid;
use crate::protocol::messages::FetchRequest;
use crate::protocol::messages::fetch::{FetchPartition, FetchTopic, ForgottenTopic};

/// The oldest version that bounds the whole answer, and brings a first message that is larger than was asked for
/// (KIP-74).
const WHOLE_ANSWER_FROM: i16 = 3;

/// The oldest version in which a broker compares what was read with its log (KIP-595).
const DIVERGENCE_FROM: i16 = 12;

pub(super) fn request(settings: &Settings, plan: &Plan<'_>, version: i16) -> FetchRequest {
    // Where only the partitions are bounded, their sum must be what we take.
    let share = settings.max_bytes / i32::try_from(plan.asks.len().max(1)).unwrap_or(i32::MAX);
    let share = if version < WHOLE_ANSWER_FROM { share } else { i32::MAX };
    FetchRequest {
        max_wait_ms: settings.max_wait_ms,
        min_bytes: settings.min_bytes,
        max_bytes: settings.max_bytes,
        isolation_level: settings.isolation,
        session_id: plan.id,
        session_epoch: plan.epoch,
        topics: topics(&plan.asks, share, version),
        forgotten_topics_data: forgotten(&plan.forget),
        rack_id: settings.rack.clone(),
        ..Default::default()
    }
}

fn topics(asks: &[&Ask], share: i32, version: i16) -> Vec<FetchTopic> {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for ask in asks {
        let partition = FetchPartition {
            partition: ask.at.partition,
            current_leader_epoch: ask.leader_epoch,
            fetch_offset: ask.offset,
            last_fetched_epoch: if version < DIVERGENCE_FROM { -1 } else { ask.last_epoch },
            partition_max_bytes: if ask.grown { ask.max_bytes } else { ask.max_bytes.min(share) },
            ..Default::default()
        };
        // Partitions of one topic mostly follow each other.
        match topics.iter_mut().rev().find(|topic| *topic.topic == *ask.at.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchTopic {
                topic: ask.at.topic.to_string(),
                topic_id: ask.topic_id,
                partitions: vec![partition],
            }),
        }
    }
    topics
}

fn forgotten(partitions: &[(TopicPartition, Uuid)]) -> Vec<ForgottenTopic> {
    let mut topics: Vec<ForgottenTopic> = Vec::new();
    for (at, topic_id) in partitions {
        let same = |topic: &&mut ForgottenTopic| *topic.topic == *at.topic && topic.topic_id == *topic_id;
        match topics.iter_mut().rev().find(same) {
            Some(topic) => topic.partitions.push(at.partition),
            None => topics.push(ForgottenTopic {
                topic: at.topic.to_string(),
                topic_id: *topic_id,
                partitions: vec![at.partition],
            }),
        }
    }
    topics
}
