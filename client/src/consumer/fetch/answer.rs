//! What an answer means for the partitions that were asked for.

use std::collections::HashMap;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::Settings;
use crate::consumer::batch::{Aborted, Chunk, extent};
use crate::consumer::buffer::Buffer;
use crate::consumer::cursor::Ask;
use crate::consumer::session::Reading;
use crate::consumer::upgrade::trouble;
use crate::metadata::Leader;
use crate::protocol::ErrorCode;
use crate::protocol::messages::FetchResponse;
use crate::protocol::messages::fetch::{EpochEndOffset, PartitionData};
use crate::protocol::records::BatchError;
use crate::protocol::wire::RecordBytes;
use crate::{Error, ErrorKind, Result, TopicPartition, rng};

/// New leaders that an answer names.
pub(super) type Moved = HashMap<TopicPartition, Leader>;

/// What an answer says of each partition that was asked for. What nobody asked for is ignored, and so is a second answer for
/// one partition.
pub(super) fn by_ask<'a>(
    asks: &'a [Ask],
    answer: &'a FetchResponse,
) -> Vec<(&'a Ask, Option<&'a PartitionData>)> {
    let mut found: HashMap<(&str, i32), &PartitionData> = HashMap::new();
    for topic in &answer.responses {
        // Either the name is there or the id.
        let name = match topic.topic.as_str() {
            "" => asks.iter().find(|ask| ask.topic_id == topic.topic_id).map(|ask| &*ask.at.topic),
            name => Some(name),
        };
        let Some(name) = name else { continue };
        for data in &topic.partitions {
            found.entry((name, data.partition_index)).or_insert(data);
        }
    }
    let data = |ask: &Ask| found.get(&(&*ask.at.topic, ask.at.partition)).copied();
    asks.iter().map(|ask| (ask, data(ask))).collect()
}

pub(super) fn on_answer(
    buffer: &mut Buffer,
    settings: &Settings,
    asks: &[Ask],
    (answer, reading): (&FetchResponse, Reading),
    moved: &Moved,
    now: Instant,
) {
    for (ask, data) in by_ask(asks, answer) {
        let result = match data {
            Some(data) => match moved.get(&ask.at) {
                Some(leader) => {
                    debug!(partition = %ask.at, ?leader, "the leader has moved");
                    buffer
                        .cursors
                        .current(ask.index, ask.generation)
                        .into_iter()
                        .for_each(|c| c.follow(*leader));
                    Ok(())
                }
                None => on_partition(buffer, settings, ask, data, now),
            },
            None if reading == Reading::News => {
                buffer.cursors.current(ask.index, ask.generation).into_iter().for_each(|c| c.on_quiet());
                Ok(())
            }
            None => Err(Error::new(ErrorKind::Protocol, "the broker did not answer for a partition")),
        };
        if let Err(error) = result {
            buffer.fail(ask.index, ask.generation, error, now, rng::unit());
        }
    }
}

pub(super) fn on_partition(
    buffer: &mut Buffer,
    settings: &Settings,
    ask: &Ask,
    data: &PartitionData,
    now: Instant,
) -> Result<()> {
    let Some(cursor) = buffer.cursors.current(ask.index, ask.generation) else { return Ok(()) };
    match data.error_code {
        ErrorCode::NONE => {}
        _ if cursor.leave_nearby() => {
            // A follower may not be as far as its leader, who has the last word.
            debug!(partition = %ask.at, error = %data.error_code, "back from a follower to the leader");
            buffer.cursors.hold(ask.index, now);
            return Ok(());
        }
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
            buffer.cursors.on_out_of_range(ask.index, to, now, rng::unit());
            return Ok(());
        }
        code => return Err(Error::broker(code, &ask.at)),
    }
    if data.diverging_epoch.epoch >= 0 || data.diverging_epoch.end_offset >= 0 {
        return on_truncated(buffer, settings, ask, &data.diverging_epoch);
    }
    if data.preferred_read_replica >= 0 {
        info!(partition = %ask.at, broker = data.preferred_read_replica, "read from a replica that is near");
        cursor.go_nearby(data.preferred_read_replica, now + settings.nearby_for);
        return Ok(());
    }
    on_records(buffer, settings, ask, data)
}

/// Records that were read are not in the log any more (KIP-320): an unclean election took them.
fn on_truncated(
    buffer: &mut Buffer,
    settings: &Settings,
    ask: &Ask,
    diverging: &EpochEndOffset,
) -> Result<()> {
    let end = diverging.end_offset;
    if end < 0 {
        let message = format!("{}: a log that was truncated is said to end at {end}", ask.at);
        return Err(Error::new(ErrorKind::Protocol, message));
    }
    // The end is that of an older leader's records; those of the lost leader may have begun before it.
    let end = end.min(ask.offset);
    if settings.reset().is_none() {
        let message = format!("{}: records before {} that were read are lost", ask.at, ask.offset);
        return Err(Error::new(ErrorKind::OffsetOutOfRange, message)
            .hinted(format!("the log was truncated; seek to {end} to go on with what took their place")));
    }
    warn!(partition = %ask.at, offset = ask.offset, end, epoch = diverging.epoch, "the log was truncated: records that were read are lost; going on at its end");
    let position = buffer.cursors.get(ask.index).and_then(|cursor| cursor.position);
    match position.filter(|position| *position < end) {
        // What is not handed out yet is read again, from where the log is still the same.
        Some(position) => buffer.move_to(&ask.at, position),
        // Later commits are of the log as it is now.
        None => buffer.seek(&ask.at, end),
    };
    Ok(())
}

fn on_records(buffer: &mut Buffer, settings: &Settings, ask: &Ask, data: &PartitionData) -> Result<()> {
    let Some(cursor) = buffer.cursors.current(ask.index, ask.generation) else { return Ok(()) };
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
