//! Fetch, versions 0 to 12, and for followers up to 15.
//!
//! The shards say where the records lie; the connection sends them from there. Too few bytes: wait until one of the
//! partitions moves, which brings what it has, or the time is up. Version 7 brings fetch sessions (KIP-227), 12 names the leader when
//! it is another, 13 names topics by their ids.
//!
//! A request with a replica's id is a follower's: it reads up to the end of the log, and where it reads tells what it has.
//!
//! Up to version 3 the records are converted to message sets, of format v0 up to version 1 and of v1 after it. A message
//! that is larger than what was asked for is sent all the same: such clients have no other way past it. zstd is refused
//! there; up to version 9 it is sent to clients that cannot read it, as by Kafka, for nothing is unpacked to find it.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::messages::fetch::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
};
use kinglet_protocol::messages::{FetchRequest, FetchResponse};
use kinglet_protocol::records::legacy::MessageFormat;
use kinglet_protocol::{ErrorCode, RecordBytes, Uuid};
use tokio::sync::OwnedSemaphorePermit;

use crate::convert::{Room, Wanted};
use crate::log::FileSlice;
use crate::meta::image::Image;
use crate::sessions::{Asked, Key, Line, Told, TopicRef};
use crate::shard::command::{Fetcher, ReadRecords, ReadReply, Waiter};
use crate::{Context, clock, stopped};
use plan::{Found, Plan};

/// The longest wait that is granted; a longer one would only keep dead clients' requests alive.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The most record bytes of one response, as Kafka's default for `fetch.max.bytes`. A request may name one partition many
/// times; what it asks for need not fit the response's length prefix.
const MAX_BYTES: usize = 55 * 1024 * 1024;
/// The first version whose clients know that a disk may fail (KIP-112); before, they look for another leader.
const STORAGE_ERROR_FROM: i16 = 6;
/// The first version in which a follower says which life of its broker it is (KIP-903).
const STATE_FROM: i16 = 15;
/// The first version that may name the leader.
const LEADER_FROM: i16 = 12;
/// The first version that names topics by their ids (KIP-516).
const IDS_FROM: i16 = 13;
/// The first version with sessions; the requests before have no epoch that could ask for one.
const SESSIONS_FROM: i16 = 7;

/// A response, and what its records are taken from.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) response: FetchResponse,
    pub(crate) slices: Vec<FileSlice>,
    /// Room that converted records take until they are sent.
    pub(crate) held: Option<OwnedSemaphorePermit>,
}

pub(crate) async fn handle(ctx: &Arc<Context>, version: i16, request: FetchRequest) -> Fetched {
    let fetcher = fetcher(version, &request);
    let limits = Limits::new(&request);
    let asked = Asked {
        session_id: request.session_id,
        session_epoch: if version < SESSIONS_FROM { -1 } else { request.session_epoch },
        by_id: version >= IDS_FROM,
        is_follower: fetcher.is_some(),
        now: clock::now(),
    };
    let (lines, forgotten) = lines(request);
    let refused = |error_code| Fetched {
        response: FetchResponse { error_code, ..Default::default() },
        ..Default::default()
    };
    let fetch = match ctx.sessions.open(asked, lines, forgotten) {
        Ok(fetch) => fetch,
        Err(code) => return refused(code),
    };
    let plan = Plan::new(ctx, version, &limits, fetcher, &fetch.lines);
    let answers = find(ctx, &plan, &limits, fetcher).await;
    let mut answered = answer(ctx, version, &limits, (&fetch.lines, &plan), answers);
    let mut held = None;
    if let Some(format) = message_format(version) {
        held = convert(ctx, format, &fetch.lines, &mut answered).await;
    }
    let told: Vec<Told> = answered.data.iter().map(told).collect();
    match ctx.sessions.close(&fetch, &told) {
        Ok((session_id, are_news)) => {
            let keys = fetch.lines.into_iter().map(|line| line.key);
            let news = keys.zip(answered.data).zip(are_news).filter(|(_, is_news)| *is_news);
            let responses = by_topic(news.map(|(answer, _)| answer));
            let response = FetchResponse { session_id, responses, ..Default::default() };
            Fetched { response, slices: answered.slices, held }
        }
        Err(code) => refused(code),
    }
}

/// The newest format that clients of this version read, if that is an old one.
fn message_format(version: i16) -> Option<MessageFormat> {
    match version {
        ..=1 => Some(MessageFormat::V0),
        2..=3 => Some(MessageFormat::V1),
        4.. => None,
    }
}

/// The follower that sends the request, if it is one: what it has is told by where it reads.
fn fetcher(version: i16, request: &FetchRequest) -> Option<Fetcher> {
    let state = &request.replica_state;
    let (id, broker_epoch) = match version {
        ..STATE_FROM => (request.replica_id, -1),
        STATE_FROM.. => (state.replica_id, state.replica_epoch),
    };
    (id >= 0).then_some(Fetcher { id, broker_epoch, is_new: true })
}

/// How long and how much.
struct Limits {
    wait: Duration,
    min_bytes: usize,
    max_bytes: usize,
}

impl Limits {
    fn new(request: &FetchRequest) -> Self {
        Self {
            wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT),
            min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
            max_bytes: usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_BYTES),
        }
    }
}

/// The partitions of a request, and those that it forgets.
fn lines(request: FetchRequest) -> (Vec<Line>, Vec<Key>) {
    let named = |name: String, id: Uuid| TopicRef { name: name.into(), id };
    let mut lines = Vec::new();
    for topic in request.topics {
        let name = named(topic.topic, topic.topic_id);
        lines.extend(topic.partitions.into_iter().map(|asked| Line {
            key: Key { topic: name.clone(), index: asked.partition },
            current_leader_epoch: asked.current_leader_epoch,
            fetch_offset: asked.fetch_offset,
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start: asked.log_start_offset,
            max_bytes: asked.partition_max_bytes,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in request.forgotten_topics_data {
        let name = named(topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.into_iter().map(|index| Key { topic: name.clone(), index }));
    }
    (lines, forgotten)
}

/// Waits until there is enough, or the time is up.
async fn find(
    ctx: &Arc<Context>,
    plan: &Plan,
    limits: &Limits,
    mut fetcher: Option<Fetcher>,
) -> Vec<Result<ReadReply, ErrorCode>> {
    let deadline = clock::now() + limits.wait;
    let mut stop = ctx.stop.clone();
    loop {
        let waiter = (!limits.wait.is_zero()).then(|| Arc::new(Waiter::default()));
        let mut found = plan.read(ctx, fetcher, waiter.as_ref()).await;
        if let Some(fetcher) = &mut fetcher {
            fetcher.is_new = false;
        }
        let Some(waiter) = waiter else { return found.replies };
        let is_enough = |found: &Found| found.bytes >= limits.min_bytes || found.is_urgent;
        if is_enough(&found) || clock::now() >= deadline {
            return found.replies;
        }
        tokio::select! {
            replies = waiter.moved() => {
                replies.into_iter().for_each(|reply| plan.take(ctx, reply, &mut found));
                if is_enough(&found) {
                    return found.replies;
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                // Whatever has moved says so: those that have not are as they were, and there may be thousands of them.
                waiter.taken().into_iter().for_each(|reply| plan.take(ctx, reply, &mut found));
                return found.replies;
            }
            () = stopped(&mut stop) => return found.replies,
        }
    }
}

/// What is sent.
struct Answered {
    /// By line.
    data: Vec<PartitionData>,
    slices: Vec<FileSlice>,
}

/// Puts the replies into the byte limit of the request. The first records are sent even when they alone are larger, so that a
/// consumer with a small limit still gets on (KIP-74).
fn answer(
    ctx: &Context,
    version: i16,
    limits: &Limits,
    (lines, plan): (&[Line], &Plan),
    replies: Vec<Result<ReadReply, ErrorCode>>,
) -> Answered {
    let image = ctx.meta.image();
    let mut slices: Vec<FileSlice> = Vec::new();
    let mut left = limits.max_bytes;
    let mut all = Vec::with_capacity(lines.len());
    for (slot, (line, reply)) in lines.iter().zip(replies).enumerate() {
        let (mut data, slice) = partition_data(line.key.index, reply);
        if version >= LEADER_FROM {
            data.current_leader = leader(&image, version, &line.key, data.error_code);
        }
        if version < STORAGE_ERROR_FROM && data.error_code == ErrorCode::KAFKA_STORAGE_ERROR {
            data.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        }
        if let Some(slice) = slice.filter(|slice| slices.is_empty() || slice.len <= left) {
            left = left.saturating_sub(slice.len);
            plan.sent(ctx, slot, slice.len);
            // As many slices as partitions in one request: they fit.
            let id = u32::try_from(slices.len()).unwrap_or(u32::MAX);
            data.records = Some(RecordBytes::external(id, slice.len));
            slices.push(slice);
        }
        all.push(data);
    }
    Answered { data: all, slices }
}

/// Who leads, as far as this broker knows, for whoever asked another or in another epoch.
fn leader(image: &Image, version: i16, key: &Key, code: ErrorCode) -> LeaderIdAndEpoch {
    let (ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH) = code else {
        return LeaderIdAndEpoch::default();
    };
    let topic =
        if version >= IDS_FROM { image.topic_by_id(key.topic.id) } else { image.topic(&key.topic.name) };
    let partition = topic.and_then(|topic| image.partition(topic.id, key.index));
    partition.map_or_else(LeaderIdAndEpoch::default, |partition| LeaderIdAndEpoch {
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
    })
}

fn told(data: &PartitionData) -> Told {
    Told {
        high_watermark: data.high_watermark,
        log_start_offset: data.log_start_offset,
        has_records: matches!(data.records, Some(RecordBytes::External { .. })),
        is_trouble: data.error_code.is_err() || data.diverging_epoch.epoch >= 0,
    }
}

/// Partitions of one topic that lie side by side are told together.
fn by_topic(answers: impl Iterator<Item = (Key, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<(TopicRef, FetchableTopicResponse)> = Vec::new();
    for (key, data) in answers {
        match topics.last_mut().filter(|(topic, _)| *topic == key.topic) {
            Some((_, topic)) => topic.partitions.push(data),
            None => {
                let topic = FetchableTopicResponse {
                    topic: key.topic.name.to_string(),
                    topic_id: key.topic.id,
                    partitions: vec![data],
                };
                topics.push((key.topic, topic));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}

/// Puts message sets in the place of what was found in the logs.
async fn convert(
    ctx: &Context,
    format: MessageFormat,
    lines: &[Line],
    answered: &mut Answered,
) -> Option<OwnedSemaphorePermit> {
    if answered.slices.is_empty() {
        return None;
    }
    let mut room = ctx.conversions.room().await;
    let mut slices = std::mem::take(&mut answered.slices).into_iter();
    for (line, answer) in lines.iter().zip(&mut answered.data) {
        if !matches!(answer.records, Some(RecordBytes::External { .. })) {
            continue;
        }
        answer.records = Some(RecordBytes::default());
        let (Some(slice), Some(room)) = (slices.next(), &mut room) else { continue };
        if room.is_full() {
            continue;
        }
        let wanted = Wanted { slice, offset: line.fetch_offset };
        match ctx.conversions.downgrade(wanted, format, room).await {
            Ok(set) => answer.records = Some(set.into()),
            Err(error) => {
                tracing::debug!(partition = line.key.index, %error, "records not converted");
                answer.error_code = error.code();
            }
        }
    }
    room.map(Room::shrink)
}

fn partition_data(index: i32, reply: Result<ReadReply, ErrorCode>) -> (PartitionData, Option<FileSlice>) {
    let mut data = PartitionData {
        partition_index: index,
        high_watermark: -1,
        // Null would end in a null pointer in old Java clients, which expect records even beside an error.
        records: Some(RecordBytes::default()),
        ..Default::default()
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(code) => {
            data.error_code = code;
            return (data, None);
        }
    };
    data.high_watermark = reply.high_watermark;
    data.last_stable_offset = reply.high_watermark;
    data.log_start_offset = reply.log_start_offset;
    match reply.records {
        Ok(ReadRecords::Slice(slice)) => (data, slice),
        Ok(ReadRecords::Diverging { epoch, end_offset }) => {
            data.diverging_epoch = EpochEndOffset { epoch, end_offset };
            (data, None)
        }
        Err(error) => {
            data.error_code = error;
            (data, None)
        }
    }
}
