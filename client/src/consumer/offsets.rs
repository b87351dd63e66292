//! What a consumer asks of offsets: seeking, looking up, committing.

use super::group::{Commits, to_commit};
use super::{Consumer, Group, GroupMetadata, OffsetAndTimestamp, not_assigned};
use crate::committed::OffsetAndMetadata;
use crate::{Error, ErrorKind, Position, Result, TopicPartition};

impl Consumer {
    /// Goes on elsewhere in a partition. What was fetched of it is dropped, and the next commit is of the new place.
    ///
    /// Cancel safe: dropped before it is ready, reading goes on where it was.
    pub async fn seek(&self, at: &TopicPartition, to: Position) -> Result<()> {
        let shared = self.shared();
        let offset = match to {
            Position::Offset(offset) => offset,
            Position::Committed => match self.committed(std::slice::from_ref(at)).await?.pop() {
                Some((_, Some(committed))) => committed.offset,
                Some((_, None)) | None => {
                    return Err(Error::new(
                        ErrorKind::OffsetOutOfRange,
                        format!("no committed offset in {at}"),
                    ));
                }
            },
            Position::Beginning | Position::End | Position::Timestamp(_) => {
                let wanted = [(at.clone(), to)];
                let found = shared.core.list_offsets(&wanted);
                let found = shared.core.within_api_timeout("ListOffsets", found).await?;
                let (_, info) = found.into_iter().next().ok_or_else(|| not_assigned(at))?;
                match info?.offset {
                    -1 => {
                        self.end_offsets(std::slice::from_ref(at)).await?.first().map_or(0, |(_, end)| *end)
                    }
                    offset => offset,
                }
            }
        };
        if !shared.with(|buffer| buffer.seek(at, offset)) {
            return Err(not_assigned(at));
        }
        shared.wake.notify_one();
        Ok(())
    }

    /// Where these partitions end: the offset the next record will get. Cancel safe.
    pub async fn end_offsets(&self, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, i64)>> {
        self.offsets(partitions, Position::End).await
    }

    /// Where these partitions begin: the offset of the oldest record. Cancel safe.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, i64)>> {
        self.offsets(partitions, Position::Beginning).await
    }

    /// The first record of each partition that is as young as its timestamp (ms since 1970) or younger. Cancel
    /// safe.
    pub async fn offsets_for_times(
        &self,
        times: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndTimestamp>)>> {
        let wanted: Vec<_> = times.iter().map(|(at, ms)| (at.clone(), Position::Timestamp(*ms))).collect();
        let core = &self.shared().core;
        let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await?;
        let place = |(at, info): (_, Result<crate::admin::OffsetInfo>)| {
            let info = info?;
            let place = OffsetAndTimestamp { offset: info.offset, timestamp: info.timestamp };
            Ok((at, (info.offset >= 0).then_some(place)))
        };
        found.into_iter().map(place).collect()
    }

    /// Commits what is done, and the batch this handle got last unless the user marks batches itself. It works with given
    /// partitions, too, if there is a `group.id`.
    ///
    /// Dropped before it is ready, it may be committed or not; the next commit includes it, and nothing is in its way. Fails when the group has rebalanced and the
    /// partitions are another member's: nothing is lost, that one repeats what was not committed.
    pub async fn commit(&self) -> Result<()> {
        let group = self.group_of()?;
        if !self.shared().is_explicit()
            && let Some(last) = &*self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            last.progress.done_of(last.first_offset, last.next_offset, last.leader_epoch);
        }
        let commits: Commits = to_commit(self.shared().progress());
        group.commit_done(&commits).await
    }

    /// Commits these offsets, each that of the next record to be read, with any text beside it. They count in the order of the
    /// calls.
    ///
    /// Dropped before it is ready, they may be committed or not, but never after those of a later call.
    pub async fn commit_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, OffsetAndMetadata)>,
    ) -> Result<()> {
        let offsets: Vec<_> = offsets.into_iter().collect();
        self.group_of()?.commit(&offsets).await
    }

    /// Where the group goes on in each of these partitions; `None` where nothing was committed. Cancel safe.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>> {
        let mut found = self.group_of()?.committed_offsets(partitions).await?;
        Ok(partitions.iter().map(|at| (at.clone(), found.remove(at))).collect())
    }

    /// Who this consumer is in its group; `None` without a `group.id`.
    pub fn group(&self) -> Option<GroupMetadata> {
        let group = self.shared().group.as_ref()?;
        let identity = group.identity();
        Some(GroupMetadata {
            group_id: group.id.clone(),
            member_id: identity.member_id,
            generation: identity.generation,
        })
    }

    fn group_of(&self) -> Result<&Group> {
        self.shared().group.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Config, "offsets are committed for a group: group.id is not set")
                .hinted("set group.id")
        })
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        to: Position,
    ) -> Result<Vec<(TopicPartition, i64)>> {
        let wanted: Vec<_> = partitions.iter().map(|at| (at.clone(), to)).collect();
        let core = &self.shared().core;
        let found = core.within_api_timeout("ListOffsets", core.list_offsets(&wanted)).await?;
        found.into_iter().map(|(at, info)| Ok((at, info?.offset))).collect()
    }
}
