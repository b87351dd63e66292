//! OffsetFetch, versions 0 to 3: no group has committed an offset here, and that is the answer.
//!
//! Nothing can be committed yet. The question is answered because consumers of Kafka 0.9 and 0.10 ask it whenever
//! partitions are assigned to them, even when they seek. Later versions are for clients that find no coordinator here.

use std::sync::Arc;

use kinglet_protocol::messages::offset_fetch::{
    OffsetFetchRequestTopic, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kinglet_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::Context;

/// What stands for an offset that nobody committed.
const NO_OFFSET: i64 = -1;

pub(crate) async fn handle(_: &Arc<Context>, _: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
    // Null asks for all offsets of the group: none.
    let topics = request.topics.unwrap_or_default();
    OffsetFetchResponse { topics: topics.into_iter().map(nothing_committed).collect(), ..Default::default() }
}

fn nothing_committed(asked: OffsetFetchRequestTopic) -> OffsetFetchResponseTopic {
    let partition = |partition_index| OffsetFetchResponsePartition {
        partition_index,
        committed_offset: NO_OFFSET,
        // Null would end in a null pointer in old Java clients.
        metadata: Some(String::new()),
        ..Default::default()
    };
    OffsetFetchResponseTopic {
        name: asked.name,
        partitions: asked.partition_indexes.into_iter().map(partition).collect(),
    }
}
