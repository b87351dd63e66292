//! CreateTopics. A refused topic keeps no other of the request from being made.
//!
//! The answer carries the configuration from version 5 on (KIP-525) and the id from 7 on. `timeout_ms` is not needed:
//! a change is made or refused in the time of one write to the disk.

use std::sync::Arc;

use kinglet_protocol::messages::create_topics::{CreatableTopicConfigs, CreatableTopicResult};
use kinglet_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kinglet_protocol::{ErrorCode, Uuid};

use crate::Context;
use crate::config::topic_entries;
use crate::meta::controller::Created;
use crate::meta::{Mode, Refusal};

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mode = if request.validate_only { Mode::Validate } else { Mode::Apply };
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let made = ctx.meta.create_topics(request.topics, mode).await;
    let topics = names.into_iter().zip(made).map(|(name, made)| match made {
        Ok(created) => told(ctx, version, name, &created, mode),
        Err(refusal) => refused(name, &refusal),
    });
    CreateTopicsResponse { topics: topics.collect(), ..Default::default() }
}

fn told(ctx: &Context, version: i16, name: String, created: &Created, mode: Mode) -> CreatableTopicResult {
    let config = ctx.storage.config();
    let configs = topic_entries(&config, &created.configs).map(|entry| CreatableTopicConfigs {
        name: entry.name.into_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: false,
    });
    CreatableTopicResult {
        name,
        // An id that was drawn to validate a request belongs to no topic.
        topic_id: if mode == Mode::Apply { created.id } else { Uuid::ZERO },
        error_code: ErrorCode::NONE,
        num_partitions: i32::try_from(created.partitions).unwrap_or(i32::MAX),
        replication_factor: created.replication_factor,
        configs: if version >= 5 { Some(configs.collect()) } else { None },
        ..Default::default()
    }
}

fn refused(name: String, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code(),
        error_message: Some(refusal.to_string()),
        // Null stands for "you may not see it", which is not the case.
        configs: Some(Vec::new()),
        ..Default::default()
    }
}
