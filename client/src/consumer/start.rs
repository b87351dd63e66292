//! From an assignment to the partitions and offsets a consumer begins with.

use std::sync::Arc;

use super::Assignment;
use super::cursor::Cursors;
use super::fetch::Settings;
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
        reset: match config.text("auto.offset.reset") {
            "earliest" => Some(Position::Beginning),
            "latest" => Some(Position::End),
            _ => None,
        },
        check_crcs: config.flag("check.crcs"),
    }
}

/// Finds the partitions and the offsets to begin at.
pub(super) async fn begin(core: &Core, assignment: Assignment) -> Result<Cursors> {
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
    let share = ANSWER / i64::try_from(wanted.len().max(1)).unwrap_or(ANSWER);
    let share = i32::try_from(share.clamp(PARTITION_MIN, PARTITION_MAX)).unwrap_or(i32::MAX);
    let max_bytes = core.config.int32("max.partition.fetch.bytes").unwrap_or(share);
    let patience = core.config.duration("default.api.timeout.ms");
    let mut cursors = Cursors::new(core.retry, patience);
    for (at, from) in locate(core, wanted).await? {
        cursors
            .add(at, from, max_bytes)
            .map_err(|at| Error::new(ErrorKind::Config, format!("partition {at} is assigned twice")))?;
    }
    Ok(cursors)
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
