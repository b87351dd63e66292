//! The cluster as the metadata log tells it. An image never changes: a change makes the next one.

mod replay;
mod snapshot;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use kinglet_protocol::{ErrorCode, Uuid};

use crate::config::{Dynamic, Overrides};

/// Everything that the records so far say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) topics: BTreeMap<String, Arc<Topic>>,
    pub(crate) ids: HashMap<Uuid, String>,
    /// Topics that were there once: what is left of their files may go.
    removed: HashSet<Uuid>,
    /// Where the next block of producer ids begins.
    pub(crate) next_producer_id: i64,
    /// `metadata.version`: 0 until the log's first record has been replayed.
    pub(crate) metadata_version: i16,
    /// Every broker that has registered, by id; those that are fenced too.
    pub(crate) brokers: BTreeMap<i32, Arc<Broker>>,
    /// What brokers were told at run time, by their ids; under no name what holds for all of them.
    pub(crate) broker_configs: Arc<BTreeMap<String, Overrides>>,
    /// Offset of the metadata log's next record: how much of it this image has seen.
    pub(crate) offset: i64,
}

/// One broker, as it registered (KIP-631).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(crate) id: i32,
    /// Offset of the record that registered this life of it: a later life has a larger one.
    pub(crate) epoch: i64,
    /// Drawn anew by each process.
    pub(crate) incarnation: Uuid,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) rack: Option<String>,
    /// It leads nothing and is in no ISR that grows.
    pub(crate) is_fenced: bool,
    pub(crate) is_shutting_down: bool,
    /// Ids of its log directories that can be used, in the order of its configuration.
    pub(crate) dirs: Vec<Uuid>,
    /// Those that have failed since it registered (KIP-858).
    pub(crate) failed_dirs: Vec<Uuid>,
}

/// Where one listener of a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The listener's name.
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Kafka's number: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub(crate) security_protocol: i16,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// By partition number.
    pub(crate) partitions: Vec<PartitionImage>,
    /// What the topic carries of its own.
    pub(crate) configs: BTreeMap<String, String>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionImage {
    /// -1 when nobody leads.
    pub(crate) leader: i32,
    /// Grows with every change of the leader.
    pub(crate) leader_epoch: i32,
    /// Grows with every change.
    pub(crate) partition_epoch: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    /// Replicas that left the ISR while it was too small for writes: they have everything that was acked (KIP-966).
    pub(crate) elr: Vec<i32>,
    /// Who led last, while nobody leads.
    pub(crate) last_known_elr: Vec<i32>,
    pub(crate) adding: Vec<i32>,
    pub(crate) removing: Vec<i32>,
    /// Its leader was elected uncleanly and has not said yet that it knows (KIP-704).
    pub(crate) is_recovering: bool,
    /// The log directory of each replica, in their order; zero where no record names one.
    pub(crate) dirs: Vec<Uuid>,
}

impl PartitionImage {
    /// The log directory of a broker's replica; zero when no record names one.
    pub(crate) fn dir_of(&self, broker: i32) -> Uuid {
        let at = self.replicas.iter().position(|replica| *replica == broker);
        at.and_then(|at| self.dirs.get(at)).copied().unwrap_or_default()
    }
}

/// A record that does not fit the ones before it: the log is not what was written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("a record names topic id {0}, which does not exist")]
    Topic(Uuid),
    #[error("partition {partition} of '{topic}' comes out of order")]
    Partition { topic: String, partition: i32 },
    #[error("topic '{0}' is created twice")]
    Twice(String),
    #[error("a record names broker {0} with epoch {1}, which is not registered")]
    Broker(i32, i64),
}

impl Image {
    /// The topic of this name.
    pub(crate) fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic with this id.
    pub(crate) fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(self.ids.get(&id)?)
    }

    /// Whether a topic with this id was deleted.
    pub(crate) fn was_removed(&self, id: Uuid) -> bool {
        self.removed.contains(&id)
    }

    /// The broker of this id.
    pub(crate) fn broker(&self, id: i32) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    /// What a broker was told at run time.
    pub(crate) fn dynamic(&self, broker: i32) -> Dynamic {
        let told = |name: &str| self.broker_configs.get(name).cloned().unwrap_or_default();
        Dynamic { broker: told(&broker.to_string()), default: told("") }
    }

    /// Whether the log directory of a broker's replica has failed.
    pub(crate) fn has_failed(&self, partition: &PartitionImage, broker: i32) -> bool {
        let dir = partition.dir_of(broker);
        self.brokers.get(&broker).is_some_and(|broker| broker.failed_dirs.contains(&dir))
    }

    /// The replicas whose brokers are not there, or whose log directories have failed.
    pub(crate) fn offline(&self, partition: &PartitionImage) -> Vec<i32> {
        let is_gone = |id: &i32| self.brokers.get(id).is_none_or(|broker| broker.is_fenced);
        let is_offline = |id: &&i32| is_gone(id) || self.has_failed(partition, **id);
        partition.replicas.iter().filter(is_offline).copied().collect()
    }

    /// The partition, by the id of its topic.
    pub(crate) fn partition(&self, topic: Uuid, index: i32) -> Option<&PartitionImage> {
        self.topic_by_id(topic)?.partitions.get(usize::try_from(index).ok()?)
    }

    /// The partition, if it exists and `broker` has a replica of it; why not otherwise.
    pub(crate) fn replica(&self, topic: Uuid, index: i32, broker: i32) -> Result<&PartitionImage, ErrorCode> {
        let partition = self.partition(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let is_here = partition.replicas.contains(&broker);
        if is_here { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }
}

/// `leader` of a change that leaves it.
pub(crate) const UNCHANGED: i32 = -2;
/// `leader_recovery_state` after an unclean election (KIP-704).
pub(crate) const RECOVERING: i8 = 1;
/// `fenced` of a broker's change: it is fenced now.
pub(crate) const FENCE: i8 = 1;
/// `fenced` of a broker's change: it is fenced no more.
pub(crate) const UNFENCE: i8 = -1;

/// The feature whose level says which records a log may hold.
pub(crate) const METADATA_VERSION: &str = "metadata.version";
