//! Where partitions are fetched from, and how a leader is asked for them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use kinglet_protocol::messages::FetchRequest;
use kinglet_protocol::messages::fetch::{FetchPartition, FetchTopic, ReplicaState};
use kinglet_protocol::records::Batch;
use kinglet_protocol::{RecordBytes, Uuid};

use super::Followed;
use crate::clock;
use crate::config::Config;
use crate::shard::PartitionId;
use crate::shard::command::FollowerState;

/// Where a partition is fetched from.
pub(super) struct State {
    pub(super) offset: i64,
    pub(super) last_epoch: i32,
    pub(super) log_start: i64,
    pub(super) not_before: Instant,
    /// The newest that the shard was told.
    pub(super) high_watermark: i64,
    /// What was fetched last did not get into the log: where that ends is to be asked again.
    pub(super) is_lost: bool,
}

impl State {
    pub(super) fn new(from: FollowerState) -> Self {
        let FollowerState { log_end, last_epoch, log_start, .. } = from;
        Self {
            offset: log_end,
            last_epoch,
            log_start,
            not_before: clock::now(),
            high_watermark: -1,
            is_lost: false,
        }
    }

    pub(super) fn may_ask(&self, now: Instant) -> bool {
        !self.is_lost && self.not_before <= now
    }

    pub(super) fn is_unknown(&self, now: Instant) -> bool {
        self.is_lost && self.not_before <= now
    }

    /// Asks the shard again where the log ends, but not at once: a disk that refuses would be asked without end.
    pub(super) fn forget(&mut self, until: Instant) {
        (self.is_lost, self.not_before) = (true, until);
    }

    /// Whether the leader has more than this, as far as it has said.
    pub(super) fn lags(&self) -> bool {
        self.offset < self.high_watermark
    }

    pub(super) fn go_on(&mut self, from: FollowerState) {
        (self.offset, self.last_epoch, self.log_start) = (from.log_end, from.last_epoch, from.log_start);
    }
}

/// What to ask one leader for, by a broker of this epoch.
pub(super) fn request(
    config: &Config,
    broker_epoch: i64,
    asked: &[&Followed],
    states: &HashMap<PartitionId, State>,
    retry: Option<Duration>,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut last = Uuid::ZERO;
    let max_bytes = config.number("replica.fetch.max.bytes");
    for followed in asked {
        let Some(state) = states.get(&followed.id) else { continue };
        if followed.id.topic != last || topics.is_empty() {
            last = followed.id.topic;
            topics.push(FetchTopic { topic_id: followed.id.topic, ..Default::default() });
        }
        let partition = FetchPartition {
            partition: followed.id.index,
            current_leader_epoch: followed.leader_epoch,
            fetch_offset: state.offset,
            last_fetched_epoch: state.last_epoch,
            log_start_offset: state.log_start,
            partition_max_bytes: i32::try_from(max_bytes).unwrap_or(i32::MAX),
            ..Default::default()
        };
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    let wait =
        Duration::from_millis(u64::try_from(config.number("replica.fetch.wait.max.ms")).unwrap_or(500));
    let wait = retry.map_or(wait, |retry| wait.min(retry));
    FetchRequest {
        replica_state: ReplicaState { replica_id: config.node_id, replica_epoch: broker_epoch },
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: i32::try_from(config.number("replica.fetch.min.bytes")).unwrap_or(1),
        max_bytes: i32::try_from(config.number("replica.fetch.response.max.bytes")).unwrap_or(i32::MAX),
        topics,
        ..Default::default()
    }
}

/// The whole batches of an answer, each checked: what a disk or a network damaged must not spread.
pub(super) fn batches(records: Option<RecordBytes>) -> Result<Vec<Batch>, String> {
    let mut bytes = records.map(RecordBytes::into_bytes).unwrap_or_default();
    let mut batches = Vec::new();
    loop {
        match Batch::split(&mut bytes) {
            Ok(Some(batch)) => {
                batch.verify_crc().map_err(|error| error.to_string())?;
                batches.push(batch);
            }
            Ok(None) => return Ok(batches),
            // An answer may end in a part of a batch.
            Err(_) if !batches.is_empty() => return Ok(batches),
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_asks_for_what_the_configuration_says() {
        let text = "node.id=3\nreplica.fetch.max.bytes=1000\nreplica.fetch.min.bytes=7\nreplica.fetch.response.max.bytes=5000\n\
                    replica.fetch.wait.max.ms=40";
        let config = Config::from_properties(text).unwrap();
        let id = PartitionId { topic: Uuid([1; 16]), index: 2 };
        let followed = Followed { id, topic: "t".to_owned(), leader_epoch: 4 };
        let now = clock::now();
        let state = State {
            offset: 9,
            last_epoch: 3,
            log_start: 2,
            not_before: now,
            high_watermark: 8,
            is_lost: false,
        };
        let states = HashMap::from([(id, state)]);
        let asked = request(&config, 17, &[&followed], &states, None);
        assert_eq!((asked.replica_state.replica_id, asked.replica_state.replica_epoch), (3, 17));
        assert_eq!((asked.max_wait_ms, asked.min_bytes, asked.max_bytes), (40, 7, 5000));
        let partition = &asked.topics[0].partitions[0];
        assert_eq!((asked.topics[0].topic_id, partition.partition), (id.topic, 2));
        assert_eq!(
            (partition.fetch_offset, partition.last_fetched_epoch, partition.log_start_offset),
            (9, 3, 2)
        );
        assert_eq!((partition.current_leader_epoch, partition.partition_max_bytes), (4, 1000));
        let soon = request(&config, 17, &[&followed], &states, Some(Duration::from_millis(5)));
        assert_eq!(
            soon.max_wait_ms, 5,
            "a partition that is to be asked again soon does not wait for the others"
        );
    }
}
