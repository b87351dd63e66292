//! AlterReplicaLogDirs (KIP-113): replicas stay in the log directory that they were made in. Asking for that one changes nothing, as in
//! Kafka; another one of this broker's is refused, and so is one that it has not got or in which a log has failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_replica_log_dirs::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kinglet_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use crate::Context;
use crate::meta::image::Image;
use crate::shard::sizes::ReplicaSize;

/// Where each replica of this broker lies, as it is told to clients.
type Places = HashMap<(String, i32), String>;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    _: i16,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    // A broker that stops has none.
    let dirs = ctx.storage.contents().await.unwrap_or_default();
    let mut places = Places::new();
    for dir in &dirs {
        let at = |replica: &ReplicaSize| ((replica.topic.clone(), replica.index), dir.shown.clone());
        places.extend(dir.replicas.iter().map(at));
    }
    let image = ctx.meta.image();
    let mut topics: BTreeMap<String, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in request.dirs {
        let known = dirs.iter().find(|known| known.shown == dir.path);
        for topic in dir.topics {
            let answer = |partition_index| {
                let key = (topic.name.clone(), partition_index);
                let error_code = match (known, places.get(&key)) {
                    (None, _) => ErrorCode::LOG_DIR_NOT_FOUND,
                    (Some(known), _) if known.has_failed => ErrorCode::KAFKA_STORAGE_ERROR,
                    (Some(known), Some(place)) if *place == known.shown => ErrorCode::NONE,
                    (Some(_), Some(_)) => ErrorCode::INVALID_REQUEST,
                    (Some(_), None) => not_here(&image, &key.0, partition_index),
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

/// A replica of another broker, or none at all.
fn not_here(image: &Image, topic: &str, index: i32) -> ErrorCode {
    let partition = image.topic(topic).and_then(|topic| image.partition(topic.id, index));
    match partition {
        Some(_) => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}
