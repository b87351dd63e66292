//! From an assignment to the partitions and offsets a consumer begins with.

use std::sync::Arc;

use super::Assignment;
use super::cursor::Cursors;
use super::fetch::Settings;
use super::group::Group;
use crate::admin::offsets::isolation;
use crate::client::{Core, unknown_partition};
use crate::metadata::Wanted;
use crate::{Config, Error, ErrorKind, Position, Result, TopicPartition};

/// With `max.partition.fetch.bytes` unset the partitions share this, within the bounds below.
const ANSWER: i64 = 16 * 1024 * 1024;
const PARTITION_MIN: i64 = 1024 * 1024;
const PARTITION_MAX: i64 = 8 * 1024 * 1024;

/// What the fetching task needs of the configuration.
pub(super) fn settings(config: &Config) -> Settings {
    Settings {
        min_bytes: config.int32("fetch.min.bytes").unwrap_or(1),
        max_wait_ms: config.int32("fetch.max.wait.ms").unwrap_or_default(),
        max_bytes: config.int32("fetch.max.bytes").unwrap_or(i32::MAX),
        isolation: isolation(config),
        reset: config.reset(),
        check_crcs: config.flag("check.crcs"),
        rack: config.text("client.rack").to_owned(),
        nearby_for: config.duration("metadata.max.age.ms"),
    }
}

/// What one answer may bring of a partition, when so many are read.
pub(super) fn partition_bytes(config: &Config, count: usize) -> i32 {
    let share = ANSWER / i64::try_from(count.max(1)).unwrap_or(ANSWER);
    let share = i32::try_from(share.clamp(PARTITION_MIN, PARTITION_MAX)).unwrap_or(i32::MAX);
    config.int32("max.partition.fetch.bytes").unwrap_or(share)
}

/// Bytes fetched ahead of the user, as they are on the wire.
pub(super) fn ahead(config: &Config) -> usize {
    config.size("queued.max.messages.kbytes").unwrap_or(0).saturating_mul(1024)
}

/// Finds the partitions and the offsets to begin at.
pub(super) async fn begin(core: &Core, group: Option<&Group>, assignment: Assignment) -> Result<Cursors> {
    let mut wanted = assignment.partitions;
    let mut known: Vec<(Arc<str>, Arc<crate::metadata::Topic>)> = Vec::new();
    for (name, from) in assignment.topics {
        let topic = core.topic(&name, Wanted::Topics(&[&*name])).await?;
        let all = (0..)
            .zip(&topic.partitions)
            .map(|(partition, _)| (TopicPartition::new(name.clone(), partition), from));
        wanted.extend(all);
        known.push((name, topic));
    }
    for (at, _) in &wanted {
        if !known.iter().any(|(name, _)| *name == at.topic) {
            let topic = core.topic(&at.topic, Wanted::Topics(&[&*at.topic])).await?;
            known.push((at.topic.clone(), topic));
        }
        if let Some((_, topic)) = known.iter().find(|(name, _)| *name == at.topic)
            && topic.leader(at.partition).is_none()
        {
            return Err(unknown_partition(at, topic));
        }
    }
    let max_bytes = partition_bytes(&core.config, wanted.len());
    let patience = core.config.duration("default.api.timeout.ms");
    let mut cursors = Cursors::new(core.retry, patience);
    recall(core, group, &mut wanted).await?;
    for (at, from) in locate(core, wanted).await? {
        cursors
            .add(at, from, max_bytes)
            .map_err(|at| Error::new(ErrorKind::Config, format!("partition {at} is assigned twice")))?;
    }
    Ok(cursors)
}

/// Where the group left off, for positions that say so.
async fn recall(core: &Core, group: Option<&Group>, wanted: &mut [(TopicPartition, Position)]) -> Result<()> {
    let asked: Vec<_> =
        wanted.iter().filter(|(_, from)| *from == Position::Committed).map(|(at, _)| at.clone()).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let Some(group) = group else {
        return Err(Error::new(ErrorKind::Config, "there is no committed offset without a group.id")
            .hinted("set group.id, or begin elsewhere"));
    };
    let committed = group.committed_offsets(&asked).await?;
    let reset = settings(&core.config).reset();
    for (at, from) in wanted.iter_mut().filter(|(_, from)| *from == Position::Committed) {
        *from = match (committed.get(at), reset) {
            (Some(committed), _) => Position::Offset(committed.offset),
            (None, Some(reset)) => reset,
            (None, None) => {
                let message = format!("no committed offset in {at}, and auto.offset.reset is none");
                return Err(Error::new(ErrorKind::OffsetOutOfRange, message));
            }
        };
    }
    Ok(())
}

/// The offset of each position; a position again where only time can tell.
async fn locate(
    core: &Core,
    wanted: Vec<(TopicPartition, Position)>,
) -> Result<Vec<(TopicPartition, Result<i64, Position>)>> {
    let (fixed, open): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|(_, position)| matches!(position, Position::Offset(_)));
    let mut out: Vec<(TopicPartition, Result<i64, Position>)> = Vec::new();
    for (at, position) in fixed {
        if let Position::Offset(offset) = position {
            out.push((at, Ok(offset)));
        }
    }
    let found = core.list_offsets(&open).await?;
    for ((at, position), (_, info)) in open.into_iter().zip(found) {
        match info {
            Ok(info) if info.offset >= 0 => out.push((at, Ok(info.offset))),
            Ok(_) => out.push((at, Err(Position::End))),
            Err(e) if e.is_retriable() && e.kind() != ErrorKind::Unreachable => out.push((at, Err(position))),
            Err(e) => return Err(e),
        }
    }
    Ok(out)
}
