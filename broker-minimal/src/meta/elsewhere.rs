//! What a broker itself wants of the active controller, wherever that is: topics that clients ask for, and producer ids.

use std::time::Duration;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::{AllocateProducerIdsRequest, CreateTopicsRequest};

use super::active::ActiveController;
use super::refusal::Refusal;
use super::store::{Handle, Mode};
use crate::clock;

/// How long the controller may take, and how long this broker may take to follow it.
const PATIENCE: Duration = Duration::from_secs(5);

impl Handle {
    /// Creates topics; the answers are in the order of the topics, and come when this broker knows them.
    pub(crate) async fn create_topics_anywhere(
        &self,
        topics: Vec<CreatableTopic>,
    ) -> Vec<Result<(), Refusal>> {
        match self.other_controller() {
            None => {
                let made = self.create_topics(topics, Mode::Apply).await;
                made.into_iter().map(|made| made.map(drop)).collect()
            }
            Some(active) => self.create_elsewhere(active, topics).await,
        }
    }

    async fn create_elsewhere(
        &self,
        active: &ActiveController,
        topics: Vec<CreatableTopic>,
    ) -> Vec<Result<(), Refusal>> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let timeout_ms = i32::try_from(PATIENCE.as_millis()).unwrap_or(i32::MAX);
        let request = CreateTopicsRequest { topics, timeout_ms, ..Default::default() };
        let response = match active.ask(&request, clock::now() + PATIENCE).await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(%error, "topics not created");
                return names.iter().map(|_| Err(Refusal::NotController)).collect();
            }
        };
        let answer = |name: &String| {
            let answer = response.topics.iter().find(|topic| topic.name == *name);
            let answer = answer.ok_or(Refusal::NotController)?;
            match answer.error_code {
                ErrorCode::NONE => Ok(()),
                ErrorCode::TOPIC_ALREADY_EXISTS => Err(Refusal::Exists(name.clone())),
                code => {
                    Err(Refusal::Elsewhere { code, why: answer.error_message.clone().unwrap_or_default() })
                }
            }
        };
        let answers: Vec<Result<(), Refusal>> = names.iter().map(answer).collect();
        let is_there = |answer: &Result<(), Refusal>| matches!(answer, Ok(()) | Err(Refusal::Exists(_)));
        let there: Vec<&String> =
            names.iter().zip(&answers).filter(|(_, answer)| is_there(answer)).map(|(name, _)| name).collect();
        let mut image = self.watch();
        let followed = image.wait_for(|image| there.iter().all(|name| image.topic(name).is_some()));
        // A broker that is behind says that it does not know the topic, and its clients ask again.
        let _late = tokio::time::timeout(PATIENCE, followed).await;
        answers
    }

    /// A producer id that nobody has had before.
    pub(crate) async fn producer_id_anywhere(&self) -> Result<i64, Refusal> {
        loop {
            let refusal = match self.next_producer_id().await {
                Err(refusal @ Refusal::NotController) => refusal,
                answer => return answer,
            };
            let Some(active) = self.other_controller() else { return Err(refusal) };
            let broker_epoch = self.image().broker(self.node_id()).map_or(-1, |broker| broker.epoch);
            let request = AllocateProducerIdsRequest { broker_id: self.node_id(), broker_epoch };
            let response = active.ask(&request, clock::now() + PATIENCE).await;
            let response = response.map_err(|_| Refusal::NotController)?;
            if response.error_code.is_err() {
                let why = response.error_code.to_string();
                return Err(Refusal::Elsewhere { code: response.error_code, why });
            }
            let first = response.producer_id_start;
            self.keep_producer_ids(first..first.saturating_add(i64::from(response.producer_id_len)));
        }
    }
}
