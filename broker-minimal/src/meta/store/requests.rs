//! What handlers ask of the controller. When this node is not the active one, the answer is `NotController` and nothing was done.

use std::ops::Range;
use std::sync::PoisonError;

use kinglet_protocol::messages::alter_configs::AlterConfigsResource as WholeResource;
use kinglet_protocol::messages::alter_partition::TopicDataResponse;
use kinglet_protocol::messages::alter_partition_reassignments::ReassignableTopicResponse;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::elect_leaders::{ReplicaElectionResult, TopicPartitions};
use kinglet_protocol::messages::incremental_alter_configs::AlterConfigsResource;
use kinglet_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionRequest, BrokerHeartbeatRequest,
    BrokerRegistrationRequest,
};

use super::job::Outcome;
use super::{Handle, Mode, Wait};
use crate::meta::controller::{Beat, Created, Deleted, Election};
use crate::meta::record::Record;
use crate::meta::refusal::Refusal;

impl Mode {
    fn keep(self, records: Vec<Record>) -> Vec<Record> {
        match self {
            Self::Apply => records,
            Self::Validate => Vec::new(),
        }
    }
}

impl Handle {
    /// Creates topics; the answers are in the order of the topics.
    pub(crate) async fn create_topics(
        &self,
        topics: Vec<CreatableTopic>,
        mode: Mode,
    ) -> Vec<Result<Created, Refusal>> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let outcome = self.send(Wait::Followed, mode == Mode::Apply, move |desk| {
            let (records, answers) = desk.controller().0.create_topics(&topics);
            (mode.keep(records), answers)
        });
        let answers = outcome.await.each(names.len());
        for (topic, answer) in names.iter().zip(&answers) {
            if mode == Mode::Apply
                && let Ok(created) = answer
            {
                tracing::info!(topic, partitions = created.partitions, "topic created");
            }
        }
        answers
    }

    /// Deletes topics; the answers are in the order of the topics.
    pub(crate) async fn delete_topics(&self, topics: Vec<DeleteTopicState>) -> Vec<Deleted> {
        let asked = topics.clone();
        let outcome = self.ask(Wait::Followed, move |desk| desk.controller().0.delete_topics(&topics)).await;
        let refused = |topic: &DeleteTopicState, refusal: &Refusal| Deleted {
            name: topic.name.clone(),
            id: topic.topic_id,
            result: Err(refusal.clone()),
        };
        match outcome {
            Outcome::Made(answers, _) => {
                for deleted in answers.iter().filter(|deleted| deleted.result.is_ok()) {
                    tracing::info!(topic = deleted.name, "topic deleted");
                }
                answers
            }
            Outcome::Failed(Some(mut answers), refusal) => {
                for deleted in answers.iter_mut().filter(|deleted| deleted.result.is_ok()) {
                    deleted.result = Err(refusal.clone());
                }
                answers
            }
            Outcome::Failed(None, refusal) => asked.iter().map(|topic| refused(topic, &refusal)).collect(),
        }
    }

    /// Adds partitions; the answers are in the order of the topics.
    pub(crate) async fn create_partitions(
        &self,
        topics: Vec<CreatePartitionsTopic>,
        mode: Mode,
    ) -> Vec<Result<(), Refusal>> {
        let count = topics.len();
        let outcome = self.send(Wait::Followed, mode == Mode::Apply, move |desk| {
            let (records, answers) = desk.controller().0.create_partitions(&topics);
            (mode.keep(records), answers)
        });
        outcome.await.each(count)
    }

    /// Changes configurations of topics and brokers; the answers are in the order of the resources.
    pub(crate) async fn alter_configs(
        &self,
        resources: Vec<AlterConfigsResource>,
        mode: Mode,
    ) -> Vec<Result<(), Refusal>> {
        let count = resources.len();
        let outcome = self.ask(Wait::Followed, move |desk| {
            let (records, answers) = desk.controller().0.alter_configs(&resources);
            (mode.keep(records), answers)
        });
        outcome.await.each(count)
    }

    /// Puts whole configurations in the place of what was set before; the answers are in the order of the resources.
    pub(crate) async fn replace_configs(
        &self,
        resources: Vec<WholeResource>,
        mode: Mode,
    ) -> Vec<Result<(), Refusal>> {
        let count = resources.len();
        let outcome = self.ask(Wait::Followed, move |desk| {
            let (records, answers) = desk.controller().0.replace_configs(&resources);
            (mode.keep(records), answers)
        });
        outcome.await.each(count)
    }

    /// Registers a broker and says its epoch.
    pub(crate) async fn register_broker(&self, request: BrokerRegistrationRequest) -> Result<i64, Refusal> {
        let outcome = self.ask(Wait::Committed, move |desk| {
            if desk.is_solo {
                return (Vec::new(), Err(Refusal::Alone));
            }
            let now = desk.now;
            let (controller, sessions) = desk.controller();
            controller.register_broker(&request, sessions, now)
        });
        outcome.await.one()
    }

    /// Keeps a broker's session.
    pub(crate) async fn heartbeat(&self, request: BrokerHeartbeatRequest) -> Result<Beat, Refusal> {
        let outcome = self.ask(Wait::Committed, move |desk| {
            let now = desk.now;
            let (controller, sessions) = desk.controller();
            controller.heartbeat(&request, sessions, now)
        });
        outcome.await.one()
    }

    /// Fences a broker at once: its process is known to have ended.
    pub(crate) async fn broker_lost(&self, id: i32, epoch: i64) -> Result<(), Refusal> {
        let outcome = self.ask(Wait::Committed, move |desk| {
            let (controller, sessions) = desk.controller();
            (controller.broker_lost(id, epoch, sessions), Ok(()))
        });
        outcome.await.one()
    }

    /// Removes a broker's registration.
    pub(crate) async fn unregister_broker(&self, id: i32) -> Result<(), Refusal> {
        let node_id = self.node_id;
        let outcome = self.ask(Wait::Followed, move |desk| {
            if desk.is_solo && id == node_id {
                return (Vec::new(), Err(Refusal::Alone));
            }
            let (controller, sessions) = desk.controller();
            controller.unregister_broker(id, sessions)
        });
        outcome.await.one()
    }

    /// Changes ISRs as their leader wants.
    pub(crate) async fn alter_partition(
        &self,
        request: AlterPartitionRequest,
    ) -> Result<Vec<TopicDataResponse>, Refusal> {
        let decide = move |desk: &mut super::Desk<'_>| desk.controller().0.alter_partition(&request);
        self.ask(Wait::Committed, decide).await.one()
    }

    /// Gives partitions other replicas.
    pub(crate) async fn reassign(
        &self,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<Vec<ReassignableTopicResponse>, Refusal> {
        let outcome = self.ask(Wait::Followed, move |desk| {
            let (records, answers) = desk.controller().0.reassign(&request);
            (records, Ok(answers))
        });
        outcome.await.one()
    }

    /// Elects leaders; `None` stands for all partitions.
    pub(crate) async fn elect_leaders(
        &self,
        election: Election,
        partitions: Option<Vec<TopicPartitions>>,
    ) -> Result<Vec<ReplicaElectionResult>, Refusal> {
        let outcome = self.ask(Wait::Followed, move |desk| {
            let (records, results) = desk.controller().0.elect_leaders(election, partitions.as_deref());
            (records, Ok(results))
        });
        outcome.await.one()
    }

    /// Takes a block of producer ids for a broker.
    pub(crate) async fn allocate_producer_ids(&self, broker: i32, epoch: i64) -> Result<Range<i64>, Refusal> {
        let decide =
            move |desk: &mut super::Desk<'_>| desk.controller().0.allocate_producer_ids(broker, epoch);
        self.ask(Wait::Committed, decide).await.one()
    }

    /// A producer id that nobody has had before. When this node is not the active controller and has none left, a block
    /// must be asked for elsewhere and given to [`Self::keep_producer_ids`].
    pub(crate) async fn next_producer_id(&self) -> Result<i64, Refusal> {
        if let Some(id) = self.take_producer_id() {
            return Ok(id);
        }
        let epoch = self.image().broker(self.node_id).map_or(-1, |broker| broker.epoch);
        let mut block = self.allocate_producer_ids(self.node_id, epoch).await?;
        let first = block.next().ok_or(Refusal::NotController)?;
        self.keep_producer_ids(block);
        Ok(first)
    }

    /// A block that was allocated to this broker.
    pub(crate) fn keep_producer_ids(&self, block: Range<i64>) {
        self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner).push_back(block);
    }

    fn take_producer_id(&self) -> Option<i64> {
        let mut blocks = self.producer_ids.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match blocks.front_mut()?.next() {
                Some(id) => return Some(id),
                None => blocks.pop_front(),
            };
        }
    }
}
