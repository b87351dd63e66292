//! The task that owns the groups of one partition of `__consumer_offsets`.
//!
//! Load, then: take requests, ask the core, append its records, and send its replies when the log has them. Appends overlap, but
//! a reply waits for all that went before it, also if it needs none itself. A failed append drops everything and loads again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot, watch};

use super::core::Core;
use super::effects::{Effects, Now, Reply, ReplyId, Request, Unknown};
use super::load::Led;
use super::settings::Settings;
use super::{load, write};
use crate::log::Appended;
use crate::meta::image::{Image, Topic};
use crate::replica::Acks;
use crate::shard::command::{Append, AppendFailure};
use crate::shard::{Command, PartitionId, Shards};
use crate::trouble::Trouble;
use crate::{clock, stopped};

/// Requests whose records go into one append.
const BATCH: usize = 64;
/// Appends under way; requests wait in their queue then.
const APPENDS_MAX: usize = 16;
/// The pause before a partition is loaded again.
const RETRY: Duration = Duration::from_millis(200);
/// How long replicas may take to have what a group writes, as Kafka's `offsets.commit.timeout.ms`.
const COMMIT: Duration = Duration::from_secs(5);
/// How long appends may take to end when the broker stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What a handler waits for.
pub(super) type Answer = Result<Reply, ErrorCode>;

/// A request on its way to its coordinator.
pub(super) struct Ask {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What the task needs.
pub(super) struct Coordinator {
    pub(super) id: PartitionId,
    /// The epoch in which this broker leads the partition: the task ends with it.
    pub(super) leader_epoch: i32,
    pub(super) settings: Settings,
    pub(super) shards: Arc<Shards>,
    pub(super) image: watch::Receiver<Arc<Image>>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) loaded: watch::Sender<bool>,
    /// The broker stops, or leads this partition no longer.
    pub(super) stop: watch::Receiver<bool>,
}

/// Why serving ended.
enum Ended {
    Stopped,
    /// The log did not take what the memory holds already.
    Failed,
}

/// Replies that leave when an append is done.
struct Appending {
    done: oneshot::Receiver<Result<Appended, AppendFailure>>,
    replies: Vec<(oneshot::Sender<Answer>, Reply)>,
}

/// A loaded partition.
struct Serving {
    core: Core,
    image: Arc<Image>,
    next_id: ReplyId,
    waiting: HashMap<ReplyId, oneshot::Sender<Answer>>,
    appends: VecDeque<Appending>,
}

impl Coordinator {
    pub(super) async fn run(mut self) {
        let mut trouble = Trouble::default();
        while let Some(core) = self.load().await {
            let image = Arc::clone(&self.image.borrow_and_update());
            let mut serving =
                Serving { core, image, next_id: 0, waiting: HashMap::new(), appends: VecDeque::new() };
            self.loaded.send_replace(true);
            let ended = self.serve(&mut serving, &mut trouble).await;
            self.loaded.send_replace(false);
            match ended {
                Ended::Stopped => {
                    if let Some(after) = trouble.is_over(clock::now()) {
                        tracing::info!(
                            partition = self.id.index,
                            ?after,
                            "groups are not this broker's to write any more"
                        );
                    }
                    return serving.drain().await;
                }
                Ended::Failed => serving.give_up().await,
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    /// `None`: the broker stops.
    async fn load(&mut self) -> Option<Core> {
        let mut trouble = Trouble::default();
        loop {
            let mut loading = std::pin::pin!(load::load(&self.shards, self.led(), self.settings.clone()));
            let loaded = loop {
                tokio::select! {
                    loaded = &mut loading => break loaded,
                    Some(ask) = self.asks.recv() => {
                        let _left = ask.reply.send(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
                    }
                    () = stopped(&mut self.stop) => return None,
                }
            };
            match loaded {
                Ok(mut core) => {
                    core.on_loaded(now());
                    if let Some(after) = trouble.is_over(clock::now()) {
                        tracing::info!(partition = self.id.index, ?after, "groups are loaded after all");
                    }
                    return Some(core);
                }
                Err(error) if !error.is_of_leadership() && trouble.is_there(clock::now()) => {
                    tracing::warn!(partition = self.id.index, %error, "groups not loaded yet");
                }
                Err(error) => tracing::debug!(partition = self.id.index, %error, "groups not loaded yet"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = stopped(&mut self.stop) => return None,
            }
        }
    }

    fn led(&self) -> Led {
        Led { id: self.id, leader_epoch: self.leader_epoch }
    }

    async fn serve(&mut self, serving: &mut Serving, trouble: &mut Trouble) -> Ended {
        let mut checks = tokio::time::interval(self.settings.offsets_check_interval);
        checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Topics may have gone while nobody looked.
        let mut effects = Effects::default();
        serving.forget_missing(&HashSet::new(), &mut effects);
        if !self.append(serving, effects).await {
            return Ended::Failed;
        }
        loop {
            let deadline = serving.core.deadline();
            let mut effects = Effects::default();
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ended::Stopped,
                done = serving.first_append(), if !serving.appends.is_empty() => {
                    let Err(error) = done else {
                        if let Some(after) = trouble.is_over(clock::now()) {
                            tracing::info!(partition = self.id.index, ?after, "groups are written again");
                        }
                        continue;
                    };
                    if trouble.is_there(clock::now()) {
                        tracing::warn!(partition = self.id.index, error, "groups not written, loading again");
                    } else {
                        tracing::debug!(partition = self.id.index, error, "groups not written, loading again");
                    }
                    return Ended::Failed;
                }
                () = sleep_until(deadline), if deadline.is_some() => serving.core.on_deadline(now(), &mut effects),
                changed = self.image.changed() => {
                    if changed.is_err() {
                        return Ended::Stopped;
                    }
                    let image = Arc::clone(&self.image.borrow_and_update());
                    serving.on_image(image, &mut effects);
                }
                _ = checks.tick() => serving.core.expire(now(), &mut effects),
                ask = self.asks.recv(), if serving.appends.len() < APPENDS_MAX => {
                    let Some(ask) = ask else { return Ended::Stopped };
                    serving.on_ask(ask, &mut effects);
                    for _ in 1..BATCH {
                        let Ok(ask) = self.asks.try_recv() else { break };
                        serving.on_ask(ask, &mut effects);
                    }
                }
            }
            if !self.append(serving, effects).await {
                return Ended::Failed;
            }
        }
    }

    /// Sends records to the log; their replies follow them.
    async fn append(&self, serving: &mut Serving, effects: Effects) -> bool {
        let replies = effects.replies.into_iter();
        let replies: Vec<_> =
            replies.filter_map(|(id, reply)| Some((serving.waiting.remove(&id)?, reply))).collect();
        if effects.records.is_empty() {
            match serving.appends.back_mut() {
                Some(last) => last.replies.extend(replies),
                None => send_all(replies),
            }
            return true;
        }
        let now_ms = clock::now_ms();
        let batches = match write::batches(&effects.records, self.settings.record_size_max, now_ms) {
            Ok(batches) => batches,
            Err(error) => {
                tracing::error!(partition = self.id.index, %error, "records that the log cannot have");
                return false;
            }
        };
        let (reply, done) = oneshot::channel();
        let append = Append {
            id: self.id,
            batches,
            current_leader_epoch: self.leader_epoch,
            acks: Acks::All,
            timeout: COMMIT,
            now_ms,
            reply,
        };
        serving.appends.push_back(Appending { done, replies });
        self.shards.send(self.id, Command::Append(append)).await.is_ok()
    }
}

impl Serving {
    fn on_ask(&mut self, ask: Ask, effects: &mut Effects) {
        let Ask { mut request, reply } = ask;
        self.mark(&mut request);
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.insert(id, reply);
        self.core.on_request(now(), id, request, effects);
    }

    /// Says which topics are meant, and which partitions do not exist: nobody would ever clean up what is said about those.
    fn mark(&self, request: &mut Request) {
        let mark = |unknown: &mut Unknown, topic: &str, partition: i32| {
            let count = self.image.topic(topic).map_or(0, |topic| topic.partitions.len());
            if !usize::try_from(partition).is_ok_and(|partition| partition < count) {
                unknown.insert((topic.to_owned(), partition));
            }
        };
        match request {
            Request::Commit { request, unknown, .. } => {
                for topic in &mut request.topics {
                    topic.topic_id = self.image.topic(&topic.name).map_or(topic.topic_id, |topic| topic.id);
                    topic.partitions.iter().for_each(|p| mark(unknown, &topic.name, p.partition_index));
                }
            }
            Request::DeleteOffsets { request, unknown } => {
                for topic in &request.topics {
                    topic.partitions.iter().for_each(|p| mark(unknown, &topic.name, p.partition_index));
                }
            }
            Request::Join(..)
            | Request::Sync(_)
            | Request::Heartbeat(_)
            | Request::Leave(_)
            | Request::Fetch { .. }
            | Request::DeleteGroup(_)
            | Request::Describe(_)
            | Request::List => {}
        }
    }

    /// Topics that went, also if others of their name have come, take their offsets along.
    fn on_image(&mut self, image: Arc<Image>, effects: &mut Effects) {
        let before = std::mem::replace(&mut self.image, image);
        let went = |topic: &&Arc<Topic>| self.image.topic_by_id(topic.id).is_none();
        let gone: HashSet<&str> =
            before.topics.values().filter(went).map(|topic| topic.name.as_str()).collect();
        if !gone.is_empty() {
            self.forget_missing(&gone, effects);
        }
    }

    /// `gone` are the names of topics that went, for offsets that do not say which topic of the name they mean.
    fn forget_missing(&mut self, gone: &HashSet<&str>, effects: &mut Effects) {
        let image = Arc::clone(&self.image);
        let is_gone = |name: &str, id: Uuid| match image.topic(name) {
            Some(topic) if id.is_zero() => gone.contains(topic.name.as_str()),
            Some(topic) => topic.id != id,
            None => true,
        };
        self.core.forget_topics(now(), &is_gone, effects);
    }

    /// Waits for the oldest append and sends its replies. Cancel safe.
    async fn first_append(&mut self) -> Result<(), String> {
        let Some(first) = self.appends.front_mut() else { return Ok(()) };
        let done = (&mut first.done).await;
        let Some(Appending { replies, .. }) = self.appends.pop_front() else { return Ok(()) };
        match done {
            Ok(Ok(_)) => {
                send_all(replies);
                Ok(())
            }
            Ok(Err(failure)) => {
                let code = match failure.code() {
                    ErrorCode::NOT_LEADER_OR_FOLLOWER
                    | ErrorCode::FENCED_LEADER_EPOCH
                    | ErrorCode::UNKNOWN_LEADER_EPOCH => ErrorCode::NOT_COORDINATOR,
                    _ => ErrorCode::COORDINATOR_NOT_AVAILABLE,
                };
                refuse(replies.into_iter().map(|(reply, _)| reply), code);
                Err(format!("{failure:?}"))
            }
            Err(_) => {
                refuse(replies.into_iter().map(|(reply, _)| reply), ErrorCode::NOT_COORDINATOR);
                Err("the shard has stopped".to_owned())
            }
        }
    }

    /// Whether what is under way was written decides the next load; nobody is told that it was.
    async fn give_up(&mut self) {
        for Appending { done, replies } in self.appends.drain(..) {
            let _either_way = done.await;
            refuse(replies.into_iter().map(|(reply, _)| reply), ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        refuse(self.waiting.drain().map(|(_, reply)| reply), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }

    /// The broker stops: what was written is still told, for a while; who waits for others looks for another coordinator.
    async fn drain(&mut self) {
        let appends = async {
            while !self.appends.is_empty() {
                let _told = self.first_append().await;
            }
        };
        let _late = tokio::time::timeout(DRAIN, appends).await;
        let left = self.appends.drain(..).flat_map(|append| append.replies).map(|(reply, _)| reply);
        refuse(left, ErrorCode::NOT_COORDINATOR);
        refuse(self.waiting.drain().map(|(_, reply)| reply), ErrorCode::NOT_COORDINATOR);
    }
}

fn now() -> Now {
    Now { at: clock::now(), ms: clock::now_ms() }
}

async fn sleep_until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A receiver that is gone is a client that has left.
fn send_all(replies: Vec<(oneshot::Sender<Answer>, Reply)>) {
    for (sender, reply) in replies {
        let _left = sender.send(Ok(reply));
    }
}

fn refuse(senders: impl Iterator<Item = oneshot::Sender<Answer>>, code: ErrorCode) {
    for sender in senders {
        let _left = sender.send(Err(code));
    }
}
