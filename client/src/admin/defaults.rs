//! The numbers of partitions and replicas that a broker gives to new topics, for brokers that want to be told both.

use super::{Admin, ConfigResource};
use crate::client::Target;
use crate::metadata::Wanted;
use crate::protocol::messages::create_topics::CreatableTopic;
use crate::protocol::messages::{CreateTopicsRequest, DescribeConfigsRequest};
use crate::protocol::releases::Origin;
use crate::{Error, Result};

/// The oldest version of CreateTopics that takes -1 for them (KIP-464).
const KNOWN_FROM: i16 = 4;

impl Admin {
    /// Fills in what is left to the broker, as its configuration says, where the request cannot leave it.
    pub(super) async fn fill_defaults(&self, topics: &mut [CreatableTopic]) -> Result<()> {
        let connection = self.core.connection(&Target::Any).await?;
        let version = connection.version::<CreateTopicsRequest>(i16::MAX)?;
        if version >= KNOWN_FROM || !topics.iter().any(is_open) {
            return Ok(());
        }
        let too_old = || {
            connection
                .too_old("defaults for the partitions and replicas of new topics", Origin::TOPIC_DEFAULTS)
                .hinted("say how many partitions and replicas")
        };
        if !connection.serves::<DescribeConfigsRequest>() {
            return Err(too_old());
        }
        if self.core.metadata.cluster().brokers.is_empty() {
            self.core.metadata.refresh(&self.core.pool, Wanted::None).await?;
        }
        let cluster = self.core.metadata.cluster();
        let broker = cluster.brokers.first().ok_or_else(too_old)?.id;
        let answer = self.describe_configs([ConfigResource::Broker(broker)]).await?;
        let (_, entries) = answer.into_iter().next().ok_or_else(too_old)?;
        let entries = entries?;
        let value = |name: &str| -> Result<i32, Error> {
            let entry = entries.iter().find(|entry| entry.name == name);
            entry.and_then(|entry| entry.value.as_deref()?.parse().ok()).ok_or_else(too_old)
        };
        let partitions = value("num.partitions")?;
        let replicas = i16::try_from(value("default.replication.factor")?).map_err(|_| too_old())?;
        for topic in topics.iter_mut().filter(|topic| is_open(topic)) {
            if topic.num_partitions < 0 {
                topic.num_partitions = partitions;
            }
            if topic.replication_factor < 0 {
                topic.replication_factor = replicas;
            }
        }
        Ok(())
    }
}

fn is_open(topic: &CreatableTopic) -> bool {
    topic.assignments.is_empty() && (topic.num_partitions < 0 || topic.replication_factor < 0)
}
