//! The consumer's task: asks the leaders ahead of the user, one request a broker at a time.

mod answer;
mod lookups;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use self::answer::{Moved, by_ask, on_answer};
use self::lookups::{Lookup, Lookups};
use self::request::request;
use super::Shared;
use super::apart::take_apart;
use super::buffer::Buffer;
use super::cursor::{Ask, Asks};
use super::session::{Reading, Session, TOPIC_IDS_FROM};
use super::upgrade::upgrade;
use crate::admin::OffsetInfo;
use crate::config::Reset;
use crate::metadata::{Broker, Cluster, Leader, Wanted};
use crate::net::Lane;
use crate::protocol::ErrorCode;
use crate::protocol::messages::{FetchRequest, FetchResponse};
use crate::trouble::Trouble;
use crate::{Error, ErrorKind, PerItem, Position, Result, TopicPartition, clock, rng};

/// The newest version.
pub(crate) const VERSION_MAX: i16 = 18;
/// How long the end of the sessions may take when the consumer ends; brokers forget them by themselves too.
const CLOSING: Duration = Duration::from_millis(250);

/// What the configuration says about fetching.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) min_bytes: i32,
    pub(super) max_wait_ms: i32,
    pub(super) max_bytes: i32,
    pub(super) isolation: i8,
    /// Where to go on when a position is outside of its partition.
    pub(super) reset: Reset,
    pub(super) check_crcs: bool,
    /// Where this consumer is; empty if that does not matter.
    pub(super) rack: String,
    /// How long a replica is asked in its leader's place, until the leader is asked for the best one again.
    pub(super) nearby_for: Duration,
}

impl Settings {
    /// Where to go on when a position is outside of its partition, or there is none.
    pub(super) fn reset(&self) -> Option<Position> {
        match self.reset {
            Reset::Earliest => Some(Position::Beginning),
            Reset::Latest => Some(Position::End),
            Reset::None => None,
            Reset::Back(time) => {
                let back = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                Some(Position::Timestamp(clock::unix_ms().saturating_sub(back).max(0)))
            }
        }
    }
}

pub(super) struct Fetcher {
    shared: Arc<Shared>,
    events: JoinSet<Event>,
    /// Brokers with a request under way, and those that want to be left alone for a while.
    busy: HashSet<i32>,
    /// While a request is under way it has the session; what is here can end it then, or take its place.
    sessions: HashMap<i32, Session>,
    lookups: Lookups,
    refreshing: bool,
    unrefreshed: Trouble,
    refresh_not_before: Option<Instant>,
}

enum Event {
    Fetched(i32, Vec<Ask>, Session, Result<(FetchResponse, Reading)>),
    /// The time is over for which a broker was not to be asked.
    Rested(i32),
    LookedUp(Vec<Lookup>, Result<PerItem<TopicPartition, OffsetInfo>>),
    Refreshed(Result<()>),
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            events: JoinSet::new(),
            busy: HashSet::new(),
            sessions: HashMap::new(),
            lookups: Lookups::default(),
            refreshing: false,
            unrefreshed: Trouble::default(),
            refresh_not_before: None,
        }
    }

    /// Runs until the consumer is closed.
    pub(super) async fn run(mut self) {
        loop {
            let now = clock::now();
            let cluster = self.shared.core.metadata.cluster();
            let busy = &self.busy;
            let asks = self.shared.with(|buffer| match (buffer.closed, buffer.has_room()) {
                (true, _) => None,
                (false, true) => {
                    let full = buffer.full();
                    let is_busy = |broker| busy.contains(&broker);
                    let mut asks = buffer.cursors.asks_but(&full, now, &cluster, is_busy);
                    if on_recreated(buffer, &self.shared.settings, now) {
                        asks.deadline = Some(now);
                    }
                    Some(asks)
                }
                (false, false) => Some(Asks::default()),
            });
            let Some(asks) = asks else { break };
            let deadline = self.start(asks, now);
            self.wait(deadline).await;
        }
        // Whether brokers hear of it or not, nobody waits for them.
        let _ = tokio::time::timeout(CLOSING, self.end_sessions()).await;
        self.shared.core.pool.release(Lane::Fetch(self.shared.lane));
    }

    /// A broker has room for so many sessions.
    async fn end_sessions(&self) {
        for (broker, session) in &self.sessions {
            let Some(plan) = session.close() else { continue };
            let ended = async {
                let core = &self.shared.core;
                let connection = core.metadata.broker(&core.pool, *broker, Lane::General).await?;
                let version = connection.version::<FetchRequest>(VERSION_MAX)?;
                let request =
                    FetchRequest { max_wait_ms: 0, ..request(&self.shared.settings, &plan, version) };
                connection.call_version(&request, version, Duration::ZERO).await
            };
            if let Err(error) = ended.await {
                debug!(broker, %error, "the fetch session is left to the broker");
            }
        }
    }

    /// Starts what can be done now; the answer is when to look again.
    fn start(&mut self, asks: Asks, now: Instant) -> Option<Instant> {
        let mut deadline = asks.deadline;
        for (broker, asks) in asks.by_broker {
            self.busy.insert(broker);
            let shared = self.shared.clone();
            let place = self.sessions.entry(broker).or_default();
            let mut session = std::mem::replace(place, place.successor());
            self.events.spawn(async move {
                let answer = fetch(&shared, broker, &asks, &mut session).await;
                Event::Fetched(broker, asks, session, answer)
            });
        }
        let cluster = self.shared.core.metadata.cluster();
        for lookups in self.lookups.begin(asks.lookups, &cluster) {
            let core = self.shared.core.clone();
            self.events.spawn(async move {
                let wanted: Vec<_> = lookups.iter().map(|(_, _, at, to)| (at.clone(), *to)).collect();
                let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await;
                Event::LookedUp(lookups, found)
            });
        }
        if asks.refresh && !self.refreshing {
            if let Some(at) = self.refresh_not_before.filter(|at| now < *at) {
                deadline = Some(deadline.map_or(at, |deadline| deadline.min(at)));
            } else {
                self.refreshing = true;
                let shared = self.shared.clone();
                self.events.spawn(async move { Event::Refreshed(refresh(&shared).await) });
            }
        }
        deadline
    }

    async fn wait(&mut self, deadline: Option<Instant>) {
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(event) = self.events.join_next() => match event {
                Ok(event) => self.on_event(event),
                Err(e) => warn!(error = %e, "a task of the consumer failed"),
            },
            () = self.shared.wake.notified() => {}
            () = sleep => {}
        }
    }

    fn on_event(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Fetched(broker, asks, session, answer) => {
                self.sessions.insert(broker, session);
                self.on_fetched(broker, &asks, answer, now);
            }
            Event::Rested(broker) => {
                self.busy.remove(&broker);
            }
            Event::LookedUp(asked, found) => {
                self.lookups.end(&asked);
                self.shared.with(|buffer| lookups::on_answer(buffer, asked, found, now));
            }
            Event::Refreshed(result) => {
                self.refreshing = false;
                self.refresh_not_before = Some(now + self.shared.core.retry.delay(1, rng::unit()));
                match &result {
                    Ok(()) => {
                        if let Some(after) = self.unrefreshed.is_over(now) {
                            info!(?after, "the metadata is refreshed again");
                        }
                    }
                    Err(error) if self.unrefreshed.is_there(now) => warn!(%error, "cannot refresh metadata"),
                    Err(error) => debug!(%error, "still cannot refresh metadata"),
                }
                let cluster = self.shared.core.metadata.cluster();
                self.shared.with(|buffer| on_refresh(buffer, &cluster, result, now));
            }
        }
    }
}

impl Fetcher {
    fn on_fetched(
        &mut self,
        broker: i32,
        asks: &[Ask],
        answer: Result<(FetchResponse, Reading)>,
        now: Instant,
    ) {
        self.busy.remove(&broker);
        let (answer, reading) = match answer {
            Ok(answered) => answered,
            Err(error) => {
                debug!(broker, %error, "fetch failed");
                return self.shared.with(|buffer| {
                    for ask in asks {
                        buffer.fail(ask.index, ask.generation, error.clone(), now, rng::unit());
                    }
                });
            }
        };
        let pause = Duration::from_millis(u64::try_from(answer.throttle_time_ms).unwrap_or_default());
        if !pause.is_zero() {
            debug!(broker, ?pause, "throttled");
            self.busy.insert(broker);
            self.events.spawn(async move {
                tokio::time::sleep(pause).await;
                Event::Rested(broker)
            });
        }
        // A broker that throttles may leave out everything.
        let is_empty = !pause.is_zero() && answer.responses.is_empty();
        if reading == Reading::Forgotten || is_empty {
            return;
        }
        let moved = self.moved(asks, &answer);
        let shared = &self.shared;
        shared.with(|buffer| on_answer(buffer, &shared.settings, asks, (&answer, reading), &moved, now));
    }

    /// The leaders that an answer names, where that is news (KIP-951).
    fn moved(&self, asks: &[Ask], answer: &FetchResponse) -> Moved {
        if answer.node_endpoints.is_empty() {
            return Moved::new();
        }
        let metadata = &self.shared.core.metadata;
        let named = answer.node_endpoints.iter();
        metadata.on_brokers(named.filter_map(|node| Broker::at(node.node_id, &node.host, node.port)));
        let mut moved = Moved::new();
        for (ask, data) in by_ask(asks, answer) {
            let Some(leader) = data.map(|data| &data.current_leader).filter(|leader| leader.leader_id >= 0)
            else {
                continue;
            };
            let leader = Leader { broker: Some(leader.leader_id), epoch: leader.leader_epoch };
            if metadata.on_moved(&ask.at.topic, ask.at.partition, leader) {
                moved.insert(ask.at.clone(), leader);
            }
        }
        moved
    }
}

async fn fetch(
    shared: &Shared,
    broker: i32,
    asks: &[Ask],
    session: &mut Session,
) -> Result<(FetchResponse, Reading)> {
    let core = &shared.core;
    let connection = core.metadata.broker(&core.pool, broker, Lane::Fetch(shared.lane)).await?;
    let have_ids = asks.iter().all(|ask| !ask.topic_id.is_zero());
    let newest = if have_ids { VERSION_MAX } else { TOPIC_IDS_FROM - 1 };
    let version = connection.version::<FetchRequest>(newest)?;
    let wait = Duration::from_millis(u64::try_from(shared.settings.max_wait_ms).unwrap_or_default());
    let request = request(&shared.settings, &session.plan(asks, version), version);
    let mut answer = match connection.call_version(&request, version, wait).await {
        Ok(answer) => answer,
        Err(error) => {
            session.restart();
            return Err(error);
        }
    };
    let reading = session.on_answer(answer.error_code, answer.session_id);
    if reading != Reading::Forgotten {
        answer.error_code.ok().map_err(|code| Error::broker(code, connection.address()))?;
    }
    // Here, not where the answer is taken in: it is work, and nobody waits for it.
    upgrade(&mut answer);
    if shared.with(|buffer| buffer.cursors.are_claimed()) {
        take_apart(&mut answer);
    }
    Ok((answer, reading))
}

async fn refresh(shared: &Shared) -> Result<()> {
    let mut names: Vec<_> = shared.with(|b| b.cursors.iter().map(|cursor| cursor.at.topic.clone()).collect());
    names.sort();
    names.dedup();
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let core = &shared.core;
    let answer = core.metadata.refresh(&core.pool, Wanted::Existing(&names));
    core.within_api_timeout("asking for leaders", answer).await.map(drop)
}

/// Whoever has no leader afterwards counts it as a failure, so that the user hears of it in the end.
fn on_refresh(buffer: &mut Buffer, cluster: &Cluster, result: Result<()>, now: Instant) {
    if result.is_ok() {
        buffer.cursors.on_cluster(cluster);
    }
    for (index, generation, at) in buffer.cursors.without_leader(now) {
        let error = match &result {
            Ok(()) => Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, &at),
            Err(error) => error.clone(),
        };
        buffer.fail(index, generation, error, now, rng::unit());
    }
}

/// A topic that was deleted and created again is read from its beginning: all of it is new. Whether there was one.
fn on_recreated(buffer: &mut Buffer, settings: &Settings, now: Instant) -> bool {
    let recreated = buffer.cursors.take_recreated();
    for (index, generation, at) in &recreated {
        if settings.reset().is_some() {
            warn!(partition = %at, "the topic was deleted and created again: it is read from its beginning");
            continue;
        }
        let message =
            format!("the topic of {at} was deleted and created again: there is no position in the new one");
        let error = Error::new(ErrorKind::OffsetOutOfRange, message)
            .hinted("seek, or set auto.offset.reset to earliest or latest");
        buffer.fail(*index, *generation, error, now, rng::unit());
    }
    if !recreated.is_empty() {
        buffer.drop_stale();
    }
    !recreated.is_empty()
}
