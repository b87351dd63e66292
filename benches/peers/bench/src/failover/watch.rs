//! What the cluster says of its partitions, and how it is put in order before something happens.

use std::time::Duration;

use kinglet::protocol::messages::elect_leaders::TopicPartitions;
use kinglet::protocol::messages::metadata::{MetadataRequestTopic, MetadataResponsePartition};
use kinglet::protocol::messages::{ElectLeadersRequest, MetadataRequest};
use kinglet::{Client, Config, Target};
use peers_kit::Fallible;
use tokio::time::{Instant, sleep, timeout};

use super::PARTITIONS;

/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(10);
/// What is not so by then is never so.
const LIMIT: Duration = Duration::from_secs(90);
/// What is asked of a single broker.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two requests to elect.
const ELECT: Duration = Duration::from_secs(1);

/// Someone who knows all three brokers.
pub(super) struct Watch {
    client: Client,
    topics: Vec<&'static str>,
}

impl Watch {
    /// While all three serve.
    pub(super) async fn new(bootstrap: &str, topics: Vec<&'static str>) -> Fallible<Self> {
        let watch = Self { client: Client::connect(Config::new(bootstrap)).await?, topics };
        let know = async {
            for id in 1..=3 {
                while watch.partitions(id).await.is_err() {
                    sleep(LOOK).await;
                }
            }
        };
        timeout(LIMIT, know).await.map_err(|_| "not all three brokers answer")?;
        Ok(watch)
    }

    /// The active controller.
    pub(super) async fn controller(&self) -> Fallible<i32> {
        let quorum = self.client.admin().describe_quorum().await?;
        quorum.leader.ok_or_else(|| "nobody leads the metadata".into())
    }

    /// Waits until all replicas are in sync and each broker leads what it should, which the controller is asked for.
    pub(super) async fn in_order(&self) -> Fallible<()> {
        let mut elected: Option<Instant> = None;
        let order = async {
            loop {
                // As every broker sees it: clients ask any.
                let mut is_so = true;
                for id in 1..=3 {
                    is_so &= self.partitions(id).await.is_ok_and(|all| all.iter().all(is_in_order));
                }
                if is_so {
                    return;
                }
                if elected.is_none_or(|at| at.elapsed() >= ELECT) {
                    // It may be in no state to elect, and is asked again.
                    let _ = timeout(ANSWER, self.elect()).await;
                    elected = Some(Instant::now());
                }
                sleep(LOOK).await;
            }
        };
        Ok(timeout(LIMIT, order).await.map_err(|_| "the partitions do not come in order")?)
    }

    /// Waits until all replicas are in sync, as this broker sees it.
    pub(super) async fn in_sync(&self, seen_by: i32) -> Fallible<()> {
        let looking = async {
            while !self.partitions(seen_by).await.is_ok_and(|all| all.iter().all(is_in_sync)) {
                sleep(LOOK).await;
            }
        };
        Ok(timeout(LIMIT, looking).await.map_err(|_| "the ISR is not full again")?)
    }

    async fn partitions(&self, id: i32) -> Fallible<Vec<MetadataResponsePartition>> {
        let named =
            |name: &&str| MetadataRequestTopic { name: Some((*name).to_owned()), ..Default::default() };
        let topics = Some(self.topics.iter().map(named).collect());
        let request = MetadataRequest { topics, ..Default::default() };
        let response = timeout(ANSWER, self.client.request(request, Target::Broker(id))).await??;
        let all: Vec<_> = response.topics.into_iter().flat_map(|topic| topic.partitions).collect();
        let count = usize::try_from(PARTITIONS)? * self.topics.len();
        if all.len() == count { Ok(all) } else { Err("it does not know the topics".into()) }
    }

    async fn elect(&self) -> Fallible<()> {
        let topic = |name: &&str| TopicPartitions {
            topic: (*name).to_owned(),
            partitions: (0..PARTITIONS).collect(),
        };
        let topic_partitions = Some(self.topics.iter().map(topic).collect());
        let request = ElectLeadersRequest { topic_partitions, timeout_ms: 4000, ..Default::default() };
        self.client.request(request, Target::Controller).await?;
        Ok(())
    }
}

fn is_in_sync(partition: &MetadataResponsePartition) -> bool {
    partition.isr_nodes.len() == partition.replica_nodes.len()
}

fn is_in_order(partition: &MetadataResponsePartition) -> bool {
    is_in_sync(partition) && partition.replica_nodes.first() == Some(&partition.leader_id)
}
