//! The way from a group to the task that coordinates it, and the tasks' life: one for each partition of `__consumer_offsets` that
//! this broker leads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::coordinator::{Answer, Ask, Coordinator};
use super::effects::{Reply, Request};
use super::{Settings, topic};
use crate::config::Config;
use crate::meta::image::{Image, Topic};
use crate::meta::{self, Refusal};
use crate::shard::{PartitionId, Shards};
use crate::stopped;

/// Requests that wait for a coordinator; handlers wait with their clients when it is full.
const QUEUE: usize = 256;
/// How long a request waits for a partition that is just being loaded. Clients that are told so pause for 100 ms and more.
const GRACE: Duration = Duration::from_millis(500);

/// Every coordinator of this broker.
pub(crate) struct Coordinators {
    node_id: i32,
    config: Arc<Config>,
    settings: Settings,
    meta: meta::Handle,
    shards: Arc<Shards>,
    slots: watch::Sender<Arc<Slots>>,
}

/// The coordinators by partition, and of which topic they are.
#[derive(Default)]
struct Slots {
    topic: Uuid,
    by_partition: BTreeMap<i32, Slot>,
}

#[derive(Clone)]
struct Slot {
    /// The epoch in which this broker leads the partition.
    leader_epoch: i32,
    asks: mpsc::Sender<Ask>,
    loaded: watch::Receiver<bool>,
    /// Ends the task.
    stop: watch::Sender<bool>,
}

impl Coordinators {
    pub(crate) fn new(config: &Arc<Config>, meta: meta::Handle, shards: Arc<Shards>) -> Self {
        Self {
            node_id: config.node_id,
            config: Arc::clone(config),
            settings: Settings::new(config),
            meta,
            shards,
            slots: watch::Sender::new(Arc::default()),
        }
    }

    /// Starts and ends coordinators as the metadata asks for them, until the broker stops.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut image = self.meta.watch();
        let mut tasks = JoinSet::new();
        loop {
            let now = Arc::clone(&image.borrow_and_update());
            self.follow(&now, &mut tasks);
            tokio::select! {
                changed = image.changed() => if changed.is_err() { break },
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a coordinator's task failed");
                    }
                }
                () = stopped(&mut stop) => break,
            }
        }
        let slots = self.slots.send_replace(Arc::default());
        slots.by_partition.values().for_each(Slot::end);
        drop(slots);
        while tasks.join_next().await.is_some() {}
    }

    fn follow(&self, image: &Image, tasks: &mut JoinSet<()>) {
        let before = Arc::clone(&self.slots.borrow());
        let topic = image.topic(topic::NAME);
        let id = topic.map_or(Uuid::ZERO, |topic| topic.id);
        let mut kept: BTreeMap<i32, Slot> = BTreeMap::new();
        let mut has_changed = false;
        for (&index, slot) in &before.by_partition {
            let epoch = topic.filter(|_| id == before.topic).and_then(|topic| self.led_in(topic, index));
            let is_led = epoch == Some(slot.leader_epoch);
            // A task that failed has closed its queue: another takes its place.
            if is_led && !slot.asks.is_closed() {
                kept.insert(index, slot.clone());
            } else {
                slot.end();
                has_changed = true;
            }
        }
        let all = topic
            .into_iter()
            .flat_map(|topic| (0..).take(topic.partitions.len()).map(move |index| (topic, index)));
        for (topic, index) in all {
            let Some(leader_epoch) = self.led_in(topic, index) else { continue };
            kept.entry(index).or_insert_with(|| {
                has_changed = true;
                self.spawn(PartitionId { topic: id, index }, leader_epoch, tasks)
            });
        }
        if has_changed {
            self.slots.send_replace(Arc::new(Slots { topic: id, by_partition: kept }));
        }
    }

    fn leads(&self, topic: &Topic, index: i32) -> bool {
        self.led_in(topic, index).is_some()
    }

    /// The epoch in which this broker leads a partition, if it does.
    fn led_in(&self, topic: &Topic, index: i32) -> Option<i32> {
        let partition = usize::try_from(index).ok().and_then(|index| topic.partitions.get(index))?;
        (partition.leader == self.node_id).then_some(partition.leader_epoch)
    }

    fn spawn(&self, id: PartitionId, leader_epoch: i32, tasks: &mut JoinSet<()>) -> Slot {
        let (asks, queue) = mpsc::channel(QUEUE);
        let (loading, loaded) = watch::channel(false);
        let (stop, stopping) = watch::channel(false);
        let coordinator = Coordinator {
            id,
            leader_epoch,
            settings: self.settings.clone(),
            shards: Arc::clone(&self.shards),
            image: self.meta.watch(),
            asks: queue,
            loaded: loading,
            stop: stopping,
        };
        tasks.spawn(coordinator.run());
        Slot { leader_epoch, asks, loaded, stop }
    }

    /// Makes the topic that groups are kept in, if it is not there yet.
    pub(crate) async fn ensure_topic(&self) -> Result<(), ErrorCode> {
        if self.meta.image().topic(topic::NAME).is_some() {
            return Ok(());
        }
        let made = self.meta.create_topics_anywhere(vec![topic::creatable(&self.config)]).await;
        match made.into_iter().next() {
            Some(Ok(_) | Err(Refusal::Exists(_))) => Ok(()),
            Some(Err(error)) => {
                tracing::warn!(topic = topic::NAME, %error, "groups have no place to be kept in");
                Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)
            }
            None => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        }
    }

    /// Which broker coordinates a group. The topic exists.
    pub(crate) fn node_of(&self, group: &str) -> Option<i32> {
        let image = self.meta.image();
        let topic = image.topic(topic::NAME)?;
        let partition = topic::partition_of(group, topic.partitions.len())?;
        topic.partitions.get(usize::try_from(partition).ok()?).map(|partition| partition.leader)
    }

    /// Asks the coordinator of a group.
    pub(crate) async fn ask(&self, group: &str, request: Request) -> Answer {
        let image = self.meta.image();
        let topic = image.topic(topic::NAME).ok_or(ErrorCode::NOT_COORDINATOR)?;
        let index = topic::partition_of(group, topic.partitions.len()).ok_or(ErrorCode::NOT_COORDINATOR)?;
        if !self.leads(topic, index) {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        self.ask_partition(index, request).await
    }

    async fn ask_partition(&self, index: i32, request: Request) -> Answer {
        let ready = async {
            let mut slots = self.slots.subscribe();
            let has_it = |slots: &Arc<Slots>| slots.by_partition.contains_key(&index);
            let slot = slots.wait_for(has_it).await.ok()?.by_partition.get(&index).cloned()?;
            slot.loaded.clone().wait_for(|loaded| *loaded).await.ok()?;
            Some(slot)
        };
        let slot = tokio::time::timeout(GRACE, ready).await;
        let slot = slot.map_err(|_| ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)?;
        let slot = slot.ok_or(ErrorCode::NOT_COORDINATOR)?;
        let (reply, answer) = oneshot::channel();
        slot.asks.send(Ask { request, reply }).await.map_err(|_| ErrorCode::NOT_COORDINATOR)?;
        // The core answers every request by a deadline of its own; a task that ends answers all.
        answer.await.unwrap_or(Err(ErrorCode::NOT_COORDINATOR))
    }

    /// Asks every coordinator of this broker, one after the other.
    pub(crate) async fn ask_all(&self, request: &Request) -> Result<Vec<Reply>, ErrorCode> {
        let image = self.meta.image();
        let Some(topic) = image.topic(topic::NAME) else { return Ok(Vec::new()) };
        let mut replies = Vec::with_capacity(topic.partitions.len());
        for index in (0..).take(topic.partitions.len()).filter(|index| self.leads(topic, *index)) {
            replies.push(self.ask_partition(index, request.clone()).await?);
        }
        Ok(replies)
    }
}

impl Slot {
    fn end(&self) {
        self.stop.send_replace(true);
    }
}

// Kept out of `Debug`: what is in the groups is their members' business.
impl std::fmt::Debug for Coordinators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: HashMap<_, _> = [("partitions", self.slots.borrow().by_partition.len())].into();
        f.debug_struct("Coordinators").field("counts", &counts).finish_non_exhaustive()
    }
}
