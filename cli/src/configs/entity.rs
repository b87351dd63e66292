//! What has a configuration, by the names that kafka-configs gives it.

use kinglet::admin::{ConfigResource, ConfigSource};

use crate::error::{Failure, nearest};

/// The kinds of things with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `topics`
    Topics,
    /// `brokers`
    Brokers,
    /// `broker-loggers`
    BrokerLoggers,
    /// `groups`
    Groups,
    /// `client-metrics`
    ClientMetrics,
}

/// Those with quotas and passwords, which are another API.
const ELSEWHERE: [&str; 3] = ["users", "clients", "ips"];

impl Kind {
    const ALL: [Self; 5] =
        [Self::Topics, Self::Brokers, Self::BrokerLoggers, Self::Groups, Self::ClientMetrics];

    /// As `--entity-type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Brokers => "brokers",
            Self::BrokerLoggers => "broker-loggers",
            Self::Groups => "groups",
            Self::ClientMetrics => "client-metrics",
        }
    }

    /// One of them, as Kafka's tool says it: without the last letter.
    pub fn singular(self) -> &'static str {
        self.name().split_at(self.name().len() - 1).0
    }

    /// Reads `--entity-type`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(kind) = Self::ALL.into_iter().find(|kind| kind.name() == text) {
            return Ok(kind);
        }
        if ELSEWHERE.contains(&text) {
            return Err(Failure::usage(format!("quotas and passwords of {text} are not shown here"))
                .hint("kafka-configs has them"));
        }
        let names = Self::ALL.map(Self::name);
        let failure = Failure::usage(format!("'{text}' is no type")).cause(format!(
            "Invalid entity type {text}, the entity type must be one of {}",
            names.join(", ")
        ));
        Err(match nearest(text, names) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure,
        })
    }

    /// Where an entry comes from that was set for such a thing; `None` where all were.
    pub fn own_source(self, entity: &Entity) -> Option<ConfigSource> {
        Some(match (self, &entity.resource) {
            (_, ConfigResource::BrokerDefault) => ConfigSource::DynamicDefaultBroker,
            (Self::Topics, _) => ConfigSource::Topic,
            (Self::Brokers, _) => ConfigSource::DynamicBroker,
            (Self::BrokerLoggers, _) => return None,
            (Self::Groups, _) => ConfigSource::Group,
            (Self::ClientMetrics, _) => ConfigSource::ClientMetrics,
        })
    }
}

/// One thing with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// As the client has it.
    pub resource: ConfigResource,
    /// As it was written; empty for the default.
    pub name: String,
}

impl Entity {
    /// Brokers are named by their ids; the empty name is their default.
    pub fn new(kind: Kind, name: &str) -> Result<Self, Failure> {
        let id = || -> Result<i32, Failure> {
            name.parse().map_err(|_| {
                let kind = kind.name();
                Failure::usage(format!("'{name}' is no broker's id")).cause(format!(
                    "The entity name for {kind} must be a valid integer broker id, but it is: {name}"
                ))
            })
        };
        let resource = match kind {
            Kind::Topics => ConfigResource::Topic(name.to_owned()),
            Kind::Brokers if name.is_empty() => ConfigResource::BrokerDefault,
            Kind::Brokers => ConfigResource::Broker(id()?),
            Kind::BrokerLoggers => ConfigResource::BrokerLogger(id()?),
            Kind::Groups => ConfigResource::Group(name.to_owned()),
            Kind::ClientMetrics => ConfigResource::ClientMetrics(name.to_owned()),
        };
        Ok(Self { resource, name: name.to_owned() })
    }
}
