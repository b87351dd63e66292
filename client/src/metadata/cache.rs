//! An immutable snapshot of the cluster: brokers, topics, leaders and their epochs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::net::Address;
use crate::protocol::messages::MetadataResponse;
use crate::protocol::messages::metadata::{MetadataResponseBroker, MetadataResponseTopic};
use crate::protocol::{ErrorCode, Uuid};

/// The cluster as the last answers described it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) brokers: Vec<Broker>,
    pub(crate) controller: Option<i32>,
    pub(crate) topics: HashMap<Arc<str>, Arc<Topic>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    pub(crate) address: Address,
    pub(crate) rack: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    /// Zero when the broker is older than topic ids.
    pub(crate) id: Uuid,
    /// Indexed by partition.
    pub(crate) partitions: Vec<Leader>,
    /// The brokers of the replicas, indexed by partition.
    pub(crate) replicas: Vec<Arc<[i32]>>,
}

/// Who leads a partition; the epoch is -1 when unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) broker: Option<i32>,
    pub(crate) epoch: i32,
}

impl Cluster {
    /// The snapshot after an answer. Topics it does not mention stay as they are.
    pub(crate) fn updated(&self, response: &MetadataResponse) -> Self {
        let mut topics = self.topics.clone();
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            if topic.error_code.is_err() && topic.partitions.is_empty() {
                // A retriable error says nothing about what is there; the others say that it is gone.
                if !topic.error_code.is_retriable()
                    || topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                {
                    topics.remove(name);
                }
                continue;
            }
            let known = topics.get(name).map(Arc::as_ref);
            let topic = Arc::new(Topic::new(topic, known));
            topics.insert(Arc::from(name), topic);
        }
        let brokers: Vec<Broker> = response.brokers.iter().filter_map(Broker::new).collect();
        Self {
            brokers: if brokers.is_empty() { self.brokers.clone() } else { brokers },
            controller: (response.controller_id >= 0).then_some(response.controller_id),
            topics,
        }
    }

    /// The snapshot with another leader of a partition, unless that is no news (KIP-951).
    pub(crate) fn moved(&self, topic: &str, partition: i32, leader: Leader) -> Option<Self> {
        let known = self.topics.get(topic)?;
        let index = usize::try_from(partition).ok()?;
        known.partitions.get(index).filter(|known| known.epoch < leader.epoch)?;
        let mut moved = Topic::clone(known);
        *moved.partitions.get_mut(index)? = leader;
        let mut topics = self.topics.clone();
        topics.insert(Arc::from(topic), Arc::new(moved));
        Some(Self { topics, ..self.clone() })
    }

    /// The snapshot with brokers that an answer names, at the addresses it says. Of their racks it says nothing.
    pub(crate) fn with_brokers(&self, named: impl Iterator<Item = Broker>) -> Self {
        let mut brokers = self.brokers.clone();
        for mut broker in named {
            broker.rack = self.broker(broker.id).and_then(|known| known.rack.clone());
            brokers.retain(|known| known.id != broker.id);
            brokers.push(broker);
        }
        Self { brokers, ..self.clone() }
    }

    pub(crate) fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    pub(crate) fn leader(&self, topic: &str, partition: i32) -> Option<Leader> {
        self.topics.get(topic)?.leader(partition)
    }
}

impl Topic {
    fn new(topic: &MetadataResponseTopic, known: Option<&Self>) -> Self {
        let count = topic.partitions.iter().map(|p| p.partition_index.saturating_add(1)).max().unwrap_or(0);
        // Partitions are numbered without gaps; a number beyond their count is nonsense and not worth memory.
        let count = usize::try_from(count).unwrap_or(0).min(topic.partitions.len());
        let mut partitions = vec![Leader { broker: None, epoch: -1 }; count];
        let mut replicas: Vec<Arc<[i32]>> = vec![Arc::default(); count];
        let known = known.filter(|known| known.id == topic.topic_id);
        for partition in &topic.partitions {
            let Ok(index) = usize::try_from(partition.partition_index) else { continue };
            let Some((place, nodes)) = partitions.get_mut(index).zip(replicas.get_mut(index)) else {
                continue;
            };
            let broker = (partition.leader_id >= 0).then_some(partition.leader_id);
            *place = Leader { broker, epoch: partition.leader_epoch };
            *nodes = partition.replica_nodes.as_slice().into();
            // A broker that lags behind must not take us back to an older leader (KIP-320), nor to older replicas.
            if let Some((leader, replicas)) =
                known.and_then(|known| known.partitions.get(index).zip(known.replicas.get(index)))
                && leader.epoch > place.epoch
                && place.epoch >= 0
            {
                (*place, *nodes) = (*leader, replicas.clone());
            }
        }
        Self { id: topic.topic_id, partitions, replicas }
    }

    pub(crate) fn leader(&self, partition: i32) -> Option<Leader> {
        self.partitions.get(usize::try_from(partition).ok()?).copied()
    }
}

impl Broker {
    fn new(broker: &MetadataResponseBroker) -> Option<Self> {
        let rack = broker.rack.as_deref().map(Arc::from);
        Some(Self { rack, ..Self::at(broker.node_id, &broker.host, broker.port)? })
    }

    /// In no rack that is known. `None` for a port that is none.
    pub(crate) fn at(id: i32, host: &str, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok()?;
        Some(Self { id, address: Address { host: Arc::from(host), port }, rack: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::metadata::MetadataResponsePartition;

    fn answer(leader_id: i32, leader_epoch: i32) -> MetadataResponse {
        let partition = MetadataResponsePartition { leader_id, leader_epoch, ..Default::default() };
        let topic = MetadataResponseTopic {
            name: Some("t".into()),
            partitions: vec![partition],
            ..Default::default()
        };
        MetadataResponse { topics: vec![topic], ..Default::default() }
    }

    #[test]
    fn an_older_leader_epoch_changes_nothing() {
        let cluster = Cluster::default().updated(&answer(1, 5)).updated(&answer(2, 4));
        assert_eq!(cluster.leader("t", 0), Some(Leader { broker: Some(1), epoch: 5 }));
        let cluster = cluster.updated(&answer(2, 6));
        assert_eq!(cluster.leader("t", 0), Some(Leader { broker: Some(2), epoch: 6 }));
    }

    #[test]
    fn an_answer_that_names_the_next_leader_counts_when_its_epoch_is_newer() {
        let cluster = Cluster::default().updated(&answer(1, 5));
        let leader = |epoch| Leader { broker: Some(2), epoch };
        let moved = |epoch| cluster.moved("t", 0, leader(epoch)).and_then(|cluster| cluster.leader("t", 0));
        assert_eq!((moved(4), moved(5), moved(6)), (None, None, Some(leader(6))));
        assert!(cluster.moved("t", 1, leader(6)).is_none() && cluster.moved("u", 0, leader(6)).is_none());
    }

    #[test]
    fn an_answer_that_moves_a_broker_leaves_it_in_its_rack() {
        let broker = MetadataResponseBroker { node_id: 1, rack: Some("r".into()), ..Default::default() };
        let cluster = Cluster::default()
            .updated(&MetadataResponse { brokers: vec![broker], ..Default::default() })
            .with_brokers(Broker::at(1, "elsewhere", 9092).into_iter());
        let broker = cluster.broker(1).expect("it is known");
        assert_eq!((&*broker.address.host, broker.rack.as_deref()), ("elsewhere", Some("r")));
    }

    #[test]
    fn a_huge_partition_number_costs_no_memory() {
        let mut answer = answer(1, 1);
        answer.topics[0].partitions[0].partition_index = i32::MAX;
        let cluster = Cluster::default().updated(&answer);
        assert_eq!(cluster.topics["t"].partitions.len(), 1);
    }
}
