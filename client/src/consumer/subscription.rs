//! What a consumer reads.

use std::sync::Arc;

use crate::{Position, TopicPartition};

/// What a consumer reads: topics whose partitions the members of its group share, or partitions of its own.
///
/// Names of topics turn into a subscription by themselves: `client.consumer(["orders"])`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscription {
    /// These topics, as a member of the group `group.id`. One that does not exist is waited for.
    Topics(Vec<Arc<str>>),
    /// The topics whose whole name matches a regular expression, now and later (`metadata.max.age.ms`), as a member of the
    /// group `group.id`.
    Pattern(String),
    /// These partitions, whatever others read. With a `group.id` offsets can be committed.
    Assignment(Assignment),
}

/// Which partitions a consumer reads without sharing them, and where it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    pub(super) topics: Vec<(Arc<str>, Position)>,
    pub(super) partitions: Vec<(TopicPartition, Position)>,
}

impl Assignment {
    /// All partitions these topics have now.
    pub fn topics(names: impl IntoIterator<Item = impl Into<Arc<str>>>, from: Position) -> Self {
        let topics = names.into_iter().map(|name| (name.into(), from)).collect();
        Self { topics, partitions: Vec::new() }
    }

    /// These partitions.
    pub fn partitions(partitions: impl IntoIterator<Item = (TopicPartition, Position)>) -> Self {
        Self { topics: Vec::new(), partitions: partitions.into_iter().collect() }
    }
}

impl Subscription {
    /// These topics, as a member of the group.
    pub fn topics(names: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        Self::Topics(names.into_iter().map(Into::into).collect())
    }

    /// The topics whose whole name matches this regular expression.
    pub fn pattern(pattern: impl Into<String>) -> Self {
        Self::Pattern(pattern.into())
    }
}

impl From<Assignment> for Subscription {
    fn from(assignment: Assignment) -> Self {
        Self::Assignment(assignment)
    }
}

impl<N: Into<Arc<str>>, const COUNT: usize> From<[N; COUNT]> for Subscription {
    fn from(names: [N; COUNT]) -> Self {
        Self::topics(names)
    }
}

impl<N: Into<Arc<str>>> From<Vec<N>> for Subscription {
    fn from(names: Vec<N>) -> Self {
        Self::topics(names)
    }
}
