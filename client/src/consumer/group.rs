//! A consumer's group: the task that plays the member, and what handles ask of it.

mod autocommit;
mod lookup;
mod offsets;
mod rebalance;
mod task;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Gate, Notify, watch};

use super::membership::{Identity, Membership};
use super::progress::Progress;
use super::{assignor, membership};
use crate::client::Core;
use crate::net::Backoff;
use crate::protocol::ErrorCode;
use crate::{Config, Error, ErrorKind, Result, TopicPartition, clock};

pub(super) use lookup::Topics;
pub(super) use rebalance::{Commits, drain_window, to_commit};
pub(super) use task::Task;

/// What consumer handles and the group's task have in common.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) core: Arc<Core>,
    pub(super) id: String,
    /// How often what is done is committed, if it is.
    pub(super) auto_commit: Option<Duration>,
    /// Commits go one after the other.
    gate: Gate<()>,
    state: Mutex<State>,
    /// Wakes the task.
    pub(super) wake: Notify,
    /// Whether the task has ended.
    ended: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    /// `None` for a consumer whose partitions are given: it commits under the group's name and is no member.
    membership: Option<Membership>,
    coordinator: Option<i32>,
    /// Partitions the user is giving up: what is done of them can still be committed.
    revoking: Vec<(TopicPartition, Arc<Progress>)>,
    /// Assigned, but the position is not known yet.
    pending: HashSet<TopicPartition>,
    closing: bool,
}

impl Group {
    pub(super) fn new(core: &Arc<Core>, is_member: bool) -> Result<Option<Arc<Self>>> {
        let config = &core.config;
        let id = config.text("group.id").to_owned();
        if id.is_empty() {
            return if is_member {
                Err(Error::new(ErrorKind::Config, "subscribing needs a group: group.id is not set")
                    .hinted("set group.id, or assign partitions: Assignment::topics"))
            } else {
                Ok(None)
            };
        }
        let membership = match is_member {
            true => Some(Membership::new(settings(config, core.retry)?, clock::now())),
            false => None,
        };
        let auto = config.flag("enable.auto.commit");
        Ok(Some(Arc::new(Self {
            core: core.clone(),
            id,
            auto_commit: auto.then(|| config.duration("auto.commit.interval.ms")),
            gate: Gate::new(()),
            state: Mutex::new(State {
                membership,
                coordinator: None,
                revoking: Vec::new(),
                pending: HashSet::new(),
                closing: false,
            }),
            wake: Notify::new(),
            ended: watch::Sender::new(false),
        })))
    }

    /// The membership as it is at present; -1 and nobody for a consumer that is no member.
    pub(super) fn identity(&self) -> Identity {
        let nobody = || Identity { member_id: String::new(), generation: -1 };
        self.lock().membership.as_ref().map_or_else(nobody, Membership::identity)
    }

    /// Whether it shares partitions with others, at present or soon.
    fn is_member(&self) -> bool {
        self.lock().membership.is_some()
    }

    /// The consumer ends: partitions are given up, what is done is committed, the group is left.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits until the task has ended.
    pub(super) async fn ended(&self) {
        // It cannot fail: this is the sender.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn owns(&self, at: &TopicPartition) -> bool {
        self.lock().membership.as_ref().is_none_or(|membership| membership.owns(at))
    }

    fn instance_id(&self) -> Option<String> {
        self.lock().membership.as_ref().and_then(|membership| membership.settings().instance_id.clone())
    }

    fn coordinator(&self) -> Option<i32> {
        let state = self.lock();
        state.membership.as_ref().and_then(Membership::coordinator).or(state.coordinator)
    }

    fn set_coordinator(&self, broker: i32) {
        self.lock().coordinator = Some(broker);
    }

    fn coordinator_lost(&self, broker: i32) {
        let mut state = self.lock();
        state.coordinator.take_if(|known| *known == broker);
        state.membership.iter_mut().for_each(|membership| membership.on_coordinator_lost(broker));
        drop(state);
        self.wake.notify_one();
    }

    fn refused(&self, code: ErrorCode, of: &Identity) {
        let now = clock::now();
        self.lock().membership.iter_mut().for_each(|membership| membership.on_commit_refused(code, of, now));
        self.wake.notify_one();
    }

    /// What is done of partitions that are being given up.
    pub(super) fn revoking(&self) -> Vec<(TopicPartition, Arc<Progress>)> {
        self.lock().revoking.clone()
    }

    /// A poisoned lock means that a holder panicked; the membership's own steps do not.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest session of brokers before 0.10.1 (`group.max.session.timeout.ms`).
const OLD_SESSION: Duration = Duration::from_secs(30);

fn settings(config: &Config, retry: Backoff) -> Result<membership::Settings> {
    let text = |key| Some(config.text(key).to_owned()).filter(|text| !text.is_empty());
    let session_timeout = config.duration("session.timeout.ms");
    let heartbeat_interval = config.duration("heartbeat.interval.ms");
    if heartbeat_interval >= session_timeout {
        let message = "heartbeat.interval.ms must be below session.timeout.ms";
        return Err(Error::new(ErrorKind::Config, message).hinted("a third of it is usual"));
    }
    let mut assignors = assignor::parse_strategy(config.text("partition.assignment.strategy"))?;
    if let Some(custom) = &config.assignor {
        assignors = vec![custom.clone()];
    }
    Ok(membership::Settings {
        group_id: config.text("group.id").to_owned(),
        instance_id: text("group.instance.id"),
        rack: text("client.rack"),
        session_timeout,
        shorter_session: Some(OLD_SESSION).filter(|_| config.get("session.timeout.ms").is_none()),
        rebalance_timeout: config.duration("max.poll.interval.ms"),
        heartbeat_interval,
        retry,
        patience: config.duration("default.api.timeout.ms"),
        assignors,
    })
}
