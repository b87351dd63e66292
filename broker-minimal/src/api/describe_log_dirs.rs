//! DescribeLogDirs (KIP-113): what lies in this broker's log directories, and how full their volumes are (KIP-827).
//!
//! Nothing moves between the directories of a broker, so no replica is a future one, and none of them lags behind itself. Of a directory in
//! which a log has failed, that is said; only a broker alone goes on with what else lies there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kinglet_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::Context;
use crate::shard::sizes::{DirContents, ReplicaSize};
use crate::shard::volumes::Volume;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let Ok(dirs) = ctx.storage.contents().await else {
        let error_code = ErrorCode::KAFKA_STORAGE_ERROR;
        return DescribeLogDirsResponse { error_code, ..Default::default() };
    };
    let wanted = request.topics.map(Wanted::new);
    let on_volumes = tokio::task::spawn_blocking(move || {
        dirs.into_iter().map(|dir| (volume(&dir), dir)).collect::<Vec<_>>()
    });
    let results = on_volumes.await.unwrap_or_default().into_iter().map(|(volume, dir)| {
        let error_code = if dir.has_failed { ErrorCode::KAFKA_STORAGE_ERROR } else { ErrorCode::NONE };
        DescribeLogDirsResult {
            error_code,
            log_dir: dir.shown,
            topics: topics(dir.replicas, wanted.as_ref()),
            total_bytes: volume.total_bytes,
            usable_bytes: volume.usable_bytes,
            ..Default::default()
        }
    });
    DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
}

/// What failed is not asked any more.
fn volume(dir: &DirContents) -> Volume {
    if dir.has_failed { Volume::UNKNOWN } else { Volume::of(&dir.path) }
}

/// The partitions that are asked for.
struct Wanted(BTreeMap<String, BTreeSet<i32>>);

impl Wanted {
    fn new(asked: Vec<DescribableLogDirTopic>) -> Self {
        let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        for topic in asked {
            wanted.entry(topic.topic).or_default().extend(topic.partitions);
        }
        Self(wanted)
    }

    fn has(&self, replica: &ReplicaSize) -> bool {
        self.0.get(&replica.topic).is_some_and(|partitions| partitions.contains(&replica.index))
    }
}

fn topics(replicas: Vec<ReplicaSize>, wanted: Option<&Wanted>) -> Vec<DescribeLogDirsTopic> {
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in replicas.into_iter().filter(|replica| wanted.is_none_or(|wanted| wanted.has(replica))) {
        topics.entry(replica.topic).or_default().push(DescribeLogDirsPartition {
            partition_index: replica.index,
            partition_size: i64::try_from(replica.bytes).unwrap_or(i64::MAX),
            offset_lag: 0,
            is_future_key: false,
        });
    }
    let sorted = |(name, mut partitions): (String, Vec<DescribeLogDirsPartition>)| {
        partitions.sort_unstable_by_key(|partition| partition.partition_index);
        DescribeLogDirsTopic { name, partitions }
    };
    topics.into_iter().map(sorted).collect()
}
