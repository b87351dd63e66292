//! The followers' side of replication: one task for each leader fetches everything that is followed there (KIP-595's truncation, in band).
//!
//! A fetch says by its offsets what is written here, which is how the leader learns it: the next fetch leaves when the answer of the last
//! one is in the logs. What is followed is read from the image; a leader epoch that has passed changes nothing in a log, as the shard
//! compares it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::FetchRequest;
use kinglet_protocol::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchTopic, PartitionData, ReplicaState,
};
use kinglet_protocol::records::Batch;
use kinglet_protocol::{RecordBytes, Uuid};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::meta::image::Image;
use crate::peer::{Peer, Peers};
use crate::shard::command::{AppendFailure, AppendFollower, Cut, FollowerState};
use crate::shard::storage::Storage;
use crate::shard::{Command, PartitionId};
use crate::{clock, stopped};

/// The version that is spoken: with truncation in band, topic ids, and the epoch of the broker (KIP-903).
const VERSION: i16 = 15;
/// A partition whose leader does not know yet that it leads is asked for again after this.
const RETRY: Duration = Duration::from_millis(20);
/// A replica whose rate is used up is asked for again after this.
const THROTTLED: Duration = Duration::from_millis(200);
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
    async fn follow(self: Arc<Self>, leader: Leader, mut wanted: watch::Receiver<Wanted>) {
        let mut failed = false;
        loop {
            let dial = self.peers.dial(&leader.host, leader.port);
            let peer = tokio::select! {
                peer = dial => peer,
                () = closed(&mut wanted) => return,
            };
            let ended = match peer {
                Ok(peer) => {
                    failed = false;
                    self.converse(&leader, &peer, &mut wanted).await
                }
                Err(error) => Ended::Failed(error.to_string()),
            };
            match ended {
                Ended::Done => return,
                Ended::Changed => continue,
                Ended::Failed(error) => {
                    if !failed {
                        tracing::warn!(leader = leader.id, error, "nothing is fetched from this leader");
                    }
                    failed = true;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT) => {}
                () = closed(&mut wanted) => return,
            }
        }
    }

    async fn converse(&self, leader: &Leader, peer: &Peer, wanted: &mut watch::Receiver<Wanted>) -> Ended {
        // What is followed stays the same for as long as this goes on.
        let followed = Arc::clone(&wanted.borrow_and_update());
        let by_id: HashMap<PartitionId, &Followed> =
            followed.iter().map(|followed| (followed.id, followed)).collect();
        let mut states: HashMap<PartitionId, State> = HashMap::with_capacity(followed.len());
        loop {
            if let Err(error) = self.learn(&followed, &mut states).await {
                return Ended::Failed(error);
            }
            let now = clock::now();
            for (id, state) in &mut states {
                // What is not in sync waits while others have used up the rate (KIP-73).
                if state.lags() && self.storage.throttles.follower.holds(*id, now) {
                    state.not_before = now + THROTTLED;
                }
            }
            let asked: Vec<&Followed> = followed
                .iter()
                .filter(|followed| states.get(&followed.id).is_some_and(|state| state.may_ask(now)))
                .collect();
            let retry = states.values().map(|state| state.not_before).filter(|at| *at > now).min();
            if asked.is_empty() {
                tokio::select! {
                    changed = wanted.changed() => return ended(changed.is_ok()),
                    () = sleep_until(retry) => {}
                }
                continue;
            }
            let request = request(
                &self.config,
                *self.epoch.borrow(),
                &asked,
                &states,
                retry.map(|at| at.duration_since(now)),
            );
            let held = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
            let response = tokio::select! {
                response = peer.request(&request, VERSION, held) => response,
                // Its answer may be long in coming, and new partitions cannot wait for it: another connection asks anew.
                changed = wanted.changed() => return ended(changed.is_ok()),
            };
            let response = match response {
                Ok(response) if response.error_code.is_err() => {
                    return Ended::Failed(response.error_code.to_string());
                }
                Ok(response) => response,
                Err(error) => return Ended::Failed(error.to_string()),
            };
            let mut waiting = Vec::new();
            for topic in response.responses {
                for data in topic.partitions {
                    let id = PartitionId { topic: topic.topic_id, index: data.partition_index };
                    let Some(followed) = by_id.get(&id) else { continue };
                    let Some(state) = states.get_mut(&followed.id) else { continue };
                    match self.take(leader, followed, state, data).await {
                        Ok(Some(answer)) => waiting.push((followed.id, answer)),
                        Ok(None) => {}
                        Err(error) => return Ended::Failed(error),
                    }
                }
            }
            for (id, answer) in waiting {
                let Some(state) = states.get_mut(&id) else { continue };
                match answer.await {
                    Ok(Ok(end)) => state.go_on(end),
                    Ok(Err(failure)) => {
                        tracing::debug!(?id, ?failure, "what was fetched is not in the log");
                        state.forget(clock::now() + RETRY);
                    }
                    Err(_) => return Ended::Failed("the shard has stopped".to_owned()),
                }
            }
        }
    }

    /// Asks the shards where the logs of what is newly followed end.
    async fn learn(
        &self,
        followed: &[Followed],
        states: &mut HashMap<PartitionId, State>,
    ) -> Result<(), String> {
        let now = clock::now();
        let is_unknown = |id: &PartitionId| states.get(id).is_none_or(|state| state.is_unknown(now));
        let ids: Vec<PartitionId> = followed.iter().map(|followed| followed.id).filter(is_unknown).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let learned = self.storage.shards.follower_states(&ids).await;
        for (id, state) in learned.map_err(|error| error.to_string())? {
            // One that is not there yet, or no follower yet, is asked again.
            let Ok(end) = state else { continue };
            states.insert(id, State::new(end));
        }
        Ok(())
    }

    /// Hands what came of one partition to its shard.
    async fn take(
        &self,
        leader: &Leader,
        followed: &Followed,
        state: &mut State,
        data: PartitionData,
    ) -> Result<Option<Answer>, String> {
        let Followed { id, leader_epoch, .. } = *followed;
        let (topic, partition) = (&followed.topic, id.index);
        match data.error_code {
            ErrorCode::NONE if data.diverging_epoch.end_offset >= 0 => {
                let EpochEndOffset { epoch, end_offset } = data.diverging_epoch;
                self.cut(followed, state, Cut::Diverging { epoch, end_offset }).await;
            }
            ErrorCode::NONE => {
                let batches = match batches(data.records) {
                    Ok(batches) => batches,
                    Err(error) => {
                        tracing::error!(
                            topic,
                            partition,
                            leader = leader.id,
                            error,
                            "the leader sent what cannot be kept"
                        );
                        state.not_before = clock::now() + RECONNECT;
                        return Ok(None);
                    }
                };
                let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
                self.storage.throttles.follower.record(id, bytes, clock::now());
                let is_news =
                    data.high_watermark != state.high_watermark || data.log_start_offset > state.log_start;
                if batches.is_empty() && !is_news {
                    return Ok(None);
                }
                state.high_watermark = data.high_watermark;
                let (reply, answer) = oneshot::channel();
                let append = AppendFollower {
                    id,
                    leader_epoch,
                    fetch_offset: state.offset,
                    batches,
                    high_watermark: data.high_watermark,
                    log_start: data.log_start_offset,
                    now_ms: clock::now_ms(),
                    reply,
                };
                let sent = self.storage.shards.send(id, Command::AppendFollower(append)).await;
                return sent.map(|()| Some(answer)).map_err(|error| error.to_string());
            }
            ErrorCode::OFFSET_OUT_OF_RANGE if data.log_start_offset > state.offset => {
                self.cut(followed, state, Cut::RestartAt(data.log_start_offset)).await;
            }
            ErrorCode::OFFSET_OUT_OF_RANGE if data.high_watermark >= 0 => {
                self.cut(followed, state, Cut::To(data.high_watermark)).await;
            }
            code => {
                tracing::debug!(topic, partition, leader = leader.id, %code, "not fetched");
                state.not_before = clock::now() + RETRY;
            }
        }
        Ok(None)
    }

    async fn cut(&self, followed: &Followed, state: &mut State, cut: Cut) {
        match self.storage.truncate(followed.id, followed.leader_epoch, cut).await {
            Ok(end) => state.go_on(end),
            Err(code) => {
                tracing::debug!(topic = followed.topic, partition = followed.id.index, %code, "log not cut");
                state.not_before = clock::now() + RETRY;
            }
        }
    }
}

/// What to ask one leader for, by a broker of this epoch.
fn request(
    config: &Config,
    broker_epoch: i64,
    asked: &[&Followed],
    states: &HashMap<PartitionId, State>,
    retry: Option<Duration>,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last = Uuid::ZERO;
    let max_bytes = config.number("replica.fetch.max.bytes");
    for followed in asked {
        let Some(state) = states.get(&followed.id) else { continue };
        if followed.id.topic != last || topics.is_empty() {
            last = followed.id.topic;
            topics.push(FetchTopic { topic_id: followed.id.topic, ..Default::default() });
        }
        let partition = FetchPartition {
            partition: followed.id.index,
            current_leader_epoch: followed.leader_epoch,
            fetch_offset: state.offset,
            last_fetched_epoch: state.last_epoch,
            log_start_offset: state.log_start,
            partition_max_bytes: i32::try_from(max_bytes).unwrap_or(i32::MAX),
            ..Default::default()
        };
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    let wait =
        Duration::from_millis(u64::try_from(config.number("replica.fetch.wait.max.ms")).unwrap_or(500));
    let wait = retry.map_or(wait, |retry| wait.min(retry));
    FetchRequest {
        replica_state: ReplicaState { replica_id: config.node_id, replica_epoch: broker_epoch },
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: i32::try_from(config.number("replica.fetch.min.bytes")).unwrap_or(1),
        max_bytes: i32::try_from(config.number("replica.fetch.response.max.bytes")).unwrap_or(i32::MAX),
        topics,
        ..Default::default()
    }
}

type Answer = oneshot::Receiver<Result<FollowerState, AppendFailure>>;

/// Why a conversation with a leader is over.
enum Ended {
    Done,
    /// Other partitions are followed now.
    Changed,
    Failed(String),
}

/// Where a partition is fetched from.
struct State {
    offset: i64,
    last_epoch: i32,
    log_start: i64,
    not_before: Instant,
    /// The newest that the shard was told.
    high_watermark: i64,
    /// What was fetched last did not get into the log: where that ends is to be asked again.
    is_lost: bool,
}

impl State {
    fn new(from: FollowerState) -> Self {
        let FollowerState { log_end, last_epoch, log_start, .. } = from;
        Self {
            offset: log_end,
            last_epoch,
            log_start,
            not_before: clock::now(),
            high_watermark: -1,
            is_lost: false,
        }
    }

    fn may_ask(&self, now: Instant) -> bool {
        !self.is_lost && self.not_before <= now
    }

    fn is_unknown(&self, now: Instant) -> bool {
        self.is_lost && self.not_before <= now
    }

    /// Asks the shard again where the log ends, but not at once: a disk that refuses would be asked without end.
    fn forget(&mut self, until: Instant) {
        (self.is_lost, self.not_before) = (true, until);
    }

    /// Whether the leader has more than this, as far as it has said.
    fn lags(&self) -> bool {
        self.offset < self.high_watermark
    }

    fn go_on(&mut self, from: FollowerState) {
        (self.offset, self.last_epoch, self.log_start) = (from.log_end, from.last_epoch, from.log_start);
    }
}

/// The whole batches of an answer, each checked: what a disk or a network damaged must not spread.
fn batches(records: Option<RecordBytes>) -> Result<Vec<Batch>, String> {
    let mut bytes = records.map(RecordBytes::into_bytes).unwrap_or_default();
    let mut batches = Vec::new();
    loop {
        match Batch::split(&mut bytes) {
            Ok(Some(batch)) => {
                batch.verify_crc().map_err(|error| error.to_string())?;
                batches.push(batch);
            }
            Ok(None) => return Ok(batches),
            // An answer may end in a part of a batch.
            Err(_) if !batches.is_empty() => return Ok(batches),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Why it ends when what is followed changes, or nothing is any more.
fn ended(has_changed: bool) -> Ended {
    if has_changed { Ended::Changed } else { Ended::Done }
}

async fn closed(wanted: &mut watch::Receiver<Wanted>) {
    while wanted.changed().await.is_ok() {}
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => tokio::time::sleep(RETRY).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_asks_for_what_the_configuration_says() {
        let text = "node.id=3\nreplica.fetch.max.bytes=1000\nreplica.fetch.min.bytes=7\nreplica.fetch.response.max.bytes=5000\n\
                    replica.fetch.wait.max.ms=40";
        let config = Config::from_properties(text).unwrap();
        let id = PartitionId { topic: Uuid([1; 16]), index: 2 };
        let followed = Followed { id, topic: "t".to_owned(), leader_epoch: 4 };
        let now = clock::now();
        let state = State {
            offset: 9,
            last_epoch: 3,
            log_start: 2,
            not_before: now,
            high_watermark: 8,
            is_lost: false,
        };
        let states = HashMap::from([(id, state)]);
        let asked = request(&config, 17, &[&followed], &states, None);
        assert_eq!((asked.replica_state.replica_id, asked.replica_state.replica_epoch), (3, 17));
        assert_eq!((asked.max_wait_ms, asked.min_bytes, asked.max_bytes), (40, 7, 5000));
        let partition = &asked.topics[0].partitions[0];
        assert_eq!((asked.topics[0].topic_id, partition.partition), (id.topic, 2));
        assert_eq!(
            (partition.fetch_offset, partition.last_fetched_epoch, partition.log_start_offset),
            (9, 3, 2)
        );
        assert_eq!((partition.current_leader_epoch, partition.partition_max_bytes), (4, 1000));
        let soon = request(&config, 17, &[&followed], &states, Some(Duration::from_millis(5)));
        assert_eq!(
            soon.max_wait_ms, 5,
            "a partition that is to be asked again soon does not wait for the others"
        );
    }
}
