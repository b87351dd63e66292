//! Leaders' wishes for another ISR (KIP-497), with Kafka's checks in Kafka's order.

use std::borrow::Cow;
use std::collections::HashSet;

use kinglet_protocol::messages::AlterPartitionRequest;
use kinglet_protocol::messages::alter_partition::{
    BrokerState, PartitionData, PartitionDataResponse, TopicDataResponse,
};
use kinglet_protocol::messages::metadata_records::PartitionChangeRecord;
use kinglet_protocol::{ErrorCode, Uuid};

use super::Controller;
use super::election::partition_id;
use crate::meta::Refusal;
use crate::meta::image::{Image, PartitionImage, RECOVERING, Topic};
use crate::meta::record::Record;

/// What older versions of the request say for the epoch of a broker.
const ANY_EPOCH: i64 = -1;
/// `leader_recovery_state` of a leader that knows that it was elected uncleanly, or was not.
const RECOVERED: i8 = 0;

impl Controller<'_> {
    /// Changes ISRs as their leader wants. Up to version 2 the new ISR comes without epochs, up to 1 topics have no ids.
    pub(crate) fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
    ) -> (Vec<Record>, Result<Vec<TopicDataResponse>, Refusal>) {
        if let Err(refusal) = self.registered(request.broker_id, request.broker_epoch) {
            return (Vec::new(), Err(refusal));
        }
        // A partition may be there twice: the second wish is checked against what the first one made.
        let mut image = Cow::Borrowed(self.image);
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for wish in &asked.partitions {
                let now = Controller { image: &image, ..*self };
                let id = now.topic_id(asked.topic_id, &asked.topic_name);
                let decided = now.alter(request.broker_id, id, wish);
                let made = decided.map(|record| {
                    if let Some(record) = record {
                        image.to_mut().replay(&record).expect("the partition was looked up in this image");
                        records.push(record);
                    }
                });
                partitions.push(told(&image, id, request.broker_id, wish, made));
            }
            let (topic_name, topic_id) = (asked.topic_name.clone(), asked.topic_id);
            topics.push(TopicDataResponse { topic_name, topic_id, partitions });
        }
        (records, Ok(topics))
    }

    fn topic_id(&self, id: Uuid, name: &str) -> Uuid {
        if id.is_zero() && !name.is_empty() {
            return self.image.topic(name).map_or(Uuid::ZERO, |topic| topic.id);
        }
        id
    }

    fn alter(&self, broker: i32, id: Uuid, wish: &PartitionData) -> Result<Option<Record>, ErrorCode> {
        let topic = self.image.topic_by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let index = usize::try_from(wish.partition_index).ok();
        let found = index.and_then(|index| Some((index, topic.partitions.get(index)?)));
        let (index, before) = found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let isr = self.check(broker, before, wish)?;
        let mut change = self.change(topic, index, before);
        change.isr = isr;
        let record = change.decide(&|id| self.may_hold(before, id));
        Ok(with_recovery(record, topic, index, before, wish))
    }

    /// The new ISR, if it may be.
    fn check(&self, broker: i32, at: &PartitionImage, wish: &PartitionData) -> Result<Vec<i32>, ErrorCode> {
        if wish.leader_epoch > at.leader_epoch || wish.partition_epoch > at.partition_epoch {
            // The leader has seen more than this controller has.
            return Err(ErrorCode::NOT_CONTROLLER);
        }
        if wish.leader_epoch < at.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if broker != at.leader {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if wish.partition_epoch < at.partition_epoch {
            return Err(ErrorCode::INVALID_UPDATE_VERSION);
        }
        let without_epoch = |id: &i32| BrokerState { broker_id: *id, broker_epoch: ANY_EPOCH };
        let members: Vec<BrokerState> = if wish.new_isr_with_epochs.is_empty() {
            wish.new_isr.iter().map(without_epoch).collect()
        } else {
            wish.new_isr_with_epochs.clone()
        };
        let isr: Vec<i32> = members.iter().map(|member| member.broker_id).collect();
        let mut seen = HashSet::new();
        let are_replicas = isr.iter().all(|id| at.replicas.contains(id) && seen.insert(*id));
        if !are_replicas || !isr.contains(&at.leader) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let recovers = wish.leader_recovery_state == RECOVERING;
        if ![RECOVERED, RECOVERING].contains(&wish.leader_recovery_state)
            || (recovers && (isr.len() > 1 || !at.is_recovering))
        {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        // One that was alive when the leader asked may be another process now, without what it had (KIP-903).
        let is_eligible = |member: &BrokerState| {
            self.image.broker(member.broker_id).is_some_and(|broker| {
                self.may_hold(at, broker.id)
                    && (member.broker_epoch == ANY_EPOCH || member.broker_epoch == broker.epoch)
            })
        };
        if members.iter().all(is_eligible) { Ok(isr) } else { Err(ErrorCode::INELIGIBLE_REPLICA) }
    }
}

/// A leader that was elected uncleanly says with its first change that it knows.
fn with_recovery(
    record: Option<Record>,
    topic: &Topic,
    index: usize,
    before: &PartitionImage,
    wish: &PartitionData,
) -> Option<Record> {
    if !before.is_recovering || wish.leader_recovery_state == RECOVERING {
        return record;
    }
    let mut change = match record {
        Some(Record::PartitionChange(change)) => change,
        _ => PartitionChangeRecord {
            topic_id: topic.id,
            partition_id: partition_id(index),
            ..Default::default()
        },
    };
    change.leader_recovery_state = RECOVERED;
    Some(Record::PartitionChange(change))
}

/// The partition as it is now, or why it did not change.
fn told(
    image: &Image,
    id: Uuid,
    broker: i32,
    wish: &PartitionData,
    made: Result<(), ErrorCode>,
) -> PartitionDataResponse {
    let partition_index = wish.partition_index;
    match (made, image.partition(id, partition_index)) {
        (Err(error_code), _) => PartitionDataResponse { partition_index, error_code, ..Default::default() },
        (Ok(()), Some(at)) => PartitionDataResponse {
            partition_index,
            error_code: if at.leader == broker { ErrorCode::NONE } else { ErrorCode::NEW_LEADER_ELECTED },
            leader_id: at.leader,
            leader_epoch: at.leader_epoch,
            isr: at.isr.clone(),
            leader_recovery_state: i8::from(at.is_recovering) * RECOVERING,
            partition_epoch: at.partition_epoch,
        },
        (Ok(()), None) => {
            let error_code = ErrorCode::UNKNOWN_TOPIC_ID;
            PartitionDataResponse { partition_index, error_code, ..Default::default() }
        }
    }
}
