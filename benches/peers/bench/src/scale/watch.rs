//! What brokers say of a cluster with many partitions, and what their processes use.

use std::time::Duration;

use kinglet::protocol::messages::MetadataRequest;
use kinglet::protocol::messages::metadata::{MetadataResponse, MetadataResponsePartition};
use kinglet::protocol::{ApiInfo, Request};
use kinglet::{Client, Config, Target};
use kinglet_harness::process::Usage;
use peers_kit::Fallible;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks, beside the time that one takes: who looks all the time measures himself.
const LOOK: Duration = Duration::from_millis(10);
/// What is not so by then is never so.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// What is asked of a single broker.
const ANSWER: Duration = Duration::from_secs(20);

/// Someone who knows the brokers.
pub(super) struct Watch {
    pub(super) client: Client,
    partitions: usize,
}

/// A partition that someone leads, and a topic's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Led {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) leader: i32,
}

impl Watch {
    /// As soon as one of the brokers can be reached.
    pub(super) async fn new(bootstrap: &str, partitions: u32) -> Fallible<Self> {
        let partitions = usize::try_from(partitions)?;
        let reached = async {
            loop {
                // A request to a broker with thousands of new partitions may take its time; nothing here is tried twice.
                let config = Config::new(bootstrap)
                    .set("request.timeout.ms", 120_000)?
                    .set("default.api.timeout.ms", 180_000)?;
                match Client::connect(config).await {
                    Ok(client) => return Fallible::Ok(client),
                    Err(_) => sleep(LOOK).await,
                }
            }
        };
        let client = timeout(LIMIT, reached).await.map_err(|_| "no broker can be reached")??;
        Ok(Self { client, partitions })
    }

    /// Waits until so many brokers are known.
    pub(super) async fn brokers(&self, count: usize) -> Fallible<()> {
        let known = async {
            let nothing = || MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
            while !matches!(timeout(ANSWER, self.client.request(nothing(), Target::Any)).await, Ok(Ok(answer)) if answer.brokers.len() == count)
            {
                sleep(LOOK).await;
            }
        };
        Ok(timeout(LIMIT, known).await.map_err(|_| "the brokers do not find each other")?)
    }

    /// The active controller.
    pub(super) async fn controller(&self) -> Fallible<i32> {
        let quorum = self.client.admin().describe_quorum().await?;
        quorum.leader.ok_or_else(|| "nobody leads the metadata".into())
    }

    /// Waits until a broker knows all partitions and each of them is so; tells when that was asked.
    pub(super) async fn until(
        &self,
        seen_by: i32,
        is_so: impl Fn(&MetadataResponsePartition) -> bool,
    ) -> Fallible<Instant> {
        let mut last = String::new();
        let looking = async {
            loop {
                let asked = Instant::now();
                match self.all(seen_by).await {
                    Ok(answer) => {
                        let all = || answer.topics.iter().flat_map(|topic| &topic.partitions);
                        let (known, so) = (all().count(), all().filter(|partition| is_so(partition)).count());
                        if known == self.partitions && so == known {
                            return Instant::now();
                        }
                        last = format!(
                            "{known} of {} partitions are known, {so} as they should be",
                            self.partitions
                        );
                    }
                    Err(error) => last = error.to_string(),
                }
                sleep(LOOK.max(3 * asked.elapsed())).await;
            }
        };
        let done = timeout(LIMIT, looking).await;
        done.map_err(|_| format!("not after {LIMIT:?}: {last}").into())
    }

    /// What this broker leads, as another sees it.
    pub(super) async fn led_by(&self, leader: i32, seen_by: i32) -> Fallible<Vec<Led>> {
        Ok(self.led(seen_by).await?.into_iter().filter(|led| led.leader == leader).collect())
    }

    /// All partitions, as a broker sees them.
    pub(super) async fn led(&self, seen_by: i32) -> Fallible<Vec<Led>> {
        let mut all = Vec::with_capacity(self.partitions);
        for topic in self.all(seen_by).await?.topics {
            let name = topic.name.unwrap_or_default();
            all.extend(topic.partitions.into_iter().map(|partition| Led {
                topic: name.clone(),
                partition: partition.partition_index,
                leader: partition.leader_id,
            }));
        }
        Ok(all)
    }

    /// The size of the answer that tells of all topics, in bytes, and how long it takes.
    pub(super) async fn answer(&self, of: i32) -> Fallible<(usize, Duration)> {
        let api = ApiInfo::of::<MetadataRequest>();
        let target = Target::Broker(of);
        let version = self.client.version_of(&api, &target).await?;
        let body = MetadataRequest::default().encode_body(version)?;
        let began = Instant::now();
        let answer = self.client.request_raw(&api, version, body, &target).await?;
        Ok((answer.len(), began.elapsed()))
    }

    async fn all(&self, of: i32) -> Fallible<MetadataResponse> {
        Ok(timeout(ANSWER, self.client.request(MetadataRequest::default(), Target::Broker(of))).await??)
    }
}

/// Somebody leads it, and all its replicas are in sync.
pub(super) fn is_whole(partition: &MetadataResponsePartition) -> bool {
    partition.leader_id >= 0 && partition.isr_nodes.len() == partition.replica_nodes.len()
}

/// Processor time of these processes so far, in seconds.
pub(super) fn cpu_seconds(pids: &[u32]) -> Fallible<f64> {
    let mut all = 0.0;
    for pid in pids {
        all += Usage::of(*pid)?.cpu_seconds;
    }
    Ok(all)
}

/// Resident memory of these processes, in bytes.
pub(super) fn rss_bytes(pids: &[u32]) -> Fallible<u64> {
    let mut all = 0;
    for pid in pids {
        all += Usage::of(*pid)?.rss_bytes;
    }
    Ok(all)
}

/// The most files that one of them has open.
pub(super) fn open_files(pids: &[u32]) -> Fallible<usize> {
    let mut most = 0;
    for pid in pids {
        most = most.max(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count());
    }
    Ok(most)
}
