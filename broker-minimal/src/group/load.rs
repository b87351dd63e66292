//! Reads a partition of `__consumer_offsets` from its start to its high watermark.

use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::records::Batch;
use tokio::sync::oneshot;

use super::core::Core;
use super::records::{Decoded, Record};
use super::settings::Settings;
use crate::log::FileSlice;
use crate::shard::command::{FindOffset, OffsetAt, Read, ReadAt, ReadRecords};
use crate::shard::{Command, PartitionId, Shards, Stopped};

/// Bytes that are read at a time.
const CHUNK: usize = 1024 * 1024;
/// What a batch may unpack to: ours are not packed, and other brokers' are this large at most.
const UNPACK_LIMIT: usize = 64 * 1024 * 1024;

/// Why a partition could not be loaded. It is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("the partition says {0}")]
    Refused(ErrorCode),
    #[error("read: {0}")]
    Io(#[from] io::Error),
    #[error("the read was given up")]
    Cancelled,
}

/// Replays everything that is committed.
pub(super) async fn load(shards: &Shards, id: PartitionId, settings: Settings) -> Result<Core, LoadError> {
    let mut core = Core::new(settings);
    let mut offset = start(shards, id).await?;
    let mut count = 0_usize;
    while let Some(slice) = read(shards, id, offset).await? {
        let decode = move || decode(&slice, offset, id.index);
        let chunk = tokio::task::spawn_blocking(decode).await.map_err(|_| LoadError::Cancelled)??;
        if chunk.end <= offset {
            break;
        }
        count += chunk.records.len();
        chunk.records.into_iter().for_each(|record| core.replay(record));
        offset = chunk.end;
    }
    if count > 0 {
        tracing::info!(partition = id.index, records = count, "groups loaded");
    }
    Ok(core)
}

async fn start(shards: &Shards, id: PartitionId) -> Result<i64, LoadError> {
    let (reply, answer) = oneshot::channel();
    let find = FindOffset { id, at: OffsetAt::Start, current_leader_epoch: -1, reply };
    shards.send(id, Command::Offset(find)).await?;
    Ok(answer.await.map_err(|_| Stopped)?.map_err(LoadError::Refused)?.offset)
}

async fn read(shards: &Shards, id: PartitionId, offset: i64) -> Result<Option<FileSlice>, LoadError> {
    let (reply, answer) = oneshot::channel();
    let at =
        ReadAt { id, slot: 0, offset, max_bytes: CHUNK, current_leader_epoch: -1, last_fetched_epoch: -1 };
    shards.send(id, Command::Read(Read { reads: vec![at], waiter: None, reply })).await?;
    let answer = answer.await.map_err(|_| Stopped)?.pop();
    match answer.map(|reply| reply.records) {
        Some(Ok(ReadRecords::Slice(slice))) => Ok(slice),
        Some(Ok(ReadRecords::Diverging { .. })) | None => Ok(None),
        Some(Err(code)) => Err(LoadError::Refused(code)),
    }
}

/// What a slice holds.
struct Chunk {
    records: Vec<Record>,
    end: i64,
}

fn decode(slice: &FileSlice, from: i64, partition: i32) -> io::Result<Chunk> {
    let mut buf = vec![0; slice.len];
    slice.file.read_exact_at(&mut buf, slice.position)?;
    let mut bytes = Bytes::from(buf);
    let mut chunk = Chunk { records: Vec::new(), end: from };
    // Batches are whole in a slice; one that is not is the end of what can be read.
    while let Ok(Some(batch)) = Batch::split(&mut bytes) {
        let offset = batch.header().base_offset;
        chunk.end = batch.header().next_offset();
        if batch.header().attributes.is_control() {
            continue;
        }
        let records = batch.verify_crc().and_then(|()| batch.records(UNPACK_LIMIT));
        let records = match records {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(partition, offset, %error, "offsets in a corrupt batch are lost");
                continue;
            }
        };
        for record in &records {
            let Ok(record) = record else { break };
            let owned = |part: &[u8]| records.bytes().slice_ref(part);
            let (Some(key), value) = (record.key.map(owned), record.value.map(owned)) else { continue };
            if record.offset < from {
                continue;
            }
            match Record::decode(&key, value.as_ref()) {
                Ok(Decoded::Known(record)) => chunk.records.push(record),
                Ok(Decoded::Unknown { what, number }) => {
                    tracing::warn!(
                        partition,
                        offset = record.offset,
                        what,
                        number,
                        "record of another release skipped"
                    );
                }
                Err(error) => {
                    tracing::error!(partition, offset = record.offset, %error, "record cannot be read, skipped");
                }
            }
        }
    }
    Ok(chunk)
}
