//! The followers' side of replication: one task for each leader fetches everything that is followed there (KIP-595's truncation, in band).
//!
//! A fetch says by its offsets what is written here, which is how the leader learns it: the next fetch leaves when the answer of the last
//! one is in the logs. What is followed is read from the image; a leader epoch that has passed changes nothing in a log, as the shard
//! compares it.

mod conversation;
mod state;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::meta::image::Image;
use crate::peer::Peers;
use crate::shard::PartitionId;
use crate::shard::storage::Storage;
use crate::trouble::Trouble;
use crate::{clock, stopped};
use conversation::Ended;

/// After a connection failed.
const RECONNECT: Duration = Duration::from_millis(100);

/// What fetching needs.
pub(crate) struct Fetchers {
    pub(crate) config: Arc<Config>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) peers: Arc<Peers>,
    /// The listener by which brokers talk.
    pub(crate) listener: String,
    /// The epoch of this broker's life.
    pub(crate) epoch: watch::Receiver<i64>,
}

/// A leader, at this address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Leader {
    id: i32,
    host: String,
    port: u16,
}

/// A partition that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Followed {
    id: PartitionId,
    topic: String,
    leader_epoch: i32,
}

type Wanted = Arc<Vec<Followed>>;

impl Fetchers {
    /// Follows the image until the broker stops.
    pub(crate) async fn run(self, mut image: watch::Receiver<Arc<Image>>, mut stop: watch::Receiver<bool>) {
        let shared = Arc::new(self);
        let mut running: BTreeMap<Leader, watch::Sender<Wanted>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let wanted = shared.wanted(&image.borrow_and_update());
            // Dropping the sender ends the task.
            running.retain(|leader, _| wanted.contains_key(leader));
            for (leader, followed) in wanted {
                let followed = Arc::new(followed);
                match running.get(&leader) {
                    Some(sender) => {
                        sender.send_if_modified(|now| {
                            let changed = **now != *followed;
                            *now = followed;
                            changed
                        });
                    }
                    None => {
                        let (sender, receiver) = watch::channel(followed);
                        tasks.spawn(Arc::clone(&shared).follow(leader.clone(), receiver));
                        running.insert(leader, sender);
                    }
                }
            }
            tokio::select! {
                changed = image.changed() => if changed.is_err() { return },
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a fetcher's task failed");
                        running.clear();
                    }
                }
                () = stopped(&mut stop) => return,
            }
        }
    }

    fn wanted(&self, image: &Image) -> BTreeMap<Leader, Vec<Followed>> {
        let me = self.config.node_id;
        let mut wanted: BTreeMap<Leader, Vec<Followed>> = BTreeMap::new();
        for topic in image.topics.values() {
            for (index, partition) in (0..).zip(&topic.partitions) {
                if partition.leader < 0 || partition.leader == me || !partition.replicas.contains(&me) {
                    continue;
                }
                let Some(broker) = image.broker(partition.leader) else { continue };
                let named = broker.endpoints.iter().find(|endpoint| endpoint.name == self.listener);
                let Some(at) = named.or(broker.endpoints.first()) else { continue };
                let leader = Leader { id: partition.leader, host: at.host.clone(), port: at.port };
                let id = PartitionId { topic: topic.id, index };
                let followed =
                    Followed { id, topic: topic.name.clone(), leader_epoch: partition.leader_epoch };
                wanted.entry(leader).or_default().push(followed);
            }
        }
        wanted
    }

    /// Fetches from one leader until nothing is followed there any more.
    async fn follow(self: Arc<Self>, leader: Leader, wanted: watch::Receiver<Wanted>) {
        let mut trouble = Trouble::default();
        self.fetch_all(&leader, wanted, &mut trouble).await;
        if let Some(after) = trouble.is_over(clock::now()) {
            tracing::info!(leader = leader.id, ?after, "nothing is to be fetched from this leader any more");
        }
    }

    async fn fetch_all(&self, leader: &Leader, mut wanted: watch::Receiver<Wanted>, trouble: &mut Trouble) {
        loop {
            let dial = self.peers.dial(&leader.host, leader.port);
            let peer = tokio::select! {
                peer = dial => peer,
                () = closed(&mut wanted) => return,
            };
            let ended = match peer {
                Ok(peer) => self.converse(leader, &peer, &mut wanted, trouble).await,
                Err(error) => Ended::Failed(error.to_string()),
            };
            match ended {
                Ended::Done => return,
                Ended::Changed => continue,
                Ended::Failed(error) if trouble.is_there(clock::now()) => {
                    tracing::warn!(leader = leader.id, error, "nothing is fetched from this leader");
                }
                Ended::Failed(error) => {
                    tracing::debug!(leader = leader.id, error, "nothing is fetched from this leader");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT) => {}
                () = closed(&mut wanted) => return,
            }
        }
    }
}

async fn closed(wanted: &mut watch::Receiver<Wanted>) {
    while wanted.changed().await.is_ok() {}
}
