//! One configuration entry as DescribeConfigs tells it.

use std::borrow::Cow;

use super::value::Kind;

/// Where a value comes from, with Kafka's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Topic,
    /// At run time, for one broker.
    Broker,
    /// At run time, for all brokers.
    AllBrokers,
    BrokerFile,
    Default,
    /// The level of a logger.
    Logger,
}

/// One configuration entry with everything that DescribeConfigs tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: Cow<'static, str>,
    /// `None` also for what must not be told.
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    pub(crate) is_sensitive: bool,
    pub(crate) read_only: bool,
    pub(crate) synonyms: Vec<Synonym>,
    pub(crate) doc: &'static str,
}

/// A place that the value was looked for in and found.
#[derive(Debug, Clone)]
pub(crate) struct Synonym {
    pub(crate) name: String,
    /// `None` for what must not be told.
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
}

impl Source {
    pub(crate) const fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Broker => 2,
            Self::AllBrokers => 3,
            Self::BrokerFile => 4,
            Self::Default => 5,
            Self::Logger => 6,
        }
    }
}
