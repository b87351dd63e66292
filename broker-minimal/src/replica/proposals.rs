//! Carries the leaders' proposals for other ISRs to the controller (KIP-497), many at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::messages::AlterPartitionRequest;
use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData, TopicData};
use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, watch};

use crate::meta::active::ActiveController;
use crate::shard::command::IsrProposal;
use crate::shard::{Command, PartitionId, Shards};
use crate::{clock, stopped};

/// Proposals of one request.
const BATCH: usize = 1000;
/// How long a request may take; what it proposed is proposed again then.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before proposals that found no controller are made again.
const PAUSE: Duration = Duration::from_millis(50);

/// What carrying needs.
pub(crate) struct IsrChanges {
    pub(crate) node_id: i32,
    pub(crate) controller: ActiveController,
    pub(crate) shards: Arc<Shards>,
    pub(crate) epoch: watch::Receiver<i64>,
}

impl IsrChanges {
    /// Until the broker stops.
    pub(crate) async fn run(
        self,
        mut proposals: mpsc::UnboundedReceiver<IsrProposal>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut some = Vec::new();
        loop {
            tokio::select! {
                count = proposals.recv_many(&mut some, BATCH) => if count == 0 { return },
                () = stopped(&mut stop) => return,
            }
            let answers = self.propose(&some).await;
            if answers.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
            for proposal in some.drain(..) {
                let id = proposal.id;
                let result = answers.get(&id).copied().unwrap_or(ErrorCode::NOT_CONTROLLER);
                let result = if result.is_err() { Err(result) } else { Ok(()) };
                let partition_epoch = proposal.change.partition_epoch;
                let answered = Command::IsrAnswered { id, partition_epoch, result };
                if self.shards.send(id, answered).await.is_err() {
                    return;
                }
            }
        }
    }

    /// What became of each; none when nobody answered.
    async fn propose(&self, proposals: &[IsrProposal]) -> BTreeMap<PartitionId, ErrorCode> {
        let mut topics: BTreeMap<Uuid, Vec<PartitionData>> = BTreeMap::new();
        for proposal in proposals {
            let change = &proposal.change;
            let state = |(broker_id, broker_epoch): &(i32, i64)| BrokerState {
                broker_id: *broker_id,
                broker_epoch: *broker_epoch,
            };
            topics.entry(proposal.id.topic).or_default().push(PartitionData {
                partition_index: proposal.id.index,
                leader_epoch: change.leader_epoch,
                new_isr_with_epochs: change.isr.iter().map(state).collect(),
                partition_epoch: change.partition_epoch,
                ..Default::default()
            });
        }
        let topic = |(topic_id, partitions)| TopicData { topic_id, partitions, ..Default::default() };
        let request = AlterPartitionRequest {
            broker_id: self.node_id,
            broker_epoch: *self.epoch.borrow(),
            topics: topics.into_iter().map(topic).collect(),
        };
        let response = match self.controller.ask(&request, clock::now() + PATIENCE).await {
            Ok(response) if !response.error_code.is_err() => response,
            Ok(response) => {
                tracing::debug!(error = %response.error_code, "the controller changes no ISR");
                return BTreeMap::new();
            }
            Err(error) => {
                tracing::debug!(%error, "no ISR changed");
                return BTreeMap::new();
            }
        };
        let answers = response.topics.into_iter().flat_map(|topic| {
            let id = move |index| PartitionId { topic: topic.topic_id, index };
            topic.partitions.into_iter().map(move |answer| (id(answer.partition_index), answer.error_code))
        });
        answers.collect()
    }
}
