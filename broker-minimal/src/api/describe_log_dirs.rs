//! DescribeLogDirs (KIP-113): what lies in this broker's log directories, and how full their volumes are (KIP-827).
//!
//! Nothing moves between the directories of a broker, so no replica is a future one, and none of them lags behind itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::describe_log_dirs::{
    DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kinglet_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::Context;
use crate::shard::sizes::ReplicaSize;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let Ok(mut sizes) = ctx.shards.sizes().await else {
        let error_code = ErrorCode::KAFKA_STORAGE_ERROR;
        return DescribeLogDirsResponse { error_code, ..Default::default() };
    };
    let wanted = request.topics.map(Wanted::new);
    let storage = Arc::clone(&ctx.storage);
    let volumes = tokio::task::spawn_blocking(move || storage.volumes()).await.unwrap_or_default();
    let results = volumes.into_iter().map(|volume| DescribeLogDirsResult {
        log_dir: volume.shown,
        topics: topics(sizes.remove(&volume.path).unwrap_or_default(), wanted.as_ref()),
        total_bytes: volume.total_bytes,
        usable_bytes: volume.usable_bytes,
        ..Default::default()
    });
    DescribeLogDirsResponse { results: results.collect(), ..Default::default() }
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
