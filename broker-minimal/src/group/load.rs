//! Reads a partition of `__consumer_offsets` from its start to where its log ended when this broker took it over.
//!
//! What lies behind the high watermark by then was acked by an earlier leader, or never was: the leader waits until the ISR has it,
//! and so does the coordinator.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::records::Batch;
use tokio::sync::oneshot;

use super::core::Core;
use super::records::{Decoded, Record};
use super::settings::Settings;
use crate::log::FileSlice;
use crate::shard::command::{FindOffset, OffsetAt, Read, ReadAt, ReadRecords, Waiter};
use crate::shard::{Command, PartitionId, Shards, Stopped};

/// Bytes that are read at a time.
const CHUNK: usize = 1024 * 1024;
/// How long nothing may move before the partition is asked again.
const LOOK: Duration = Duration::from_millis(500);
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

impl LoadError {
    /// The partition is not led here, or not yet, as at a start before the broker is registered: nothing is wrong, and this task ends when
    /// it stays so.
    pub(super) fn is_of_leadership(&self) -> bool {
        let Self::Refused(code) = self else { return false };
        matches!(
            *code,
            ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::FENCED_LEADER_EPOCH
                | ErrorCode::UNKNOWN_LEADER_EPOCH
        )
    }
}

/// A partition in the epoch in which it is led here: in any other it is not this task's to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Led {
    pub(super) id: PartitionId,
    pub(super) leader_epoch: i32,
}

/// Replays everything that was there at the start, and what is committed meanwhile.
pub(super) async fn load(shards: &Shards, led: Led, settings: Settings) -> Result<Core, LoadError> {
    let id = led.id;
    let mut core = Core::new(settings);
    let mut offset = find(shards, led, OffsetAt::Start).await?;
    let end = find(shards, led, OffsetAt::End).await?;
    let mut count = 0_usize;
    loop {
        let progress = Arc::new(Waiter::default());
        let Some(slice) = read(shards, led, offset, &progress).await? else {
            if offset >= end {
                break;
            }
            // The partition may also be lost meanwhile, which the next read tells.
            let _late = tokio::time::timeout(LOOK, progress.moved()).await;
            continue;
        };
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

/// Where the log starts, or where it ends for a follower.
async fn find(shards: &Shards, led: Led, at: OffsetAt) -> Result<i64, LoadError> {
    let (reply, answer) = oneshot::channel();
    let Led { id, leader_epoch: current_leader_epoch } = led;
    let find = FindOffset { id, at, uncommitted: true, current_leader_epoch, reply };
    shards.send(id, Command::Offset(find)).await?;
    Ok(answer.await.map_err(|_| Stopped)?.map_err(LoadError::Refused)?.offset)
}

async fn read(
    shards: &Shards,
    led: Led,
    offset: i64,
    progress: &Arc<Waiter>,
) -> Result<Option<FileSlice>, LoadError> {
    let (reply, answer) = oneshot::channel();
    let Led { id, leader_epoch: current_leader_epoch } = led;
    let at = ReadAt {
        id,
        slot: 0,
        offset,
        max_bytes: CHUNK,
        current_leader_epoch,
        last_fetched_epoch: -1,
        log_start: -1,
    };
    let read = Read { reads: vec![at], waiter: Some(Arc::clone(progress)), replica: None, reply };
    shards.send(id, Command::Read(read)).await?;
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

#[cfg(test)]
mod tests {
    use kinglet_protocol::messages::group_records::{OffsetCommitKey, OffsetCommitValue};

    use super::*;
    use crate::clock;
    use crate::config::Config;
    use crate::group::write;
    use crate::replica::Acks;
    use crate::shard::tests::{ID, two};

    #[test]
    fn what_is_not_committed_yet_when_a_partition_is_taken_over_is_waited_for() {
        let (leader, follower, _) = two("");
        let key = OffsetCommitKey { group: "g".to_owned(), topic: "t".to_owned(), partition: 0 };
        let record = Record::Offset(key, Some(OffsetCommitValue { offset: 7, ..Default::default() }));
        let mut batches = write::batches(&[record], 1 << 20, clock::now_ms()).unwrap();
        let written = leader.append_as(batches.remove(0), Acks::Leader);
        written.blocking_recv().unwrap().unwrap();
        let shards = Arc::clone(&leader.storage.shards);
        let loading = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
            let led = Led { id: ID, leader_epoch: 0 };
            runtime.block_on(load(&shards, led, Settings::new(&Config::default()))).unwrap()
        });
        while !loading.is_finished() {
            follower.fetch_from(&leader);
        }
        assert_eq!(loading.join().unwrap().groups().keys().collect::<Vec<_>>(), ["g"]);
    }

    #[test]
    fn a_partition_that_is_led_in_another_epoch_is_not_read() {
        let (leader, _follower, _) = two("");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let led = Led { id: ID, leader_epoch: 3 };
        let refused = runtime.block_on(load(&leader.storage.shards, led, Settings::new(&Config::default())));
        assert!(matches!(refused, Err(LoadError::Refused(ErrorCode::UNKNOWN_LEADER_EPOCH))));
    }
}
