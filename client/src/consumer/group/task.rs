//! The group's task: does what the membership says, and looks after the subscription and the commits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::Group;
use super::autocommit::AutoCommit;
use super::lookup::Topics;
use crate::consumer::Shared;
use crate::consumer::assignor::TopicPartitions;
use crate::consumer::group::rebalance::to_commit;
use crate::consumer::membership::{Action, Identity, Membership};
use crate::coordinator::Coordinated;
use crate::net::Lane;
use crate::protocol::Request;
use crate::protocol::decode_response_front;
use crate::protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupResponse, LeaveGroupRequest, SyncGroupResponse,
};
use crate::trouble::Trouble;
use crate::{Result, TopicPartition, clock, rng};

/// What a coordinator may take besides, as Java allows.
const JOIN_SLACK: Duration = Duration::from_secs(5);
/// Leaving is a courtesy: nobody waits long for it.
const LEAVE_MAX: Duration = Duration::from_millis(500);
/// The oldest version of LeaveGroup that lists members.
const LEAVE_LISTS_FROM: i16 = 3;

pub(in crate::consumer) struct Task {
    group: Arc<Group>,
    shared: Arc<Shared>,
    /// `None`: the partitions are given, and only commits are looked after.
    topics: Option<Topics>,
    events: JoinSet<Event>,
    refreshing: bool,
    refresh_due: Instant,
    unknown_topics: Trouble,
    /// It was said that topics are missing.
    misses: bool,
    /// What all members read, as far as this one has shared out: the leader notices new partitions for everybody.
    group_topics: Vec<Arc<str>>,
    /// What there was to share out when this leader did, in the present generation.
    shared_out: Option<TopicPartitions>,
    commits: AutoCommit,
    /// What the user was seen to do last, and when.
    activity: (u64, Instant),
    warned: bool,
}

enum Event {
    Topics(Result<Vec<Arc<str>>>),
    Found(Result<i32>),
    Joined(u64, Result<JoinGroupResponse>),
    Looked(u64, Result<TopicPartitions>),
    Synced(u64, Result<SyncGroupResponse>),
    Beat(Identity, Result<HeartbeatResponse>),
    Revoked(u64),
    Committed(Result<()>),
    /// Nothing hangs on it.
    Done,
}

impl Task {
    pub(in crate::consumer) fn new(group: Arc<Group>, shared: Arc<Shared>, topics: Option<Topics>) -> Self {
        let now = clock::now();
        Self {
            commits: AutoCommit::new(group.auto_commit, now),
            group,
            shared,
            topics,
            events: JoinSet::new(),
            refreshing: false,
            refresh_due: now,
            unknown_topics: Trouble::default(),
            misses: false,
            group_topics: Vec::new(),
            shared_out: None,
            activity: (0, now),
            warned: false,
        }
    }

    /// Runs until the consumer is closed, or its last handle dropped.
    pub(in crate::consumer) async fn run(mut self) {
        while !self.group.lock().closing {
            let now = clock::now();
            let looks_again = self.look_after(now);
            while let Some(action) = self.with(|membership| membership.next(now)).flatten() {
                self.act(action);
            }
            let deadline = self.with(|membership| membership.deadline()).flatten();
            self.wait(deadline.map_or(looks_again, |at| at.min(looks_again))).await;
        }
        self.finish().await;
        self.group.core.pool.release(self.lane());
        // Here, not only in `close`: whoever waits there may have given up, and whoever waits for records is to hear it.
        self.shared.close();
        self.group.ended.send_replace(true);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Membership) -> T) -> Option<T> {
        self.group.lock().membership.as_mut().map(work)
    }

    fn lane(&self) -> Lane {
        Lane::Group(self.shared.lane)
    }

    async fn wait(&mut self, deadline: Instant) {
        tokio::select! {
            Some(event) = self.events.join_next() => match event {
                Ok(event) => self.on_event(event),
                Err(e) => warn!(error = %e, "a task of the consumer's group failed"),
            },
            () = self.group.wake.notified() => {}
            () = tokio::time::sleep_until(deadline.into()) => {}
        }
    }

    /// What is due besides the membership; the answer is when to look again.
    fn look_after(&mut self, now: Instant) -> Instant {
        let config = &self.group.core.config;
        let mut next = now + config.duration("heartbeat.interval.ms");
        if let Some(topics) = self.topics.clone() {
            if now >= self.refresh_due && !self.refreshing {
                self.refreshing = true;
                let (group, others) = (self.group.clone(), self.others());
                self.events.spawn(async move { Event::Topics(group.topics(&topics, &others).await) });
            }
            if !self.refreshing {
                next = next.min(self.refresh_due);
            }
            self.look_for_life(now);
        }
        if self.commits.is_due(now) {
            let commits = to_commit(self.shared.progress());
            if !commits.is_empty() {
                self.commits.begin();
                let group = self.group.clone();
                self.events.spawn(async move { Event::Committed(group.commit_done(&commits).await) });
            }
        }
        next = self.commits.deadline().map_or(next, |due| due.min(next));
        next
    }

    /// Whoever holds partitions and does nothing with them makes way for others.
    fn look_for_life(&mut self, now: Instant) {
        let limit = self.group.core.config.duration("max.poll.interval.ms");
        let seen = self.shared.activity();
        if seen != self.activity.0 || !self.shared.owes() {
            if seen != self.activity.0 {
                self.with(Membership::on_progress);
            }
            self.activity = (seen, now);
            self.warned = false;
            return;
        }
        let idle = now.saturating_duration_since(self.activity.1);
        if idle >= limit {
            if self.group.identity().generation >= 0 {
                warn!(
                    group = self.group.id,
                    ?idle,
                    "nothing was done with the records: leaving the group until something is. max.poll.interval.ms is {limit:?}"
                );
            }
            self.with(Membership::on_stalled);
        } else if idle >= limit / 2 && !self.warned {
            self.warned = true;
            warn!(group = self.group.id, ?idle, partitions = ?self.shared.owing(), "the user is slow: after max.poll.interval.ms the partitions go to others");
        }
    }

    fn act(&mut self, action: Action) {
        let group = self.group.clone();
        let lane = self.lane();
        match action {
            Action::Find => {
                self.events.spawn(async move {
                    let find = group.core.coordinator(Coordinated::Group, &group.id);
                    Event::Found(group.core.within_api_timeout("finding the group's coordinator", find).await)
                });
            }
            Action::Join(era, request) => {
                let settings = self.with(|membership| membership.settings().rebalance_timeout);
                let limit = settings.unwrap_or_default() + JOIN_SLACK;
                debug!(group = group.id, member = request.member_id, "joining");
                self.shared_out = None;
                self.events.spawn(async move { Event::Joined(era, group.call(&request, lane, limit).await) });
            }
            Action::Look(era, topics) => {
                self.group_topics.clone_from(&topics);
                self.events.spawn(async move { Event::Looked(era, group.partitions(&topics).await) });
            }
            Action::Sync(era, request) => {
                let settings = self.with(|membership| membership.settings().rebalance_timeout);
                let limit = settings.unwrap_or_default() + JOIN_SLACK;
                self.events.spawn(async move { Event::Synced(era, group.call(&request, lane, limit).await) });
            }
            Action::Heartbeat(request) => self.beat(request),
            Action::Revoke { era, partitions, lost } => {
                let shared = self.shared.clone();
                self.events.spawn(async move {
                    group.revoke(&shared, partitions, lost).await;
                    Event::Revoked(era)
                });
            }
            Action::Assign { partitions } => self.assign(partitions),
            Action::Leave(request) => {
                self.events.spawn(async move {
                    group.leave(request).await;
                    Event::Done
                });
            }
            Action::Tell { error, lasting } => {
                if lasting {
                    self.shared.fail(error);
                } else {
                    self.shared.tell(error);
                }
            }
        }
    }

    fn beat(&mut self, request: HeartbeatRequest) {
        let (group, lane) = (self.group.clone(), self.lane());
        let session = self.with(|membership| membership.settings().session_timeout).unwrap_or_default();
        let limit = (session / 3).min(group.core.config.duration("request.timeout.ms"));
        let of = Identity { member_id: request.member_id.clone(), generation: request.generation_id };
        self.events.spawn(async move { Event::Beat(of, group.call(&request, lane, limit).await) });
    }

    fn assign(&mut self, partitions: Vec<TopicPartition>) {
        let generation = self.group.identity().generation;
        info!(group = self.group.id, generation, ?partitions, "joined");
        let own = self.with(|membership| membership.topics().to_vec()).unwrap_or_default();
        let watched = self.watched(own);
        // A static leader that comes back shares nothing out.
        self.shared_out.get_or_insert_with(|| self.group.known_partitions(&watched));
        if partitions.is_empty() {
            return;
        }
        self.group.expect(&partitions);
        let (group, shared) = (self.group.clone(), self.shared.clone());
        self.events.spawn(async move {
            group.locate(&shared, partitions).await;
            Event::Done
        });
    }

    fn on_event(&mut self, event: Event) {
        let (now, unit) = (clock::now(), rng::unit());
        match event {
            Event::Topics(result) => self.on_topics(result, now),
            Event::Committed(result) => self.commits.on_end(&self.group.id, result, now),
            Event::Done => {}
            event => {
                if let Event::Looked(_, Ok(found)) = &event {
                    self.shared_out = Some(found.clone());
                }
                self.with(|m| match event {
                    Event::Found(result) => m.on_found(result, now, unit),
                    Event::Joined(era, result) => m.on_joined(era, result, now, unit),
                    Event::Looked(era, result) => m.on_topics(era, result, now, unit),
                    Event::Synced(era, result) => m.on_synced(era, result, now, unit),
                    Event::Beat(of, result) => m.on_heartbeat(&of, result, now, unit),
                    Event::Revoked(era) => m.on_revoked(era),
                    Event::Topics(_) | Event::Committed(_) | Event::Done => {}
                });
            }
        }
    }

    /// The topics that only other members read, if this one shares out.
    fn others(&self) -> Vec<Arc<str>> {
        let leads = self.with(|membership| membership.is_leader()).unwrap_or(false);
        let own = self.with(|membership| membership.topics().to_vec()).unwrap_or_default();
        let all = self.group_topics.iter().filter(|topic| leads && !own.contains(topic));
        all.cloned().collect()
    }

    /// The topics whose partitions this member looks after.
    fn watched(&self, mut own: Vec<Arc<str>>) -> Vec<Arc<str>> {
        own.extend(self.others());
        own
    }

    fn on_topics(&mut self, result: Result<Vec<Arc<str>>>, now: Instant) {
        self.refreshing = false;
        match result {
            Ok(topics) => {
                if let Some(after) = self.unknown_topics.is_over(now) {
                    info!(group = self.group.id, ?after, "the subscription's topics are known");
                }
                let partitions = self.group.known_partitions(&self.watched(topics.clone()));
                let absent: Vec<_> =
                    topics.iter().filter(|topic| partitions.partition_count(topic).is_none()).collect();
                let max_age = self.group.core.config.duration("metadata.max.age.ms");
                // What is still to be created is to be read soon after.
                let age = if absent.is_empty() { max_age } else { max_age.min(self.group.core.retry.max) };
                self.refresh_due = now + age;
                if !absent.is_empty() && !std::mem::replace(&mut self.misses, true) {
                    warn!(group = self.group.id, topics = ?absent, "no such topics yet: waiting for them");
                }
                self.misses &= !absent.is_empty();
                let before = self.shared_out.take();
                self.with(|membership| {
                    membership.subscribe(topics);
                    let Some(before) = before.as_ref().filter(|_| membership.is_leader()) else { return };
                    if !partitions.has_counts_of(before) {
                        membership.rejoin("the topics' partitions changed");
                    } else if partitions != *before && membership.has_racks() {
                        membership.rejoin("replicas moved to other racks");
                    }
                });
                self.shared_out = before;
            }
            Err(error) => {
                if self.unknown_topics.is_there(now) {
                    warn!(group = self.group.id, %error, "the subscription's topics are not known");
                }
                self.refresh_due = now + self.group.core.retry.max;
                if !error.is_retriable() {
                    self.shared.tell(error);
                }
            }
        }
    }

    /// Gives up what there is, commits, leaves.
    async fn finish(&mut self) {
        let owned = self.with(Membership::end);
        // What is under way is of no use any more, and must not come between.
        self.events.shutdown().await;
        match owned {
            Some(owned) if !owned.is_empty() => self.group.revoke(&self.shared, owned, false).await,
            Some(_) => {}
            None if self.group.auto_commit.is_some() => {
                let commits = to_commit(self.shared.progress());
                if let Err(error) = self.group.commit_done(&commits).await {
                    warn!(group = self.group.id, %error, "what is done is not committed");
                }
            }
            None => {}
        }
        let farewell = self.with(|membership| membership.farewell("the consumer is closed")).flatten();
        if let Some(request) = farewell {
            self.group.leave(request).await;
        }
    }
}

impl Group {
    /// Asks the coordinator on the members' own connection.
    async fn call<R: Request>(&self, request: &R, lane: Lane, limit: Duration) -> Result<R::Response> {
        let Some(broker) = self.coordinator() else {
            return Err(crate::Error::new(
                crate::ErrorKind::Disconnected,
                "the group's coordinator is not known",
            ));
        };
        let connection = self.core.broker(broker, lane).await?;
        let version = connection.version::<R>(i16::MAX)?;
        let asked = connection.start(request, version)?;
        let frame = connection.finish::<R>(asked, limit).await?;
        Ok(decode_response_front::<R>(frame, version)?.1)
    }

    /// Not on the members' connection, where a request to join may wait for all others.
    async fn leave(&self, mut request: LeaveGroupRequest) {
        let leaving = async {
            let Some(broker) = self.coordinator() else { return Ok(()) };
            let connection = self.core.broker(broker, Lane::General).await?;
            let version = connection.version::<LeaveGroupRequest>(i16::MAX)?;
            if version < LEAVE_LISTS_FROM {
                request.members.clear();
            } else {
                request.member_id.clear();
            }
            connection.call_version(&request, version, Duration::ZERO).await.map(drop)
        };
        match timeout(LEAVE_MAX, leaving).await {
            Ok(Ok(())) => debug!(group = self.id, "left"),
            Ok(Err(error)) => debug!(group = self.id, %error, "left without a word: the session will end"),
            Err(_) => debug!(group = self.id, "left without an answer"),
        }
    }
}
