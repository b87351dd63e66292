//! The controller's task: takes what waits, lets the controller decide, proposes the records to the log and answers when they are
//! certain. One at a time, in one stream: every decision is made on an image that has the ones before it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet_protocol::messages::metadata_records::RemoveTopicRecord;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::QUEUE;
use super::follower::Followed;
use super::job::{Desk, Job, Unasked};
use crate::config::Config;
use crate::meta::Own;
use crate::meta::controller::Controller;
use crate::meta::image::{FENCE, Image, UNFENCE};
use crate::meta::log::{MetadataLog, Proposal, ProposeError};
use crate::meta::record::Record;
use crate::meta::refusal::Refusal;
use crate::meta::sessions::Sessions;
use crate::{clock, rng};

/// How long a proposal may be under way: a quorum that has lost its majority would hold everybody for ever.
const PROPOSE: Duration = Duration::from_secs(5);
/// How often a decision is made again because the log had moved on.
const DECISIONS: usize = 20;
/// How long the controller waits for the image that made its decision stale.
const CATCH_UP: Duration = Duration::from_millis(250);
/// A lone broker has nobody to look after.
const IDLE: Duration = Duration::from_secs(3600);
/// Leaderships that are given back at a time, as in Kafka.
const BALANCED_AT_ONCE: usize = 1000;

pub(super) struct Task {
    log: Arc<MetadataLog>,
    own: Own,
    config: Arc<Config>,
    followed: watch::Receiver<Followed>,
    sessions: Sessions,
    /// The epoch that this controller has begun to lead in.
    epoch: Option<i32>,
    /// When the clock is looked at next.
    due: Instant,
    balance_due: Instant,
}

impl Task {
    pub(super) fn new(
        log: Arc<MetadataLog>,
        own: Own,
        config: Arc<Config>,
        followed: watch::Receiver<Followed>,
    ) -> Self {
        let now = clock::now();
        let sessions = Sessions::new(config.broker_session_timeout, now);
        Self { log, own, config, followed, sessions, epoch: None, due: now, balance_due: now }
    }

    /// Works until nobody can ask any more.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut leadership = self.log.leadership();
        let mut waiting = VecDeque::new();
        loop {
            self.begin_or_end().await;
            if waiting.is_empty() {
                let pause = self.due.saturating_duration_since(clock::now());
                tokio::select! {
                    job = queue.recv() => match job {
                        Some(job) => waiting.push_back(job),
                        None => return,
                    },
                    Ok(()) = leadership.changed() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            while waiting.len() < QUEUE
                && let Ok(job) = queue.try_recv()
            {
                waiting.push_back(job);
            }
            let batch = self.batch(&mut waiting);
            self.work(batch).await;
            // Behind the heartbeats that wait: nobody is fenced because the controller was slow to hear it.
            self.on_time().await;
        }
    }

    /// What is decided together. A lone broker takes topics back that find no place: that must hit no other change.
    fn batch(&self, waiting: &mut VecDeque<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let is_single = |job: &dyn Job| self.log.is_solo() && job.makes_partitions();
        let many = waiting.iter().take_while(|job| !is_single(&***job)).count();
        let count = if many == 0 { waiting.len().min(1) } else { many };
        waiting.drain(..count).collect()
    }

    /// Follows the leadership. Whoever begins to lead has heard nobody yet, and gives everyone a full session.
    async fn begin_or_end(&mut self) {
        let leadership = *self.log.leadership().borrow();
        let epoch = leadership.is_self.then_some(leadership.epoch);
        if epoch == self.epoch {
            return;
        }
        self.epoch = epoch;
        let now = clock::now();
        self.sessions = Sessions::new(self.config.broker_session_timeout, now);
        self.due = now;
        self.balance_due = now + self.config.leader_check_interval;
        if epoch.is_some() && !self.log.is_solo() {
            tracing::info!(epoch, "this node is the active controller");
            self.begin_log().await;
        }
    }

    /// A log begins with the level of its records.
    async fn begin_log(&mut self) {
        let first = |desk: &mut Desk<'_>| match desk.image.metadata_version {
            0 => Controller::first_records(),
            _ => Vec::new(),
        };
        self.work(vec![Box::new(Unasked(first))]).await;
    }

    /// Does what depends on time.
    async fn on_time(&mut self) {
        let now = clock::now();
        if now < self.due {
            return;
        }
        if self.log.is_solo() {
            self.due = now + IDLE;
            return;
        }
        self.due = now + self.sessions.interval();
        if self.epoch.is_none() {
            return;
        }
        if self.log.image().borrow().metadata_version == 0 {
            self.begin_log().await;
        }
        self.sessions.look(now);
        let image = Arc::clone(&self.log.image().borrow());
        let expired = self.sessions.expired(&image, now).len();
        let fence = |desk: &mut Desk<'_>| {
            let now = desk.now;
            let (controller, sessions) = desk.controller();
            controller.fence_expired(sessions, now)
        };
        let mut jobs: Vec<Box<dyn Job>> = Vec::new();
        jobs.extend((0..expired).map(|_| Box::new(Unasked(fence)) as Box<dyn Job>));
        if now >= self.balance_due {
            self.balance_due = now + self.config.leader_check_interval;
            jobs.push(Box::new(Unasked(|desk: &mut Desk<'_>| desk.controller().0.elect_offline(None))));
            if self.config.leader_rebalance {
                let balance = |desk: &mut Desk<'_>| desk.controller().0.balance(BALANCED_AT_ONCE);
                jobs.push(Box::new(Unasked(balance)));
            }
        }
        self.work(jobs).await;
    }

    async fn work(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        let outcome = self.carry_out(&mut jobs).await;
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    /// Decides and proposes, again if the log had moved on. Gives the offset that the log is at then.
    async fn carry_out(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<i64, Refusal> {
        let log = Arc::clone(&self.log);
        let mut images = log.image();
        for _ in 0..DECISIONS {
            let leadership = *log.leadership().borrow();
            if !leadership.is_self {
                return Err(Refusal::NotController);
            }
            let image = Arc::clone(&images.borrow_and_update());
            let records = self.decide(&image, jobs);
            if records.is_empty() {
                return Ok(image.offset);
            }
            let proposal = Proposal { epoch: leadership.epoch, base: image.offset, records: records.clone() };
            match timeout(PROPOSE, log.propose(proposal)).await {
                Ok(Ok(image)) => {
                    tell(&records);
                    return self.followed(image.offset, &records).await;
                }
                Ok(Err(ProposeError::Stale)) => {
                    // Without a newer image the same decision would be stale again.
                    let _none_yet = timeout(CATCH_UP, images.changed()).await;
                }
                Ok(Err(ProposeError::NotLeader)) => return Err(Refusal::NotController),
                Ok(Err(ProposeError::Stopped)) => return Err(Refusal::Stopping),
                Ok(Err(ProposeError::Storage(message))) => {
                    tracing::warn!(error = message, "metadata not changed");
                    return Err(Refusal::Storage(message));
                }
                Err(_) => {
                    tracing::warn!(
                        "the quorum did not answer in time: whether the metadata changed is not known"
                    );
                    return Err(Refusal::NotController);
                }
            }
        }
        tracing::warn!("the metadata changed under every decision");
        Err(Refusal::NotController)
    }

    fn decide(&mut self, image: &Image, jobs: &mut [Box<dyn Job>]) -> Vec<Record> {
        let mut desk = Desk {
            image: Cow::Borrowed(image),
            config: &self.config,
            own: &self.own,
            sessions: &mut self.sessions,
            now: clock::now(),
            seed: 0,
            is_solo: self.log.is_solo(),
        };
        let mut all = Vec::new();
        for job in jobs {
            desk.seed = rng::seeds()[0];
            let records = job.decide(&mut desk);
            for record in &records {
                let image = desk.image.to_mut();
                image.replay(record).expect("the controller's records fit the image that it decided on");
            }
            all.extend(records);
        }
        all
    }

    /// A lone broker is all that its metadata is about: a change that it cannot follow is none.
    async fn followed(&mut self, offset: i64, records: &[Record]) -> Result<i64, Refusal> {
        if !self.log.is_solo() {
            return Ok(offset);
        }
        match self.wait_for(offset).await {
            None => Ok(offset),
            Some(error) => {
                self.withdraw(offset, records).await;
                Err(Refusal::Storage(error))
            }
        }
    }

    /// Waits until the broker has followed, and says what went wrong.
    async fn wait_for(&mut self, offset: i64) -> Option<String> {
        match self.followed.wait_for(|followed| followed.offset >= offset).await {
            Ok(followed) => followed.failure.clone(),
            Err(_) => Some("the broker follows no more".to_owned()),
        }
    }

    /// Takes topics back that were created and have no place on the disks, so that their names are free again.
    async fn withdraw(&mut self, base: i64, records: &[Record]) {
        let remove = |record: &Record| match record {
            Record::Topic(topic) => Some(Record::RemoveTopic(RemoveTopicRecord { topic_id: topic.topic_id })),
            _ => None,
        };
        let records: Vec<Record> = records.iter().filter_map(remove).collect();
        let Some(epoch) = self.epoch.filter(|_| !records.is_empty()) else { return };
        let withdrawn = match self.log.propose(Proposal { epoch, base, records }).await {
            Ok(image) => self.wait_for(image.offset).await,
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = withdrawn {
            tracing::warn!(error, "topics without partitions stay until they are deleted");
        }
    }
}

/// Says what operators ask for.
fn tell(records: &[Record]) {
    for record in records {
        match record {
            Record::RegisterBroker(broker) => {
                tracing::info!(broker = broker.broker_id, epoch = broker.broker_epoch, "broker registered");
            }
            Record::UnregisterBroker(broker) => {
                tracing::info!(broker = broker.broker_id, "broker unregistered");
            }
            Record::BrokerChange(change) => {
                let (broker, epoch) = (change.broker_id, change.broker_epoch);
                match change.fenced {
                    FENCE => tracing::info!(broker, epoch, "broker fenced"),
                    UNFENCE => tracing::info!(broker, epoch, "broker unfenced"),
                    _ => tracing::info!(broker, epoch, "broker begins to stop"),
                }
            }
            _ => {}
        }
    }
}
