//! Which topics a subscription means, and which partitions they have.

use std::collections::HashMap;
use std::sync::Arc;

use regex_lite::Regex;

use super::Group;
use crate::consumer::Subscription;
use crate::consumer::assignor::TopicPartitions;
use crate::metadata::Wanted;
use crate::protocol::messages::MetadataResponse;
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
        if response.brokers.iter().all(|broker| broker.rack.is_none()) {
            return Ok(self.known_partitions(topics));
        }
        Ok(with_racks(&response))
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

/// What there is to share out, and on which racks. Whether the leader is in a rack itself plays no part: others may be.
fn with_racks(response: &MetadataResponse) -> TopicPartitions {
    let brokers = response.brokers.iter();
    let racks: HashMap<i32, &str> =
        brokers.filter_map(|broker| Some((broker.node_id, broker.rack.as_deref()?))).collect();
    let rack_of = |node: &i32| racks.get(node).map(|rack| (*rack).to_owned());
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
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::assignor::{Member, by_name};
    use crate::protocol::messages::metadata::{
        MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
    };

    #[test]
    fn every_assignor_that_cares_for_racks_learns_them_from_the_cluster() {
        let broker = |node_id: i32, rack: Option<&str>| MetadataResponseBroker {
            node_id,
            rack: rack.map(str::to_owned),
            ..Default::default()
        };
        let partition = |partition_index, leader_id| MetadataResponsePartition {
            partition_index,
            leader_id,
            replica_nodes: vec![leader_id],
            ..Default::default()
        };
        let topic = MetadataResponseTopic {
            name: Some("t".to_owned()),
            // In no order.
            partitions: vec![partition(1, 1), partition(2, 3), partition(0, 2)],
            ..Default::default()
        };
        let brokers = vec![broker(1, Some("r1")), broker(2, Some("r2")), broker(3, None)];
        let response = MetadataResponse { brokers, topics: vec![topic], ..Default::default() };
        let found = with_racks(&response);
        let member = |id: &str, rack: Option<&str>| Member {
            id: id.to_owned(),
            instance_id: None,
            rack: rack.map(str::to_owned),
            topics: vec!["t".into()],
            owned: Vec::new(),
            generation: -1,
            user_data: None,
        };
        let members = [member("a", Some("r1")), member("b", Some("r2")), member("c", None)];
        for name in ["range", "sticky", "cooperative-sticky"] {
            let shares = by_name(name).unwrap().assign(&found, &members);
            let share = |id: &str| shares[id].iter().map(|at| at.partition).collect::<Vec<_>>();
            assert_eq!([share("a"), share("b"), share("c")], [[1], [0], [2]], "{name}");
        }
    }
}
