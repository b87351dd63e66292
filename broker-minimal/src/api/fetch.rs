//! Fetch, versions 0 to 12.
//!
//! The shards say where the records lie; the connection sends them from there. Too few bytes: wait until one of the
//! partitions moves or the time is up, then ask once more. Fetch sessions (version 7, KIP-227) are always answered with
//! session 0, which tells the client to go on with full requests.
//!
//! Up to version 3 the records are converted to message sets, of format v0 up to version 1 and of v1 after it. A message
//! that is larger than what was asked for is sent all the same: such clients have no other way past it. zstd is refused
//! there; up to version 9 it is sent to clients that cannot read it, as by Kafka, for nothing is unpacked to find it.

use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::messages::fetch::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use kinglet_protocol::messages::{FetchRequest, FetchResponse};
use kinglet_protocol::records::legacy::MessageFormat;
use kinglet_protocol::{ErrorCode, RecordBytes};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::convert::{Room, Wanted};
use crate::log::FileSlice;
use crate::shard::command::{Read, ReadAt, ReadRecords, ReadReply};
use crate::shard::{Command, PartitionId};
use crate::{Context, clock, stopped};

/// The longest wait that is granted; a longer one would only keep dead clients' requests alive.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// The most record bytes of one response, as Kafka's default for `fetch.max.bytes`. A request may name one partition many
/// times; what it asks for need not fit the response's length prefix.
const MAX_BYTES: usize = 55 * 1024 * 1024;
/// The epoch of a request outside of any session.
const SESSIONLESS: i32 = -1;

/// The first version whose clients know that a disk may fail (KIP-112); before, they look for another leader.
const STORAGE_ERROR_FROM: i16 = 6;

/// A response, and what its records are taken from.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) response: FetchResponse,
    pub(crate) slices: Vec<FileSlice>,
    /// Room that converted records take until they are sent.
    pub(crate) held: Option<OwnedSemaphorePermit>,
}

pub(crate) async fn handle(ctx: &Arc<Context>, version: i16, request: FetchRequest) -> Fetched {
    let in_session = version >= 7 && (request.session_id != 0 || request.session_epoch > 0);
    if in_session && request.session_epoch != SESSIONLESS {
        let error_code = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
        let response = FetchResponse { error_code, ..Default::default() };
        return Fetched { response, ..Default::default() };
    }
    let (response, slices) = find(ctx, &request).await;
    let mut fetched = match message_format(version) {
        None => Fetched { response, slices, held: None },
        Some(format) => convert(ctx, format, &request, response, slices).await,
    };
    if version < STORAGE_ERROR_FROM {
        let partitions = fetched.response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
        for partition in partitions.filter(|partition| partition.error_code == ErrorCode::KAFKA_STORAGE_ERROR)
        {
            partition.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
        }
    }
    fetched
}

/// The newest format that clients of this version read, if that is an old one.
fn message_format(version: i16) -> Option<MessageFormat> {
    match version {
        ..=1 => Some(MessageFormat::V0),
        2..=3 => Some(MessageFormat::V1),
        4.. => None,
    }
}

/// Waits until there is enough, or the time is up.
async fn find(ctx: &Arc<Context>, request: &FetchRequest) -> (FetchResponse, Vec<FileSlice>) {
    let plan = Plan::new(ctx, request);
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let deadline = clock::now() + wait;
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let mut stop = ctx.stop.clone();
    loop {
        let waiter = (!wait.is_zero()).then(|| Arc::new(Notify::new()));
        let found = plan.read(ctx, waiter.as_ref()).await;
        let Some(waiter) = waiter else { return plan.respond(found) };
        if found.bytes >= min_bytes || found.is_urgent || clock::now() >= deadline {
            return plan.respond(found);
        }
        tokio::select! {
            () = waiter.notified() => {}
            () = tokio::time::sleep_until(deadline.into()) => return plan.respond(plan.read(ctx, None).await),
            () = stopped(&mut stop) => return plan.respond(found),
        }
    }
}

/// Which partition each line of the request means.
struct Plan<'a> {
    request: &'a FetchRequest,
    max_bytes: usize,
    /// By shard.
    reads: Vec<Vec<ReadAt>>,
    slots: usize,
}

/// What the shards gave.
struct Found {
    /// By slot, in the order of the request; `None` for a partition that no shard was asked for.
    replies: Vec<Option<ReadReply>>,
    bytes: usize,
    /// An error or a divergence: the client should know at once.
    is_urgent: bool,
}

impl<'a> Plan<'a> {
    fn new(ctx: &Context, request: &'a FetchRequest) -> Self {
        let image = ctx.meta.image();
        let max_bytes = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_BYTES);
        let mut reads = vec![Vec::new(); ctx.shards.count()];
        let mut slots = 0;
        for topic in &request.topics {
            let known = image.topic(&topic.topic);
            for partition in &topic.partitions {
                let slot = slots;
                slots += 1;
                let Some(known) = known else { continue };
                let id = PartitionId { topic: known.id, index: partition.partition };
                let at = ReadAt {
                    id,
                    slot,
                    offset: partition.fetch_offset,
                    max_bytes: usize::try_from(partition.partition_max_bytes).unwrap_or(0).min(max_bytes),
                    current_leader_epoch: partition.current_leader_epoch,
                    last_fetched_epoch: partition.last_fetched_epoch,
                };
                if let Some(shard) = reads.get_mut(ctx.shards.index_of(id)) {
                    shard.push(at);
                }
            }
        }
        Self { request, max_bytes, reads, slots }
    }

    async fn read(&self, ctx: &Context, waiter: Option<&Arc<Notify>>) -> Found {
        let mut answers = Vec::with_capacity(self.reads.len());
        for (shard, reads) in self.reads.iter().enumerate().filter(|(_, reads)| !reads.is_empty()) {
            let (reply, answer) = oneshot::channel();
            let read = Read { reads: reads.clone(), waiter: waiter.cloned(), reply };
            if ctx.shards.send_to(shard, Command::Read(read)).await.is_ok() {
                answers.push(answer);
            }
        }
        let mut found = Found { replies: Vec::new(), bytes: 0, is_urgent: false };
        found.replies.resize_with(self.slots, || None);
        for answer in answers {
            for reply in answer.await.unwrap_or_default() {
                match &reply.records {
                    Ok(ReadRecords::Slice(slice)) => {
                        found.bytes += slice.as_ref().map_or(0, |slice| slice.len)
                    }
                    Ok(ReadRecords::Diverging { .. }) | Err(_) => found.is_urgent = true,
                }
                let slot = reply.slot;
                if let Some(place) = found.replies.get_mut(slot) {
                    *place = Some(reply);
                }
            }
        }
        found.is_urgent |= found.replies.iter().any(Option::is_none);
        found
    }

    /// Puts the replies in the order of the request, within its byte limit. The first records are sent even when
    /// they alone are larger, so that a consumer with a small limit still gets on (KIP-74).
    fn respond(&self, found: Found) -> (FetchResponse, Vec<FileSlice>) {
        let mut replies = found.replies.into_iter();
        let mut slices: Vec<FileSlice> = Vec::new();
        let mut left = self.max_bytes;
        let mut responses = Vec::with_capacity(self.request.topics.len());
        for topic in &self.request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let (mut data, slice) = partition_data(partition.partition, replies.next().flatten());
                if let Some(slice) = slice.filter(|slice| slices.is_empty() || slice.len <= left) {
                    left = left.saturating_sub(slice.len);
                    // As many slices as partitions in one request: they fit.
                    let id = u32::try_from(slices.len()).unwrap_or(u32::MAX);
                    data.records = Some(RecordBytes::external(id, slice.len));
                    slices.push(slice);
                }
                partitions.push(data);
            }
            responses.push(FetchableTopicResponse {
                topic: topic.topic.clone(),
                partitions,
                ..Default::default()
            });
        }
        (FetchResponse { responses, ..Default::default() }, slices)
    }
}

/// Puts message sets in the place of what was found in the logs.
async fn convert(
    ctx: &Context,
    format: MessageFormat,
    request: &FetchRequest,
    mut response: FetchResponse,
    slices: Vec<FileSlice>,
) -> Fetched {
    if slices.is_empty() {
        return Fetched { response, ..Default::default() };
    }
    let mut room = ctx.conversions.room().await;
    let mut slices = slices.into_iter();
    // The response has the partitions of the request, in its order.
    let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
    let answers = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
    for (asked, answer) in asked.zip(answers) {
        if !matches!(answer.records, Some(RecordBytes::External { .. })) {
            continue;
        }
        answer.records = Some(RecordBytes::default());
        let (Some(slice), Some(room)) = (slices.next(), &mut room) else { continue };
        if room.is_full() {
            continue;
        }
        let wanted = Wanted { slice, offset: asked.fetch_offset };
        match ctx.conversions.downgrade(wanted, format, room).await {
            Ok(set) => answer.records = Some(set.into()),
            Err(error) => {
                tracing::debug!(partition = asked.partition, %error, "records not converted");
                answer.error_code = error.code();
            }
        }
    }
    Fetched { response, slices: Vec::new(), held: room.map(Room::shrink) }
}

fn partition_data(index: i32, reply: Option<ReadReply>) -> (PartitionData, Option<FileSlice>) {
    let mut data = PartitionData {
        partition_index: index,
        high_watermark: -1,
        // Null would end in a null pointer in old Java clients, which expect records even beside an error.
        records: Some(RecordBytes::default()),
        ..Default::default()
    };
    let Some(reply) = reply else {
        data.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return (data, None);
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
