//! What has a configuration, and who is asked about it.

use crate::client::Target;

/// What has a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ConfigResource {
    /// A topic.
    Topic(String),
    /// A broker.
    Broker(i32),
    /// What all brokers have that say nothing else.
    BrokerDefault,
    /// The levels of a broker's loggers (KIP-412).
    BrokerLogger(i32),
    /// A group (KIP-848).
    Group(String),
    /// A subscription of metrics that clients push (KIP-714).
    ClientMetrics(String),
}

/// What kind of thing has a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigKind {
    /// Topics.
    Topic,
    /// Brokers.
    Broker,
    /// Loggers of brokers.
    BrokerLogger,
    /// Groups.
    Group,
    /// Subscriptions of metrics.
    ClientMetrics,
}

impl ConfigKind {
    pub(super) fn wire(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }
}

impl ConfigResource {
    /// What kind of thing it is.
    pub fn kind(&self) -> ConfigKind {
        match self {
            Self::Topic(_) => ConfigKind::Topic,
            Self::Broker(_) | Self::BrokerDefault => ConfigKind::Broker,
            Self::BrokerLogger(_) => ConfigKind::BrokerLogger,
            Self::Group(_) => ConfigKind::Group,
            Self::ClientMetrics(_) => ConfigKind::ClientMetrics,
        }
    }

    pub(super) fn wire(&self) -> (i8, String) {
        let name = match self {
            Self::Topic(name) | Self::Group(name) | Self::ClientMetrics(name) => name.clone(),
            Self::Broker(id) | Self::BrokerLogger(id) => id.to_string(),
            Self::BrokerDefault => String::new(),
        };
        (self.kind().wire(), name)
    }

    /// `None` for what this version does not know.
    pub(super) fn from_wire(kind: i8, name: String) -> Option<Self> {
        Some(match kind {
            2 => Self::Topic(name),
            4 if name.is_empty() => Self::BrokerDefault,
            4 => Self::Broker(name.parse().ok()?),
            8 => Self::BrokerLogger(name.parse().ok()?),
            16 => Self::ClientMetrics(name),
            32 => Self::Group(name),
            _ => return None,
        })
    }

    /// A broker's own entries are only known to itself.
    pub(super) fn target(&self) -> Target {
        match self {
            Self::Topic(_) | Self::BrokerDefault | Self::Group(_) | Self::ClientMetrics(_) => Target::Any,
            Self::Broker(id) | Self::BrokerLogger(id) => Target::Broker(*id),
        }
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic {name}"),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::BrokerDefault => f.write_str("the brokers' default"),
            Self::BrokerLogger(id) => write!(f, "the loggers of broker {id}"),
            Self::Group(id) => write!(f, "group {id}"),
            Self::ClientMetrics(name) => write!(f, "client metrics {name}"),
        }
    }
}
