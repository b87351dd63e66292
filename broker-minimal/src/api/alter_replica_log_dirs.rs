//! AlterReplicaLogDirs (KIP-113): replicas stay in the log directory that they were made in. Asking for that one changes nothing, as in
//! Kafka; another one of this broker's is refused, and so is one that it has not got.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kinglet_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use crate::Context;
use crate::meta::image::Image;

/// Where each replica of this broker lies, as it is told to clients.
type Places = HashMap<(String, i32), String>;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let dirs = ctx.storage.dirs();
    let mut places = Places::new();
    for (dir, replicas) in ctx.shards.sizes().await.unwrap_or_default() {
        let shown = shown(&dirs, &dir);
        places.extend(replicas.into_iter().map(|replica| ((replica.topic, replica.index), shown.clone())));
    }
    let image = ctx.meta.image();
    let mut topics: BTreeMap<String, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in request.dirs {
        let is_here = dirs.iter().any(|(_, shown)| *shown == dir.path);
        for topic in dir.topics {
            let answer = |partition_index| {
                let key = (topic.name.clone(), partition_index);
                let error_code = if !is_here {
                    ErrorCode::LOG_DIR_NOT_FOUND
                } else {
                    match places.get(&key) {
                        Some(place) if *place == dir.path => ErrorCode::NONE,
                        Some(_) => ErrorCode::INVALID_REQUEST,
                        None => not_here(&image, &key.0, partition_index),
                    }
                };
                AlterReplicaLogDirPartitionResult { partition_index, error_code }
            };
            let answers = topic.partitions.iter().map(|index| answer(*index)).collect::<Vec<_>>();
            topics.entry(topic.name).or_default().extend(answers);
        }
    }
    let result = |(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions };
    AlterReplicaLogDirsResponse { results: topics.into_iter().map(result).collect(), ..Default::default() }
}

fn shown(dirs: &[(PathBuf, String)], dir: &Path) -> String {
    dirs.iter().find(|(path, _)| path == dir).map(|(_, shown)| shown.clone()).unwrap_or_default()
}

/// A replica of another broker, or none at all.
fn not_here(image: &Image, topic: &str, index: i32) -> ErrorCode {
    let partition = image.topic(topic).and_then(|topic| image.partition(topic.id, index));
    match partition {
        Some(_) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}
