//! Which topics a subscription means, and which partitions they have.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use regex_lite::Regex;

use super::Group;
use crate::consumer::Subscription;
use crate::consumer::assignor::TopicPartitions;
use crate::metadata::{Cluster, Wanted};
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
        core.within_api_timeout("asking for partitions", asked).await?;
        Ok(self.known_partitions(topics))
    }

    /// As [`partitions`](Self::partitions), as far as it is known without asking.
    pub(super) fn known_partitions(&self, topics: &[Arc<str>]) -> TopicPartitions {
        partitions_in(&self.core.metadata.cluster(), topics)
    }
}

/// What there is to share out, and on which racks. Whether the leader is in a rack itself plays no part: others may be.
fn partitions_in(cluster: &Cluster, topics: &[Arc<str>]) -> TopicPartitions {
    let brokers = cluster.brokers.iter();
    let racks: HashMap<i32, &str> =
        brokers.filter_map(|broker| Some((broker.id, broker.rack.as_deref()?))).collect();
    let racks_of = |nodes: &Arc<[i32]>| {
        let racks: BTreeSet<&str> = nodes.iter().filter_map(|node| racks.get(node).copied()).collect();
        racks.into_iter().map(str::to_owned).collect()
    };
    let mut all = TopicPartitions::default();
    for name in topics {
        let Some(topic) = cluster.topics.get(name) else { continue };
        if racks.is_empty() {
            all.insert(name.clone(), i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX));
        } else {
            all.insert_with_racks(name.clone(), topic.replicas.iter().map(racks_of).collect());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::assignor::{Member, by_name};
    use crate::protocol::messages::MetadataResponse;
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
        let found = partitions_in(&Cluster::default().updated(&response), &["t".into()]);
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
    #[test]
    fn a_replica_that_moves_to_another_rack_is_news_and_one_that_moves_within_its_rack_is_none() {
        let known = |replicas: &[i32], rack: &str| {
            let racks = [(1, "r1"), (2, "r1"), (3, rack)];
            let broker = |(node_id, rack): (i32, &str)| MetadataResponseBroker {
                node_id,
                rack: Some(rack.to_owned()),
                ..Default::default()
            };
            let partition =
                MetadataResponsePartition { replica_nodes: replicas.to_vec(), ..Default::default() };
            let topic = MetadataResponseTopic {
                name: Some("t".to_owned()),
                partitions: vec![partition],
                ..Default::default()
            };
            let brokers = racks.map(broker).to_vec();
            let response = MetadataResponse { brokers, topics: vec![topic], ..Default::default() };
            partitions_in(&Cluster::default().updated(&response), &["t".into()])
        };
        let before = known(&[1, 3], "r3");
        assert_eq!(before, known(&[3, 2], "r3"));
        assert!(before.has_counts_of(&known(&[1, 2], "r3")) && before != known(&[1, 2], "r3"));
        assert_ne!(before, known(&[1, 3], "r4"));
    }
}
