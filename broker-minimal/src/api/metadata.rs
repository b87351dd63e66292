//! Metadata: who leads what, and the one place where asking for a topic may make it.
//!
//! Version 0 takes an empty list for all topics, later ones null. Up to version 3 a client cannot forbid auto-creation.
//! Topics are asked for by id from version 10 on; from version 12 on an id decides even beside a name: Java's admin sends an
//! empty one with it. A created topic is there when the answer leaves: no client has to ask again after LEADER_NOT_AVAILABLE.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::metadata::{
    MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet_protocol::messages::{MetadataRequest, MetadataResponse};
use kinglet_protocol::{ErrorCode, Uuid};

use crate::Context;
use crate::group::topic;
use crate::meta::image::{Image, PartitionImage, Topic};
use crate::meta::{Refusal, name, operations};

/// Versions 10 and 11 have ids too, but no server of Kafka takes them there, as its message schema says: a name decides.
const ID_DECIDES_FROM: i16 = 12;

pub(crate) async fn handle(ctx: &Arc<Context>, version: i16, request: MetadataRequest) -> MetadataResponse {
    let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
    let mut topics = match asked {
        None => {
            let image = ctx.meta.image();
            image.topics.values().map(|topic| known(&image, topic)).collect()
        }
        Some(mut asked) => {
            if version >= ID_DECIDES_FROM {
                for topic in asked.iter_mut().filter(|topic| topic.topic_id != Uuid::ZERO) {
                    topic.name = None;
                }
            }
            let may_create = ctx.config.auto_create && request.allow_auto_topic_creation;
            look_up(ctx, asked, may_create).await
        }
    };
    if request.include_topic_authorized_operations {
        for topic in &mut topics {
            topic.topic_authorized_operations = operations::TOPIC;
        }
    }
    let image = ctx.meta.image();
    let brokers = ctx.all_reachable(&image).into_iter().map(|broker| MetadataResponseBroker {
        node_id: broker.id,
        host: broker.host,
        port: i32::from(broker.port),
        rack: broker.rack,
    });
    let mut response = MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(ctx.cluster_id().to_owned()),
        controller_id: ctx.controller_id(&image),
        topics,
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::CLUSTER;
    }
    response
}

/// The topics that were asked for, each once, in their order.
async fn look_up(
    ctx: &Context,
    asked: Vec<MetadataRequestTopic>,
    may_create: bool,
) -> Vec<MetadataResponseTopic> {
    let mut image = ctx.meta.image();
    let missing = |image: &Image, name: &str| image.topic(name).is_none() && name::check(name).is_ok();
    let mut failed = HashMap::new();
    if may_create {
        let names: HashSet<&str> = asked.iter().filter_map(|topic| topic.name.as_deref()).collect();
        let new: Vec<&str> = names.into_iter().filter(|name| missing(&image, name)).collect();
        if !new.is_empty() {
            failed = create(ctx, &new).await;
            image = ctx.meta.image();
        }
    }
    let mut seen = HashSet::new();
    let mut answers = Vec::with_capacity(asked.len());
    for topic in asked {
        // A name decides alone: with an id of its own each time, one topic would be told as often as it was asked for.
        let id = if topic.name.is_none() { topic.topic_id } else { Uuid::ZERO };
        if !seen.insert((topic.name.clone(), id)) {
            continue;
        }
        answers.push(match topic.name {
            None => by_id(&image, topic.topic_id),
            Some(name) => {
                let failure = failed.get(&name).copied();
                by_name(&image, name, failure)
            }
        });
    }
    answers
}

/// Creates what is missing and says what could not be.
async fn create(ctx: &Context, names: &[&str]) -> HashMap<String, ErrorCode> {
    let with_defaults = |name: &&str| match *name {
        topic::NAME => topic::creatable(&ctx.config),
        name => CreatableTopic {
            name: name.to_owned(),
            num_partitions: -1,
            replication_factor: -1,
            ..Default::default()
        },
    };
    let made = ctx.meta.create_topics_anywhere(names.iter().map(with_defaults).collect()).await;
    let failure = |(name, made): (&&str, Result<_, Refusal>)| match made {
        // Somebody else was faster: the topic is there.
        Ok(_) | Err(Refusal::Exists(_)) => None,
        Err(refusal) => {
            tracing::debug!(topic = *name, error = %refusal, "topic not created");
            Some(((*name).to_owned(), refusal.code()))
        }
    };
    names.iter().zip(made).filter_map(failure).collect()
}

fn by_name(image: &Image, name: String, failure: Option<ErrorCode>) -> MetadataResponseTopic {
    if let Some(topic) = image.topic(&name) {
        return known(image, topic);
    }
    let error_code = match name::check(&name) {
        Ok(()) => failure.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        Err(refusal) => refusal.code(),
    };
    MetadataResponseTopic { error_code, name: Some(name), ..Default::default() }
}

fn by_id(image: &Image, topic_id: Uuid) -> MetadataResponseTopic {
    match image.topic_by_id(topic_id) {
        Some(topic) => known(image, topic),
        // Versions 10 and 11 have no null for the name.
        None => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            name: Some(String::new()),
            topic_id,
            ..Default::default()
        },
    }
}

fn known(image: &Image, topic: &Topic) -> MetadataResponseTopic {
    let partition = |(partition_index, partition): (i32, &PartitionImage)| MetadataResponsePartition {
        error_code: if partition.leader < 0 { ErrorCode::LEADER_NOT_AVAILABLE } else { ErrorCode::NONE },
        partition_index,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        offline_replicas: image.offline(partition),
    };
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: name::is_internal(&topic.name),
        partitions: (0..).zip(&topic.partitions).map(partition).collect(),
        ..Default::default()
    }
}
