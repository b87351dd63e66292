//! One configuration entry as DescribeConfigs tells it.

use super::value::Kind;

/// Where a value comes from, with Kafka's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Topic,
    BrokerFile,
    Default,
}

/// One configuration entry with everything that DescribeConfigs tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    pub(crate) read_only: bool,
    pub(crate) synonyms: Vec<Synonym>,
    pub(crate) doc: &'static str,
}

/// A place that the value was looked for in and found.
#[derive(Debug, Clone)]
pub(crate) struct Synonym {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) source: Source,
}

impl Source {
    pub(crate) const fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::BrokerFile => 4,
            Self::Default => 5,
        }
    }
}
