//! The consumer's task: asks the leaders ahead of the user, one request a broker at a time.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::Shared;
use super::batch::{Aborted, Chunk, extent};
use super::buffer::Buffer;
use super::cursor::{Ask, Asks};
use super::upgrade::{trouble, upgrade};
use crate::admin::OffsetInfo;
use crate::config::Reset;
use crate::metadata::{Cluster, Wanted};
use crate::net::Lane;
use crate::protocol::ErrorCode;
use crate::protocol::messages::fetch::{FetchPartition, FetchTopic, PartitionData};
use crate::protocol::messages::{FetchRequest, FetchResponse};
use crate::protocol::records::BatchError;
use crate::protocol::wire::RecordBytes;
use crate::{Error, ErrorKind, PerItem, Position, Result, TopicPartition, clock, rng};

/// The newest version without topic ids.
pub(crate) const VERSION_MAX: i16 = 12;
/// The oldest version that bounds the whole answer, and brings a first message that is larger than was asked for
/// (KIP-74).
const WHOLE_ANSWER_FROM: i16 = 3;

/// What the configuration says about fetching.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) min_bytes: i32,
    pub(super) max_wait_ms: i32,
    pub(super) max_bytes: i32,
    pub(super) isolation: i8,
    /// Where to go on when a position is outside of its partition.
    pub(super) reset: Reset,
    pub(super) check_crcs: bool,
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
    /// Brokers with a request under way.
    busy: HashSet<i32>,
    looking_up: bool,
    refreshing: bool,
    refresh_not_before: Option<Instant>,
}

enum Event {
    Fetched(i32, Vec<Ask>, Result<FetchResponse>),
    LookedUp(Vec<(usize, u32, TopicPartition, Position)>, Result<PerItem<TopicPartition, OffsetInfo>>),
    Refreshed(Result<()>),
}

impl Fetcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            events: JoinSet::new(),
            busy: HashSet::new(),
            looking_up: false,
            refreshing: false,
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
                    Some(buffer.cursors.asks_but(&full, now, &cluster, is_busy))
                }
                (false, false) => Some(Asks::default()),
            });
            let Some(asks) = asks else { break };
            let deadline = self.start(asks, now);
            self.wait(deadline).await;
        }
        self.shared.core.pool.release(Lane::Fetch(self.shared.lane));
    }

    /// Starts what can be done now; the answer is when to look again.
    fn start(&mut self, asks: Asks, now: Instant) -> Option<Instant> {
        let mut deadline = asks.deadline;
        for (broker, asks) in asks.by_broker {
            self.busy.insert(broker);
            let shared = self.shared.clone();
            self.events.spawn(async move {
                let answer = fetch(&shared, broker, &asks).await;
                Event::Fetched(broker, asks, answer)
            });
        }
        if !asks.lookups.is_empty() && !self.looking_up {
            self.looking_up = true;
            let core = self.shared.core.clone();
            self.events.spawn(async move {
                let wanted: Vec<_> = asks.lookups.iter().map(|(_, _, at, to)| (at.clone(), *to)).collect();
                let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await;
                Event::LookedUp(asks.lookups, found)
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
            Event::Fetched(broker, asks, answer) => {
                self.busy.remove(&broker);
                let shared = &self.shared;
                shared.with(|buffer| match answer {
                    Ok(answer) => on_answer(buffer, &shared.settings, &asks, &answer, now),
                    Err(error) => {
                        debug!(broker, %error, "fetch failed");
                        for ask in asks {
                            buffer.fail(ask.index, ask.generation, error.clone(), now, rng::unit());
                        }
                    }
                });
            }
            Event::LookedUp(asked, found) => {
                self.looking_up = false;
                self.shared.with(|buffer| on_lookup(buffer, asked, found, now));
            }
            Event::Refreshed(result) => {
                self.refreshing = false;
                self.refresh_not_before = Some(now + self.shared.core.retry.delay(1, rng::unit()));
                if let Err(error) = &result {
                    warn!(%error, "cannot refresh metadata");
                }
                let cluster = self.shared.core.metadata.cluster();
                self.shared.with(|buffer| on_refresh(buffer, &cluster, result, now));
            }
        }
    }
}

async fn fetch(shared: &Shared, broker: i32, asks: &[Ask]) -> Result<FetchResponse> {
    let core = &shared.core;
    let connection = core.metadata.broker(&core.pool, broker, Lane::Fetch(shared.lane)).await?;
    let version = connection.version::<FetchRequest>(VERSION_MAX)?;
    let wait = Duration::from_millis(u64::try_from(shared.settings.max_wait_ms).unwrap_or_default());
    let request = request(&shared.settings, asks, version);
    let mut answer = connection.call_version(&request, version, wait).await?;
    answer.error_code.ok().map_err(|code| Error::broker(code, connection.address()))?;
    // Here, not where the answer is taken in: it is work, and nobody waits for it.
    upgrade(&mut answer);
    Ok(answer)
}

fn request(settings: &Settings, asks: &[Ask], version: i16) -> FetchRequest {
    // Where only the partitions are bounded, their sum must be what we take.
    let share = settings.max_bytes / i32::try_from(asks.len().max(1)).unwrap_or(i32::MAX);
    let share = if version < WHOLE_ANSWER_FROM { share } else { i32::MAX };
    let mut topics: Vec<FetchTopic> = Vec::new();
    for ask in asks {
        let partition = FetchPartition {
            partition: ask.at.partition,
            current_leader_epoch: ask.leader_epoch,
            fetch_offset: ask.offset,
            partition_max_bytes: if ask.grown { ask.max_bytes } else { ask.max_bytes.min(share) },
            ..Default::default()
        };
        match topics.iter_mut().find(|topic| *topic.topic == *ask.at.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchTopic {
                topic: ask.at.topic.to_string(),
                partitions: vec![partition],
                ..Default::default()
            }),
        }
    }
    FetchRequest {
        max_wait_ms: settings.max_wait_ms,
        min_bytes: settings.min_bytes,
        max_bytes: settings.max_bytes,
        isolation_level: settings.isolation,
        topics,
        ..Default::default()
    }
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

fn on_answer(buffer: &mut Buffer, settings: &Settings, asks: &[Ask], answer: &FetchResponse, now: Instant) {
    let mut waiting: HashMap<(&str, i32), &Ask> =
        asks.iter().map(|ask| ((&*ask.at.topic, ask.at.partition), ask)).collect();
    for topic in &answer.responses {
        for data in &topic.partitions {
            // What nobody asked for is ignored, and so is a second answer for one partition.
            let Some(ask) = waiting.remove(&(topic.topic.as_str(), data.partition_index)) else { continue };
            if let Err(error) = on_partition(buffer, settings, ask, data, now) {
                buffer.fail(ask.index, ask.generation, error, now, rng::unit());
            }
        }
    }
    for ask in waiting.into_values() {
        let error = Error::new(ErrorKind::Protocol, "the broker did not answer for a partition");
        buffer.fail(ask.index, ask.generation, error, now, rng::unit());
    }
}

fn on_partition(
    buffer: &mut Buffer,
    settings: &Settings,
    ask: &Ask,
    data: &PartitionData,
    now: Instant,
) -> Result<()> {
    let Some(cursor) = buffer.cursors.current(ask.index, ask.generation) else { return Ok(()) };
    match data.error_code {
        ErrorCode::NONE => {}
        ErrorCode::OFFSET_OUT_OF_RANGE if !cursor.is_drained() => {
            // What was fetched before is the user's all the same; the position itself is not out of range yet.
            buffer.cursors.hold(ask.index, now);
            return Ok(());
        }
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            let Some(to) = settings.reset() else {
                return Err(Error::broker(
                    data.error_code,
                    format_args!("{} at offset {}", ask.at, ask.offset),
                )
                .hinted("seek, or set auto.offset.reset to earliest or latest"));
            };
            warn!(topic = %ask.at.topic, partition = ask.at.partition, offset = ask.offset, "position out of range: reset");
            cursor.reset(to);
            return Ok(());
        }
        code => return Err(Error::broker(code, &ask.at)),
    }
    let mut bytes = match &data.records {
        Some(RecordBytes::Here(bytes)) => bytes.clone(),
        Some(RecordBytes::External { .. }) | None => bytes::Bytes::new(),
    };
    let damaged = |e| Error::from(e).hinted("seek behind it");
    match trouble(&bytes) {
        Some(BatchError::Truncated { need, .. }) => {
            let need = i32::try_from(need).unwrap_or(i32::MAX);
            if need > settings.max_bytes {
                return Err(too_large(ask, need, settings.max_bytes));
            }
            cursor.on_answer(data.high_watermark, None);
            cursor.ask_for_more(need);
            return Ok(());
        }
        Some(e) => return Err(damaged(e)),
        None => {}
    }
    let (end, next) = extent(&bytes).map_err(damaged)?;
    cursor.on_answer(data.high_watermark, next);
    if end == 0 {
        if !bytes.is_empty() {
            cursor.ask_for_more(0);
        }
        return Ok(());
    }
    bytes.truncate(end);
    let committed = settings.isolation == 1;
    let aborted = committed.then(|| Aborted::new(data.aborted_transactions.clone().unwrap_or_default()));
    let progress = cursor.progress.clone();
    buffer.add(Chunk::new(ask, bytes, data.high_watermark, aborted, progress));
    Ok(())
}

/// An old broker cuts messages where the answer ends, and we do not take as much as this one needs.
fn too_large(ask: &Ask, need: i32, limit: i32) -> Error {
    let at = format!("{} at offset {}", ask.at, ask.offset);
    Error::new(ErrorKind::TooLarge, format!("a message of {need} bytes in {at}, fetch.max.bytes is {limit}"))
        .hinted("raise fetch.max.bytes, or seek behind it")
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

fn on_lookup(
    buffer: &mut Buffer,
    asked: Vec<(usize, u32, TopicPartition, Position)>,
    found: Result<PerItem<TopicPartition, OffsetInfo>>,
    now: Instant,
) {
    let results: Vec<Result<OffsetInfo>> = match found {
        Ok(found) => found.into_iter().map(|(_, result)| result).collect(),
        Err(e) => asked.iter().map(|_| Err(e.clone())).collect(),
    };
    for ((index, generation, at, to), result) in asked.into_iter().zip(results) {
        let Some(cursor) = buffer.cursors.current(index, generation) else { continue };
        match result {
            Ok(info) if info.offset >= 0 => {
                buffer.move_to(&at, info.offset);
            }
            // No record is that young: the end is the first place where one will be.
            Ok(_) => cursor.lookup = (to != Position::End).then_some(Position::End),
            Err(e) => buffer.fail(index, generation, e, now, rng::unit()),
        }
    }
}
