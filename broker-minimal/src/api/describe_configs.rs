//! DescribeConfigs: every entry with its value and where that comes from.
//!
//! The loggers of a broker are a resource too (KIP-412).
//!
//! A resource that is asked for more than once is described once: described each time, a request of a megabyte would be
//! answered with gigabytes.
//!
//! Version 0 only says whether a value is the default. Synonyms and sources are there from version 1 on (KIP-226), types and documentation from 3 on (KIP-569).

use std::collections::HashSet;
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kinglet_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use crate::Context;
use crate::config::{Entry, Kind, Quoted, Source, topic_entries};
use crate::loggers;
use crate::meta::{Refusal, name};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
pub(super) const LOGGERS: i8 = 8;

/// Why a resource is not described.
#[derive(Debug, thiserror::Error)]
enum DescribeError {
    #[error(transparent)]
    Topic(#[from] Refusal),
    #[error("Broker id must be an integer, but it is: {}", Quoted(.0))]
    BrokerName(String),
    #[error("Unexpected broker id, expected {ours} or empty string, but received {}", Quoted(asked))]
    Broker { ours: i32, asked: String },
    #[error("Broker id must not be empty")]
    NoBroker,
    #[error("Unexpected broker id, expected {ours} but received {}", Quoted(asked))]
    Loggers { ours: i32, asked: String },
    #[error("Unsupported resource type: {}", type_name(*.0))]
    Resource(i8),
}

/// As Kafka names the types that have no configuration here.
fn type_name(resource_type: i8) -> &'static str {
    match resource_type {
        16 => "CLIENT_METRICS",
        32 => "GROUP",
        _ => "UNKNOWN",
    }
}

impl DescribeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Topic(refusal) => refusal.code(),
            Self::BrokerName(_)
            | Self::Broker { .. }
            | Self::NoBroker
            | Self::Loggers { .. }
            | Self::Resource(_) => ErrorCode::INVALID_REQUEST,
        }
    }
}

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut seen = HashSet::new();
    let mut results = Vec::new();
    for resource in request.resources {
        if !seen.insert((resource.resource_type, resource.resource_name.clone())) {
            continue;
        }
        let (error_code, error_message, entries) = match entries(ctx, &resource) {
            Ok(entries) => (ErrorCode::NONE, None, entries),
            Err(error) => (error.code(), Some(error.to_string()), Vec::new()),
        };
        let wanted = resource.configuration_keys.filter(|keys| !keys.is_empty());
        let wanted = wanted.map(|keys| keys.into_iter().collect::<HashSet<String>>());
        let is_wanted = |entry: &Entry| wanted.as_ref().is_none_or(|keys| keys.contains(&*entry.name));
        let told = |entry| {
            let told = tell(entry, request.include_synonyms, request.include_documentation);
            let is_default = version == 0 && told.config_source == Source::Default.code();
            DescribeConfigsResourceResult { is_default, ..told }
        };
        results.push(DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
            configs: entries.into_iter().filter(is_wanted).map(told).collect(),
        });
    }
    DescribeConfigsResponse { results, ..Default::default() }
}

fn entries(ctx: &Context, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, DescribeError> {
    let asked = resource.resource_name.as_str();
    let config = ctx.storage.config();
    match resource.resource_type {
        TOPIC => {
            name::check(asked)?;
            let image = ctx.meta.image();
            let topic = image.topic(asked).ok_or(Refusal::UnknownTopic)?;
            Ok(topic_entries(&config, &topic.configs).collect())
        }
        BROKER if asked.is_empty() => Ok(config.default_entries().collect()),
        BROKER => match asked.parse::<i32>() {
            Ok(id) if id == ctx.node_id => Ok(config.entries().collect()),
            Ok(_) => Err(DescribeError::Broker { ours: ctx.node_id, asked: asked.to_owned() }),
            Err(_) => Err(DescribeError::BrokerName(asked.to_owned())),
        },
        LOGGERS if asked.is_empty() => Err(DescribeError::NoBroker),
        LOGGERS => match asked.parse::<i32>() {
            Ok(id) if id == ctx.node_id => Ok(loggers::levels().into_iter().map(logger).collect()),
            Ok(_) => Err(DescribeError::Loggers { ours: ctx.node_id, asked: asked.to_owned() }),
            Err(_) => Err(DescribeError::BrokerName(asked.to_owned())),
        },
        other => Err(DescribeError::Resource(other)),
    }
}

fn logger((name, level): (&'static str, String)) -> Entry {
    Entry {
        name: name.into(),
        value: Some(level),
        source: Source::Logger,
        kind: Kind::Text(&[]),
        is_sensitive: false,
        read_only: false,
        synonyms: Vec::new(),
        doc: "",
    }
}

fn tell(entry: Entry, with_synonyms: bool, with_documentation: bool) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.into_iter().filter(|_| with_synonyms);
    let synonym = |synonym: crate::config::Synonym| DescribeConfigsSynonym {
        name: synonym.name,
        value: synonym.value,
        source: synonym.source.code(),
    };
    DescribeConfigsResourceResult {
        name: entry.name.into_owned(),
        value: entry.value,
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms.map(synonym).collect(),
        config_type: entry.kind.wire_type(),
        documentation: with_documentation.then(|| entry.doc.to_owned()),
        ..Default::default()
    }
}
