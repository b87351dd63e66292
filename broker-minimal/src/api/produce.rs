//! Produce, versions 0 to 10.
//!
//! Appending fixes the order, so the connection reads on as soon as every shard has its batches; the response is
//! finished by the connection's answering side. Up to version 2 a client may send a message set of the formats before v2,
//! of which one batch is made; from 3 on batches alone are taken. A set whose end is cut off is refused; Kafka keeps the
//! whole messages of it and says nothing. Version 7 is the first that may carry zstd, 8 says why a batch was
//! refused and for which of its records (KIP-467), 10 names the leader when it is another, and where it is (KIP-951).
//!
//! With acks=all a batch is answered once the whole ISR has it, or when the request's timeout is over. All partitions of a request
//! wait at the same time.

mod faults;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData,
    PartitionProduceResponse, TopicProduceResponse,
};
use kinglet_protocol::messages::{ProduceRequest, ProduceResponse};
use kinglet_protocol::records::legacy::MessageFormat;
use kinglet_protocol::records::{Batch, BatchError, Compression, Depth, MAGIC_AT, validate};
use kinglet_protocol::{EncodeError, ErrorCode, RecordBytes, RequestHeader, encode_response};
use tokio::sync::oneshot;

use crate::convert::ConvertError;
use crate::log::{AppendError, Appended};
use crate::meta::image::Topic;
use crate::meta::name;
use crate::replica::Acks;
use crate::server::Response;
use crate::shard::command::{Append, AppendFailure};
use crate::shard::{Command, PartitionId};
use crate::{Context, Reachable, clock};

/// Records of compacted topics are decoded to see that each has a key; a batch may not unpack to more than this.
const UNPACK_LIMIT: usize = 64 * 1024 * 1024;
/// The first version that carries batches and nothing else.
const BATCHES_FROM: i16 = 3;
/// The first version whose clients know that a disk may fail (KIP-112); before, they look for another leader.
const STORAGE_ERROR_FROM: i16 = 4;
/// The first version that may name the leader (KIP-951).
const LEADER_FROM: i16 = 10;
/// `acks` of a client that waits for the whole ISR.
const ALL: i16 = -1;
/// The first version that may carry zstd (KIP-110).
const ZSTD_FROM: i16 = 7;

/// The only client that may write to the topics of the protocol itself, as with Kafka.
const ADMIN_CLIENT: &str = "__admin_client";

/// A produce whose records were handed to their shards.
pub(crate) struct Pending {
    header: RequestHeader,
    acks: i16,
    timeout: Duration,
    /// Knows who leads.
    ctx: Arc<Context>,
    topics: Vec<PendingTopic>,
    /// How many records the answer names as being at fault.
    faults: usize,
}

struct PendingTopic {
    name: String,
    partitions: Vec<(i32, Outcome)>,
}

enum Outcome {
    Refused(Refused),
    Waiting(oneshot::Receiver<Result<Appended, AppendFailure>>),
}

/// An error with what the client is told about it.
struct Refused {
    code: ErrorCode,
    why: Option<String>,
    /// The records at fault, where it is not the whole batch.
    records: Vec<BatchIndexAndErrorMessage>,
}

impl Refused {
    fn new(code: ErrorCode, why: Option<String>) -> Self {
        Self { code, why, records: Vec::new() }
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, None)
    }
}

impl From<ConvertError> for Refused {
    fn from(error: ConvertError) -> Self {
        Self::new(error.code(), Some(error.to_string()))
    }
}

/// Checks every batch and hands it to the owner of its partition.
pub(crate) async fn start(ctx: &Arc<Context>, header: RequestHeader, request: ProduceRequest) -> Pending {
    let mut pending = Pending {
        acks: request.acks,
        timeout: Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)),
        ctx: Arc::clone(ctx),
        topics: Vec::with_capacity(request.topic_data.len()),
        faults: 0,
        header,
    };
    let image = ctx.meta.image();
    let now_ms = clock::now_ms();
    let mut seen: HashSet<PartitionId> = HashSet::new();
    for data in request.topic_data {
        let topic = image.topic(&data.name);
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let index = partition.index;
            let outcome = match check(ctx, topic.map(|t| &**t), partition, &pending).await {
                // Which of the two comes first could not be told from the answer.
                Ok((id, _)) if !seen.insert(id) => Outcome::Refused(ErrorCode::INVALID_REQUEST.into()),
                Ok((id, batches)) => match image.replica(id.topic, id.index, ctx.node_id) {
                    Ok(_) => pending.append(ctx, id, batches, now_ms).await,
                    Err(code) => Outcome::Refused(code.into()),
                },
                Err(refused) => {
                    pending.faults += refused.records.len();
                    Outcome::Refused(refused)
                }
            };
            partitions.push((index, outcome));
        }
        pending.topics.push(PendingTopic { name: data.name, partitions });
    }
    pending
}

/// Everything that can be said about the batches of one partition before its log is asked.
async fn check(
    ctx: &Context,
    topic: Option<&Topic>,
    data: PartitionProduceData,
    request: &Pending,
) -> Result<(PartitionId, Vec<Batch>), Refused> {
    if !(-1..=1).contains(&request.acks) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
    }
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if name::is_internal(&topic.name) && request.header.client_id.as_deref() != Some(ADMIN_CLIENT) {
        let why = format!("Cannot append to internal topic {}", topic.name);
        return Err(Refused::new(ErrorCode::INVALID_TOPIC_EXCEPTION, Some(why)));
    }
    let known = usize::try_from(data.index).is_ok_and(|index| index < topic.partitions.len());
    if !known {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into());
    }
    let records = data.records.map(RecordBytes::into_bytes).unwrap_or_default();
    let batches = match (message_format(&records), request.header.version) {
        (None, _) => split(records)?,
        (Some(_), ..BATCHES_FROM) => vec![ctx.conversions.upgrade(records).await?],
        (Some(_), _) => {
            return Err(invalid("from version 3 on a produce request takes record format 2 alone"));
        }
    };
    let policy = topic.configs.get("cleanup.policy");
    let is_compacted =
        policy.map_or_else(|| ctx.storage.config().log.compact, |policy| policy.contains("compact"));
    for batch in &batches {
        check_batch(batch, request.header.version, is_compacted)?;
        if is_compacted {
            let room = faults::room(request.header.version, request.faults);
            faults::check_keys(batch, &format!("{}-{}", topic.name, data.index), room)?;
        }
    }
    Ok((PartitionId { topic: topic.id, index: data.index }, batches))
}

/// The format of what a client sent, if it is an old one: that of the first message.
fn message_format(records: &[u8]) -> Option<MessageFormat> {
    records.get(MAGIC_AT).and_then(|magic| MessageFormat::from_magic(magic.cast_signed()))
}

fn split(mut records: Bytes) -> Result<Vec<Batch>, Refused> {
    let mut batches = Vec::with_capacity(1);
    while let Some(batch) = Batch::split(&mut records).map_err(|e| refused(&e))? {
        batches.push(batch);
    }
    // Kafka asks for exactly one batch per partition from version 3 on; a request without any is malformed too.
    if batches.len() == 1 {
        Ok(batches)
    } else {
        Err(invalid("a partition takes exactly one batch per request"))
    }
}

fn check_batch(batch: &Batch, version: i16, is_compacted: bool) -> Result<(), Refused> {
    let header = batch.header();
    let depth = if is_compacted { Depth::Records } else { Depth::Crc };
    validate(batch, depth, UNPACK_LIMIT).map_err(|e| refused(&e))?;
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return Err(invalid("offsets in a produced batch must be consecutive, and there must be a record"));
    }
    if header.attributes.is_control() {
        return Err(invalid("clients may not write control batches"));
    }
    if header.attributes.is_transactional() {
        // Without a coordinator nobody could ever commit them: readers would wait for ever.
        let why = "transactions are not served yet".to_owned();
        return Err(Refused::new(ErrorCode::INVALID_TXN_STATE, Some(why)));
    }
    if header.attributes.compression() == Ok(Compression::Zstd) && version < ZSTD_FROM {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    Ok(())
}

fn refused(error: &BatchError) -> Refused {
    Refused::new(ErrorCode(error.code()), Some(error.to_string()))
}

fn invalid(why: &str) -> Refused {
    Refused::new(ErrorCode::INVALID_RECORD, Some(why.to_owned()))
}

impl Pending {
    async fn append(&self, ctx: &Context, id: PartitionId, batches: Vec<Batch>, now_ms: i64) -> Outcome {
        let (reply, answer) = oneshot::channel();
        let acks = if self.acks == ALL { Acks::All } else { Acks::Leader };
        let timeout = self.timeout;
        let append = Append { id, batches, current_leader_epoch: -1, acks, timeout, now_ms, reply };
        match ctx.shards.send(id, Command::Append(append)).await {
            Ok(()) => Outcome::Waiting(answer),
            Err(_) => Outcome::Refused(ErrorCode::KAFKA_STORAGE_ERROR.into()),
        }
    }

    /// Waits for the logs and encodes the response. `Ok(None)`: acks=0, nothing is said. `Err(())`: acks=0 and a batch
    /// was refused; Kafka closes the connection then.
    pub(crate) async fn finish(self) -> Result<Result<Option<Response>, ()>, EncodeError> {
        let RequestHeader { version, correlation_id, .. } = self.header;
        let mut failed = false;
        let mut leaders = BTreeSet::new();
        let mut responses = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partition_responses = Vec::with_capacity(topic.partitions.len());
            for (index, outcome) in topic.partitions {
                let mut response = outcome.wait(index).await;
                if version < STORAGE_ERROR_FROM && response.error_code == ErrorCode::KAFKA_STORAGE_ERROR {
                    response.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
                }
                if version >= LEADER_FROM && response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER {
                    response.current_leader = leader(&self.ctx, &topic.name, index);
                    leaders.insert(response.current_leader.leader_id);
                }
                if response.error_code.is_err() {
                    failed = true;
                    let (topic, error) = (&topic.name, response.error_code);
                    let why = response.error_message.as_deref().unwrap_or_default();
                    tracing::debug!(topic, partition = index, %error, why, "produce refused");
                }
                partition_responses.push(response);
            }
            responses.push(TopicProduceResponse {
                name: topic.name,
                partition_responses,
                ..Default::default()
            });
        }
        if self.acks == 0 {
            return Ok(if failed { Err(()) } else { Ok(None) });
        }
        let node_endpoints = endpoints(&self.ctx, &leaders);
        let response = ProduceResponse { responses, node_endpoints, ..Default::default() };
        let frame = encode_response::<ProduceRequest>(&response, version, correlation_id)?;
        Ok(Ok(Some(Response { frame, ..Default::default() })))
    }
}

impl Outcome {
    async fn wait(self, index: i32) -> PartitionProduceResponse {
        let refused = match self {
            Self::Refused(refused) => refused,
            Self::Waiting(answer) => match answer.await {
                Ok(Ok(appended)) => return done(index, &appended),
                Ok(Err(AppendFailure::Log(AppendError::Duplicate(original)))) => {
                    // A retry of what is in the log: the answer is the original's (KIP-98).
                    return PartitionProduceResponse {
                        index,
                        base_offset: original.base_offset,
                        log_append_time_ms: original.log_append_time,
                        ..Default::default()
                    };
                }
                Ok(Err(failure)) => Refused::new(failure.code(), why(&failure)),
                // The shard is gone; the records may or may not be in its log.
                Err(_) => ErrorCode::KAFKA_STORAGE_ERROR.into(),
            },
        };
        PartitionProduceResponse {
            index,
            error_code: refused.code,
            base_offset: -1,
            error_message: refused.why,
            record_errors: refused.records,
            ..Default::default()
        }
    }
}

/// Who leads, as far as this broker knows.
fn leader(ctx: &Context, topic: &str, index: i32) -> LeaderIdAndEpoch {
    let image = ctx.meta.image();
    let partition = image.topic(topic).and_then(|topic| image.partition(topic.id, index));
    partition.map_or_else(LeaderIdAndEpoch::default, |partition| LeaderIdAndEpoch {
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
    })
}

/// Where leaders are reached, so that nobody has to ask for the metadata first.
fn endpoints(ctx: &Context, leaders: &BTreeSet<i32>) -> Vec<NodeEndpoint> {
    let image = ctx.meta.image();
    let endpoint = |at: Reachable| NodeEndpoint {
        node_id: at.id,
        host: at.host,
        port: i32::from(at.port),
        rack: at.rack,
    };
    leaders.iter().filter_map(|id| ctx.reachable(&image, *id)).map(endpoint).collect()
}

fn why(failure: &AppendFailure) -> Option<String> {
    match failure {
        AppendFailure::NotHere | AppendFailure::Replica(_) => None,
        AppendFailure::Log(error) => Some(error.to_string()),
    }
}

fn done(index: i32, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index,
        base_offset: appended.base_offset,
        log_append_time_ms: appended.log_append_time,
        log_start_offset: appended.log_start_offset,
        ..Default::default()
    }
}
