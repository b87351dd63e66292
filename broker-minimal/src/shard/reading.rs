//! What a shard tells of its logs: records, offsets, where epochs end.

use std::sync::Arc;

use kinglet_protocol::ErrorCode;

use super::command::{
    Fetcher, FindEpochEnd, FindOffset, FoundOffset, OffsetAt, PartitionId, Read, ReadAt, ReadRecords,
    ReadReply, Waiter,
};
use super::replica::Replica;
use super::worker::Worker;
use crate::clock;
use crate::log::producers::ActiveProducer;
use crate::log::{FirstBatch, SegmentStart, TimestampOffset};
use crate::mutant::{self, Mutant};
use crate::replica::FollowerFetch;
use crate::replica::divergence;

impl Worker {
    pub(super) fn read(&mut self, read: Read) {
        let mut replies = Vec::with_capacity(read.reads.len());
        for at in &read.reads {
            replies.push(self.read_one(at, read.replica, read.waiter.as_ref()));
        }
        let _gone = read.reply.send(replies);
    }

    fn read_one(&mut self, at: &ReadAt, fetcher: Option<Fetcher>, waiter: Option<&Arc<Waiter>>) -> ReadReply {
        let Some(replica) = self.replicas.get_mut(&at.id) else {
            return ReadReply::refused(at, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        };
        if let Err(error) = replica.core.check_leads(at.current_leader_epoch) {
            return ReadReply::refused(at, error);
        }
        let records = replica.read(at, fetcher.is_some());
        if let (Ok(ReadRecords::Slice(_)), Some(Fetcher { id: broker, broker_epoch, is_new: true })) =
            (&records, fetcher)
        {
            let fetch = FollowerFetch { broker, broker_epoch, offset: at.offset, log_start: at.log_start };
            let moved = replica.core.on_follower_fetch(fetch, clock::now(), &mut self.effects);
            replica.carry_out(at.id, &mut self.effects, &self.isr);
            replica.watch(at.id, &mut self.watched, &self.needs);
            match moved {
                // Whoever does not say in which epoch it asks cannot be told that it is ahead of us.
                Err(ErrorCode::UNKNOWN_LEADER_EPOCH) if at.current_leader_epoch < 0 => {
                    return ReadReply::refused(at, ErrorCode::NOT_LEADER_OR_FOLLOWER);
                }
                Err(error) => return ReadReply::refused(at, error),
                Ok(()) => {}
            }
        }
        if let (Ok(ReadRecords::Slice(_)), Some(waiter)) = (&records, waiter) {
            replica.wait(waiter, *at, fetcher);
        }
        replica.reply(at, fetcher, records)
    }

    pub(super) fn find_offset(&self, find: &FindOffset) -> Result<FoundOffset, ErrorCode> {
        let replica = self.leading(find.id, find.current_leader_epoch)?;
        let log = &replica.log;
        let is_settling =
            replica.core.is_settling() && !find.uncommitted && !mutant::makes(Mutant::TellUnsettled);
        let end = if find.uncommitted { log.end_offset() } else { replica.core.high_watermark() };
        let at = |offset: i64| FoundOffset { offset, timestamp: -1, leader_epoch: log.epoch_of(offset) };
        let found = match find.at {
            OffsetAt::Start => return Ok(at(log.start_offset())),
            OffsetAt::End if is_settling => return Err(ErrorCode::OFFSET_NOT_AVAILABLE),
            OffsetAt::End => {
                let epoch = replica.core.leader_epoch();
                return Ok(FoundOffset { leader_epoch: epoch, ..at(end) });
            }
            OffsetAt::MaxTimestamp => log.offset_for_max_timestamp(),
            OffsetAt::Time(timestamp) => log.offset_for_timestamp(timestamp),
        };
        let found: Option<TimestampOffset> = found.map_err(|e| e.code())?;
        match found.filter(|found| found.offset < end) {
            Some(found) => Ok(FoundOffset {
                offset: found.offset,
                timestamp: found.timestamp,
                leader_epoch: found.leader_epoch,
            }),
            None if is_settling => Err(ErrorCode::OFFSET_NOT_AVAILABLE),
            None => Ok(FoundOffset { offset: -1, timestamp: -1, leader_epoch: -1 }),
        }
    }

    pub(super) fn find_starts(&self, id: PartitionId) -> Result<(Vec<SegmentStart>, i64), ErrorCode> {
        let replica = self.leading(id, -1)?;
        let starts = replica.log.segment_starts().map_err(|e| e.code())?;
        Ok((starts, replica.core.high_watermark()))
    }

    pub(super) fn find_epoch_end(&self, find: &FindEpochEnd) -> Result<(i32, i64), ErrorCode> {
        let replica = self.leading(find.id, find.current_leader_epoch)?;
        if find.epoch == replica.core.leader_epoch() {
            // The current epoch is still being written: it ends where the log does.
            return Ok((find.epoch, replica.log.end_offset()));
        }
        Ok(replica.log.epoch_end_offset(find.epoch))
    }

    pub(super) fn producers(&self, id: PartitionId) -> Result<Vec<ActiveProducer>, ErrorCode> {
        let replica = self.replicas.get(&id).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        Ok(replica.log.producers())
    }

    /// The partition, if this broker leads it in the epoch that was asked in.
    fn leading(&self, id: PartitionId, current_leader_epoch: i32) -> Result<&Replica, ErrorCode> {
        let replica = self.replicas.get(&id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        replica.core.check_leads(current_leader_epoch)?;
        Ok(replica)
    }
}

impl Replica {
    /// Reads once more for whoever has waited.
    pub(super) fn read_again(&mut self, at: &ReadAt, fetcher: Option<Fetcher>) -> ReadReply {
        match self.core.check_leads(at.current_leader_epoch) {
            Ok(()) => {
                let records = self.read(at, fetcher.is_some());
                self.reply(at, fetcher, records)
            }
            Err(error) => ReadReply::refused(at, error),
        }
    }

    fn reply(
        &mut self,
        at: &ReadAt,
        fetcher: Option<Fetcher>,
        records: Result<ReadRecords, ErrorCode>,
    ) -> ReadReply {
        let log_start_offset = self.log.start_offset();
        ReadReply {
            slot: at.slot,
            high_watermark: self.core.high_watermark(),
            log_start_offset,
            is_news: fetcher.is_some_and(|follower| self.core.tell(follower.id, log_start_offset)),
            records,
        }
    }

    fn read(&self, at: &ReadAt, is_follower: bool) -> Result<ReadRecords, ErrorCode> {
        if at.last_fetched_epoch >= 0 {
            let (epoch, end_offset) = self.log.epoch_end_offset(at.last_fetched_epoch);
            if epoch < 0 {
                // A follower whose records nobody here can place must not be counted; consumers go on.
                if is_follower {
                    return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
                }
            } else if divergence::diverges((epoch, end_offset), at.last_fetched_epoch, at.offset) {
                return Ok(ReadRecords::Diverging { epoch, end_offset });
            }
        }
        let reads_all = is_follower || mutant::makes(Mutant::ReadUncommitted);
        let upto = if reads_all { self.log.end_offset() } else { self.core.high_watermark() };
        let slice = self.log.read(at.offset, at.max_bytes, upto, FirstBatch::Always);
        let slice = slice.map_err(|error| error.code())?;
        Ok(ReadRecords::Slice((slice.len > 0).then_some(slice)))
    }
}
