//! From batches to a Produce request, and from its answer to what became of each batch.

use bytes::{Bytes, BytesMut};

use super::delivery::Written;
use super::parcel::{Body, Outcome, Parcel};
use super::sequence::Stamp;
use crate::protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use crate::protocol::messages::{ProduceRequest, ProduceResponse};
use crate::protocol::records::legacy::{MessageFormat, from_batches};
use crate::protocol::records::{BatchBuilder, BatchError, CompressError, Compression, Seal, set_producer};
use crate::{Error, ErrorKind};

/// The newest version without topic ids.
pub(crate) const VERSION_MAX: i16 = 12;
/// The oldest version with batches of format 2.
const BATCHES_FROM: i16 = 3;
/// The oldest version with messages of format 1, which have timestamps.
const TIMESTAMPS_FROM: i16 = 2;
/// The oldest version with zstd.
const ZSTD_FROM: i16 = 7;
/// What one batch takes uncompressed: it was ours, and not larger than the producer's memory.
const BATCH_MAX: usize = 1 << 30;

/// What the configuration says about requests.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) acks: i16,
    pub(super) timeout_ms: i32,
    pub(super) compression: Compression,
    pub(super) level: Option<i32>,
}

/// Makes the batch ready for the wire, with the stamp it has now.
pub(super) fn seal(parcel: &mut Parcel, settings: &Settings) -> Result<Bytes, CompressError> {
    let empty = Body::Sealed(Bytes::new(), None);
    let bytes = match std::mem::replace(&mut parcel.body, empty) {
        Body::Building(builder) => seal_first(builder, parcel.stamp, settings)?,
        Body::Sealed(bytes, stamp) if stamp == parcel.stamp => bytes,
        Body::Sealed(bytes, _) => restamp(bytes, parcel.stamp),
    };
    parcel.body = Body::Sealed(bytes.clone(), parcel.stamp);
    Ok(bytes)
}

/// What a broker's version of Produce cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Headers,
    Zstd,
}

/// What this version of Produce cannot carry of the batch.
pub(super) fn unfit(parcel: &Parcel, version: i16, settings: &Settings) -> Option<Unfit> {
    if version < ZSTD_FROM && settings.compression == Compression::Zstd {
        Some(Unfit::Zstd)
    } else if version < BATCHES_FROM && parcel.has_headers {
        Some(Unfit::Headers)
    } else {
        None
    }
}

/// The batch in the record format of this version of Produce.
pub(super) fn reformat(batch: Bytes, version: i16) -> Result<Bytes, BatchError> {
    let format = match version {
        BATCHES_FROM.. => return Ok(batch),
        TIMESTAMPS_FROM => MessageFormat::V1,
        _ => MessageFormat::V0,
    };
    from_batches(batch, format, 0, BATCH_MAX)
}

fn seal_first(
    builder: BatchBuilder,
    stamp: Option<Stamp>,
    settings: &Settings,
) -> Result<Bytes, CompressError> {
    let (producer_id, producer_epoch, base_sequence) = fields(stamp);
    builder.seal(Seal {
        compression: settings.compression,
        level: settings.level,
        producer_id,
        producer_epoch,
        base_sequence,
        ..Seal::default()
    })
}

fn restamp(bytes: Bytes, stamp: Option<Stamp>) -> Bytes {
    let mut batch = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&*shared));
    let (id, epoch, sequence) = fields(stamp);
    set_producer(&mut batch, id, epoch, sequence);
    batch.freeze()
}

fn fields(stamp: Option<Stamp>) -> (i64, i16, i32) {
    stamp.map_or((-1, -1, -1), |stamp| (stamp.id, stamp.epoch, stamp.sequence))
}

/// One request with these batches, at most one of each partition.
pub(super) fn build<'a>(
    batches: impl Iterator<Item = (&'a Parcel, Bytes)>,
    settings: &Settings,
) -> ProduceRequest {
    let mut topics: Vec<TopicProduceData> = Vec::new();
    for (parcel, bytes) in batches {
        let data = PartitionProduceData { index: index(parcel), records: Some(bytes.into()) };
        match topics.iter_mut().find(|topic| *topic.name == *parcel.topic) {
            Some(topic) => topic.partition_data.push(data),
            None => topics.push(TopicProduceData {
                name: parcel.topic.to_string(),
                partition_data: vec![data],
                ..Default::default()
            }),
        }
    }
    ProduceRequest {
        transactional_id: None,
        acks: settings.acks,
        timeout_ms: settings.timeout_ms,
        topic_data: topics,
    }
}

/// What the answer says of a batch.
pub(super) fn outcome(parcel: &Parcel, response: &ProduceResponse, broker: &str) -> Outcome {
    let topic = response.responses.iter().find(|topic| *topic.name == *parcel.topic);
    let index = index(parcel);
    let answer = topic.and_then(|t| t.partition_responses.iter().find(|p| p.index == index));
    let Some(answer) = answer else {
        let error = Error::new(ErrorKind::Protocol, format!("{broker} did not answer for a partition"));
        return Outcome::Lost { error, sent: true };
    };
    if let Err(code) = answer.error_code.ok() {
        return Outcome::Refused { code, message: message(answer), broker: broker.to_owned() };
    }
    Outcome::Written(Written {
        base_offset: (answer.base_offset >= 0).then_some(answer.base_offset),
        append_time_ms: (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms),
    })
}

/// The broker's words: about the batch, else about the first record it names.
fn message(answer: &PartitionProduceResponse) -> Option<String> {
    if answer.error_message.is_some() {
        return answer.error_message.clone();
    }
    let first = answer.record_errors.first()?;
    Some(format!("record {}: {}", first.batch_index, first.batch_index_error_message.as_deref()?))
}

fn index(parcel: &Parcel) -> i32 {
    i32::try_from(parcel.slot.partition).unwrap_or(i32::MAX)
}
