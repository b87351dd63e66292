//! Which topics a subscription means, and which partitions they have.

use std::sync::Arc;

use regex_lite::Regex;

use super::Group;
use crate::consumer::Subscription;
use crate::consumer::assignor::TopicPartitions;
use crate::metadata::Wanted;
use crate::{Error, ErrorKind, Result};

/// Topics as the user named them.
#[derive(Clone, Debug)]
pub(in crate::consumer) enum Topics {
    Names(Vec<Arc<str>>),
    Matching(Regex),
}

impl Topics {
    pub(in crate::consumer) fn new(subscription: &Subscription) -> Result<Option<Self>> {
        match subscription {
            Subscription::Topics(names) if names.is_empty() => {
                Err(Error::new(ErrorKind::Config, "a subscription to no topic"))
            }
            Subscription::Topics(names) => Ok(Some(Self::Names(names.clone()))),
            // As Java's: the whole name has to match.
            Subscription::Pattern(pattern) => match Regex::new(&format!("^(?:{pattern})$")) {
                Ok(regex) => Ok(Some(Self::Matching(regex))),
                Err(e) => {
                    let message = format!("{pattern:?} is not a regular expression");
                    Err(Error::new(ErrorKind::Config, message).because(e.to_string()))
                }
            },
            Subscription::Assignment(_) => Ok(None),
        }
    }
}

impl Group {
    /// The topics of a subscription that exist now, asking the cluster. A topic that is named need not exist yet.
    /// Also asks for the `others`, without more.
    pub(super) async fn topics(&self, topics: &Topics, others: &[Arc<str>]) -> Result<Vec<Arc<str>>> {
        let core = &self.core;
        if !others.is_empty() {
            self.partitions(others).await?;
        }
        match topics {
            Topics::Names(names) => {
                let wanted: Vec<&str> = names.iter().map(|name| &**name).collect();
                let asked = core.metadata.refresh(&core.pool, Wanted::Topics(&wanted));
                core.within_api_timeout("asking for topics", asked).await?;
                Ok(names.clone())
            }
            Topics::Matching(regex) => {
                let asked = core.metadata.refresh(&core.pool, Wanted::All);
                let response = core.within_api_timeout("asking for topics", asked).await?;
                let internal = !core.config.flag("exclude.internal.topics");
                let found = response.topics.iter().filter(|topic| internal || !topic.is_internal);
                let names = found.filter_map(|topic| topic.name.as_deref());
                Ok(names.filter(|name| regex.is_match(name)).map(Arc::from).collect())
            }
        }
    }

    /// The partitions of these topics; what does not exist is left out.
    pub(super) async fn partitions(&self, topics: &[Arc<str>]) -> Result<TopicPartitions> {
        let core = &self.core;
        let names: Vec<&str> = topics.iter().map(|name| &**name).collect();
        let asked = core.metadata.refresh(&core.pool, Wanted::Existing(&names));
        let response = core.within_api_timeout("asking for partitions", asked).await?;
        if core.config.text("client.rack").is_empty() {
            return Ok(self.known_partitions(topics));
        }
        let rack_of = |node: &i32| {
            let broker = response.brokers.iter().find(|broker| broker.node_id == *node)?;
            broker.rack.clone()
        };
        let mut all = TopicPartitions::default();
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref().filter(|_| topic.error_code.ok().is_ok()) else {
                continue;
            };
            let mut partitions: Vec<_> = topic.partitions.iter().collect();
            partitions.sort_by_key(|partition| partition.partition_index);
            let racks = partitions.iter().map(|p| p.replica_nodes.iter().filter_map(rack_of).collect());
            all.insert_with_racks(Arc::from(name), racks.collect());
        }
        Ok(all)
    }

    /// As [`partitions`](Self::partitions), as far as it is known without asking.
    pub(super) fn known_partitions(&self, topics: &[Arc<str>]) -> TopicPartitions {
        let cluster = self.core.metadata.cluster();
        let mut all = TopicPartitions::default();
        for name in topics {
            if let Some(topic) = cluster.topics.get(name) {
                all.insert(name.clone(), i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
            }
        }
        all
    }
}
