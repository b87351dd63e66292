//! Records: forget the oldest ones of partitions.

use std::collections::{BTreeMap, HashMap};

use super::{Admin, unanswered};
use crate::client::Target;
use crate::metadata::Wanted;
use crate::protocol::ErrorCode;
use crate::protocol::messages::DeleteRecordsRequest;
use crate::protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::{Error, ErrorKind, PerItem, Result, TopicPartition, rng};

/// How often a partition is asked for whose leader has moved.
const ROUNDS: u32 = 5;

/// The low watermark of a partition, or why its records are still there.
type Outcome = Result<i64>;

impl Admin {
    /// Deletes the records before these offsets; -1 means all that readers can see. The result is the partition's low
    /// watermark: the least log start offset of its replicas. Needs Kafka 0.11 (KIP-107).
    ///
    /// `OFFSET_OUT_OF_RANGE` for an offset behind the high watermark, `POLICY_VIOLATION` for topics that are compacted
    /// only, and `UnknownTopic` or `UnknownPartition` for what does not exist.
    pub async fn delete_records(
        &self,
        before: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<PerItem<TopicPartition, i64>> {
        let before: Vec<(TopicPartition, i64)> = before.into_iter().collect();
        self.core.within_api_timeout("DeleteRecords", self.delete_before(before)).await
    }

    /// Asks each leader once, and again where the leader has moved.
    async fn delete_before(
        &self,
        before: Vec<(TopicPartition, i64)>,
    ) -> Result<PerItem<TopicPartition, i64>> {
        let mut results: HashMap<TopicPartition, Outcome> = HashMap::new();
        for round in 1..=ROUNDS {
            let mut by_leader: BTreeMap<i32, Vec<&(TopicPartition, i64)>> = BTreeMap::new();
            for wanted in &before {
                if !results.get(&wanted.0).is_none_or(is_open) {
                    continue;
                }
                match self.core.leader(&wanted.0).await {
                    Ok(leader) => by_leader.entry(leader).or_default().push(wanted),
                    Err(error) => {
                        results.insert(wanted.0.clone(), Err(error));
                    }
                }
            }
            for (leader, wanted) in by_leader {
                results.extend(self.delete_at(leader, &wanted).await);
            }
            let open = before.iter().filter(|(at, _)| results.get(at).is_some_and(is_open));
            let mut topics: Vec<&str> = open.map(|(at, _)| &*at.topic).collect();
            if topics.is_empty() || round == ROUNDS {
                break;
            }
            topics.dedup();
            tokio::time::sleep(self.core.retry.delay(round, rng::unit())).await;
            self.core.metadata.refresh(&self.core.pool, Wanted::Existing(&topics)).await?;
        }
        let outcome = |(at, _): (TopicPartition, i64)| {
            let outcome = results.get(&at).cloned().unwrap_or_else(|| Err(unanswered(&at)));
            (at, outcome)
        };
        Ok(before.into_iter().map(outcome).collect())
    }

    async fn delete_at(
        &self,
        leader: i32,
        wanted: &[&(TopicPartition, i64)],
    ) -> Vec<(TopicPartition, Outcome)> {
        let mut topics: Vec<DeleteRecordsTopic> = Vec::new();
        for (at, offset) in wanted {
            let partition = DeleteRecordsPartition { partition_index: at.partition, offset: *offset };
            match topics.iter_mut().find(|topic| topic.name == *at.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics
                    .push(DeleteRecordsTopic { name: at.topic.to_string(), partitions: vec![partition] }),
            }
        }
        let request = DeleteRecordsRequest { topics, timeout_ms: self.core.request_timeout_ms() };
        let answer = match self.core.request(&request, &Target::Broker(leader)).await {
            Ok(answer) => answer,
            Err(error) => return wanted.iter().map(|(at, _)| (at.clone(), Err(error.clone()))).collect(),
        };
        let outcome = |(at, _): &&(TopicPartition, i64)| {
            let topic = answer.topics.iter().find(|topic| topic.name == *at.topic);
            let found = topic.and_then(|t| t.partitions.iter().find(|p| p.partition_index == at.partition));
            let outcome = match found.map(|found| (found.error_code.ok(), found.low_watermark)) {
                Some((Ok(()), low_watermark)) => Ok(low_watermark),
                Some((Err(code), _)) => {
                    Err(Error::broker(code, at).around(|c| c.topic_partition = Some(at.clone())))
                }
                None => Err(unanswered(at)),
            };
            (at.clone(), outcome)
        };
        wanted.iter().map(outcome).collect()
    }
}

/// Open: answered by a broker that is not the leader any more, or not at all. An unknown topic was looked for already.
fn is_open(outcome: &Outcome) -> bool {
    outcome.as_ref().is_err_and(|error| match error.kind() {
        ErrorKind::UnknownTopic => false,
        ErrorKind::Unreachable => true,
        _ => error.code().is_some_and(ErrorCode::is_retriable),
    })
}
